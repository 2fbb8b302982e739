"""Who gets what: everybody who may stand before the album, at every address that there is.

A new address without a line here fails: add a rule. A letter for each of everybody, in the order of ``ROLES``:

    anonymous, link holder, stranger, viewer, editor, album admin, owner, site admin

``y`` yes, ``n`` there is no such thing, ``f`` it is there and not for you, ``i`` sign in first, ``-`` no such
method. A stranger never sees an ``f`` where a thing is: who may not see it is not told that it is there.
"""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from tests.api.rules import API_RULES
from tests.cast import Cast, make_photo
from tests.media.video_files import write_video
from tests.web.everybody import ROLES, addresses, ask, letter_of, make_world

RULES = {  # name: (GET, POST)
    # Signing in and out, one's own account
    "login": ("yyyyyyyy", "yyyyyyyy"),
    "account_login": ("yyyyyyyy", "yyyyyyyy"),
    "logout": ("iiyyyyyy", "iiiiiiii"),
    "account_logout": ("iiyyyyyy", "iiiiiiii"),
    "account_signup": ("yyyyyyyy", "yyyyyyyy"),
    "account_inactive": ("yyyyyyyy", "--------"),
    "account_reauthenticate": ("iiyyyyyy", "iiyyyyyy"),
    "account_change_password": ("iiyyyyyy", "iiyyyyyy"),
    "account_set_password": ("iiyyyyyy", "iiyyyyyy"),
    "account_reset_password": ("yyyyyyyy", "yyyyyyyy"),
    "account_reset_password_done": ("yyyyyyyy", "--------"),
    "account_reset_password_from_key": ("yyyyyyyy", "yyyyyyyy"),
    "account_reset_password_from_key_done": ("yyyyyyyy", "--------"),
    "usersessions_list": ("iiyyyyyy", "iiyyyyyy"),
    "mfa_index": ("iiyyyyyy", "ii------"),
    "mfa_authenticate": ("iiyyyyyy", "iiyyyyyy"),
    "mfa_reauthenticate": ("iiyyyyyy", "iiyyyyyy"),
    "mfa_activate_totp": ("iiyyyyyy", "iiyyyyyy"),
    "mfa_deactivate_totp": ("iinnnnnn", "iinnnnnn"),
    "mfa_view_recovery_codes": ("iinnnnnn", "ii------"),
    "mfa_generate_recovery_codes": ("iiyyyyyy", "iiyyyyyy"),
    "mfa_download_recovery_codes": ("iinnnnnn", "iinnnnnn"),
    "mfa_list_webauthn": ("iiyyyyyy", "ii------"),
    "mfa_add_webauthn": ("iiyyyyyy", "iiyyyyyy"),
    "mfa_login_webauthn": ("iiyyyyyy", "iiyyyyyy"),
    "mfa_reauthenticate_webauthn": ("iiyyyyyy", "iiyyyyyy"),
    "mfa_remove_webauthn": ("iiyyyyyy", "iiyyyyyy"),
    "mfa_edit_webauthn": ("iiyyyyyy", "iiyyyyyy"),
    "socialaccount_connections": ("iiyyyyyy", "iiyyyyyy"),
    "socialaccount_login_cancelled": ("yyyyyyyy", "--------"),
    "socialaccount_login_error": ("iiiiiiii", "--------"),
    "socialaccount_signup": ("iiiiiiii", "iiiiiiii"),
    "openid_connect_login": ("nnnnnnnn", "nnnnnnnn"),
    "openid_connect_callback": ("nnnnnnnn", "nnnnnnnn"),
    # Django's admin, without the pages of its rows: see below
    "admin_logout": ("iiyyyyyy", "iiiiiiii"),
    "admin_password_change": ("iiyyyyyy", "iiyyyyyy"),
    "admin:index": ("iiiiiiiy", "iiiiiiiy"),
    "admin:login": ("iifffffy", "iifffffy"),
    "admin:logout": ("iiyyyyyy", "iiiiiiii"),
    "admin:password_change": ("iiyyyyyy", "iiyyyyyy"),
    "admin:password_change_done": ("iiiiiiiy", "iiiiiii-"),
    "admin:app_list": ("iiiiiiiy", "iiiiiiiy"),
    "admin:autocomplete": ("iiiiiiif", "iiiiiii-"),
    "admin:jsi18n": ("iiiiiiiy", "iiiiiii-"),
    "admin:view_on_site": ("iiiiiiin", "iiiiiiin"),
    "admin/(?P<url>.*)$": ("iiiiiiin", "iiiiiiin"),
    # The API
    "api:jobs": ("ii------", "iiyyyyyy"),
    "api:job": ("iinnnnyn", "ii------"),
    "api:job_file": ("iinnnnyn", "ii------"),
    # The pages of the album and what they ask for
    "album:bulk": ("--------", "iiyyyyyy"),
    "album:fillable_albums": ("iiyyyyyy", "--------"),
    "album:zip": ("--------", "iiyyyyyy"),
    "album:timeline": ("iiyyyyyy", "--------"),
    "album:timeline_items": ("iiyyyyyy", "--------"),
    "album:timeline_months": ("iiyyyyyy", "--------"),
    "album:timeline_filters": ("iiyyyyyy", "--------"),
    "album:favourites": ("iiyyyyyy", "--------"),
    "album:favourites_items": ("iiyyyyyy", "--------"),
    "album:favourites_months": ("iiyyyyyy", "--------"),
    "album:favourites_filters": ("iiyyyyyy", "--------"),
    "album:archive": ("iiyyyyyy", "--------"),
    "album:archive_items": ("iiyyyyyy", "--------"),
    "album:archive_months": ("iiyyyyyy", "--------"),
    "album:archive_filters": ("iiyyyyyy", "--------"),
    "album:photo_detail": ("iinyyyyy", "--------"),
    "album:media_info": ("iinyyyyy", "--------"),
    "album:edit_item": ("--------", "iinffyyy"),
    "album:favourite": ("--------", "iinyyyyy"),
    "album:retry_item": ("--------", "iinffyyy"),
    "album:thumbnail": ("iynyyyyy", "--------"),
    "album:preview": ("iynyyyyy", "--------"),
    "album:original": ("innyyyyy", "--------"),
    "album:playback": ("innyyyyy", "--------"),
    "album:motion": ("innyyyyy", "--------"),
    "album:animation": ("iynyyyyy", "--------"),
    "album:move_to_trash": ("--------", "iinfffyy"),
    "album:trash": ("iiyyyyyy", "--------"),
    "album:restore_all": ("--------", "iiyyyyyy"),
    "album:empty_trash": ("--------", "iiyyyyyy"),
    "album:restore": ("--------", "iinnnnyy"),
    "album:delete": ("--------", "iinnnnyy"),
    "album:upload": ("iiyyyyyy", "iiyyyyyy"),
    "album:upload_known": ("--------", "iiyyyyyy"),
    "album:uploads": ("--------", "iiyyyyyy"),
    "album:upload_piece": ("--------", "--------"),
    "album:albums": ("iiyyyyyy", "--------"),
    "album:album_new": ("iiyyyyyy", "iiyyyyyy"),
    "album:albums_arrange": ("--------", "iiyyyyyy"),
    "album:album": ("iinyyyyy", "--------"),
    "album:album_items": ("iinyyyyy", "--------"),
    "album:album_months": ("iinyyyyy", "--------"),
    "album:album_add": ("iinfyyyy", "iinfyyyy"),
    "album:album_add_items": ("iinfyyyy", "--------"),
    "album:album_add_months": ("iinfyyyy", "--------"),
    "album:album_edit": ("iinffyyy", "iinffyyy"),
    "album:album_delete": ("--------", "iinfffyy"),
    "album:album_cover": ("--------", "iinffyyy"),
    "album:album_arrange": ("iinffyyy", "iinffyyy"),
    "album:album_people": ("iinyyyyy", "iinffyyy"),
    "album:album_leave": ("--------", "iinyyyyy"),
    "album:album_zip": ("--------", "iinyyyyy"),
    "album:import_url": ("iinfyyyy", "iinfyyyy"),
    "album:links": ("iiyyyyyy", "--------"),
    "album:items_link": ("--------", "iiyyyyyy"),
    "album:link_revoke": ("--------", "iinnnyyy"),
    "album:album_links": ("iinffyyy", "iinffyyy"),
    "album:shared": ("yyyyyyyy", "yyyyyyyy"),
    "album:shared_items": ("yyyyyyyy", "--------"),
    "album:shared_zip": ("yyyyyyyy", "--------"),
    "album:shared_original": ("yyyyyyyy", "--------"),
    "album:shared_video": ("yyyyyyyy", "--------"),
    "album:search": ("iiyyyyyy", "--------"),
    "album:search_items": ("iiyyyyyy", "--------"),
    "album:suggest": ("iiyyyyyy", "--------"),
    "album:similar": ("iinyyyyy", "--------"),
    "album:similar_items": ("iinyyyyy", "--------"),
    "album:map": ("iiyyyyyy", "--------"),
    "album:map_points": ("iiyyyyyy", "--------"),
    "album:memories": ("iiyyyyyy", "--------"),
    "album:memories_strip": ("iiyyyyyy", "--------"),
    "album:dismiss_memories": ("--------", "iiyyyyyy"),
    "album:people": ("iiyyyyyy", "--------"),
    "album:person": ("iinnnnyy", "--------"),
    "album:person_items": ("iinnnnyy", "--------"),
    "album:person_months": ("iinnnnyy", "--------"),
    "album:rename_person": ("--------", "iinnnnyy"),
    "album:merge_people": ("--------", "iinnnnyy"),
    "album:choose_face": ("--------", "iinnnnyy"),
    "album:forget_person": ("--------", "iinnnnyy"),
    "album:process_photos_ai": ("iifffyyy", "iifffyyy"),
    "album:process_photos_ai_run": ("iifffyyy", "--------"),
    "album:process_photos_ai_stop": ("--------", "iifffyyy"),
    "album:process_photos_ai_retry": ("--------", "iifffyyy"),
    "album:process_videos_ai": ("iifffyyy", "iifffyyy"),
    "album:process_videos_ai_run": ("iifffyyy", "--------"),
    "album:process_videos_ai_stop": ("--------", "iifffyyy"),
    "album:process_videos_ai_retry": ("--------", "iifffyyy"),
    "album:ai_settings": ("iifffffy", "iifffffy"),
    "album:ai_models": ("iifffffy", "--------"),
    "album:ai_download": ("--------", "iifffffn"),
    "album:statistics": ("iiyyyyyy", "--------"),
    "album:account": ("iiyyyyyy", "--------"),
    "album:profile": ("--------", "iiyyyyyy"),
    "album:preferences": ("--------", "iiyyyyyy"),
    "album:add_key": ("--------", "iiyyyyyy"),
    "album:drop_key": ("--------", "iinnnnyn"),
    "album:invitations": ("iifffffy", "iifffffy"),
    "album:withdraw_invitation": ("--------", "iifffffy"),
    "album:password_link": ("--------", "iifffffy"),
    "album:join": ("yyyyyyyy", "--------"),
    "album:favicon": ("yyyyyyyy", "--------"),
    "album:manifest": ("yyyyyyyy", "--------"),
    "album:service_worker": ("yyyyyyyy", "--------"),
    "album:offline": ("yyyyyyyy", "--------"),
    "album:share_target": ("iiyyyyyy", "iiffffff"),
    "album:healthz": ("yyyyyyyy", "--------"),
    "album:status": ("iifffffy", "--------"),
    "album:metrics": ("nnnnnnnn", "--------"),  # with a token only: tests/web/test_status.py
}
OTHER_METHODS = {
    ("HEAD", "album:upload_piece"): "iinnnnyn",
    ("PATCH", "album:upload_piece"): "iinnnnyn",
    ("DELETE", "album:upload_piece"): "iinnnnyn",
}
ADMIN_OF_ROWS = re.compile(
    r"admin:\w+_\w+_(changelist|add|history|delete|change|password_change)|admin/\w+/\w+/<path:object_id>/"
)
"""Its pages of rows are for site admins, who may not do everything there."""
BODIES = {"album:choose_face": "item={photo}"}
"""What a form says where an empty one is answered as if the thing were not there."""
OF_API = {f"api:{name}" for _method, name in API_RULES} | {"api:nowhere"}
"""These are asked in JSON: tests/api/test_permissions.py."""


@pytest.fixture(scope="module")
def moving(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return write_video(tmp_path_factory.mktemp("video") / "v.mp4", ["red", "blue"]).read_bytes()


def test_every_address_has_a_rule() -> None:
    names = {name for name in addresses() if not ADMIN_OF_ROWS.fullmatch(name)} - OF_API
    assert names - set(RULES) == set(), "add a rule for each of these to RULES"
    assert set(RULES) - names == set(), "these addresses are gone: take their rules away"


@pytest.mark.parametrize("role", ROLES)
def test_everybody_gets_what_is_theirs(cast: Cast, moving: bytes, settings: Any, role: str) -> None:
    settings.REGISTRATION = "invite"
    world, wrong = make_world(cast, moving), []
    client, column = world.browser(role), ROLES.index(role)
    for name, (route, entry) in addresses().items():
        if name in OF_API:
            continue
        path = world.path_of(route, entry)
        wanted = {"GET": "", "POST": ""} | {method: "" for method, of in OTHER_METHODS if of == name}
        for method in wanted:
            body = BODIES.get(name, "").format(photo=world.photo.pk) if method == "POST" else ""
            letter = letter_of(ask(client, method, path, body))
            if letter not in _allowed(name, method, column):
                wrong.append(f"{method} {path} ({name}): {letter}, not {_allowed(name, method, column)}")
    assert wrong == []


def _allowed(name: str, method: str, column: int) -> str:
    """The letters that are right."""
    if ADMIN_OF_ROWS.fullmatch(name):
        return "yfn-" if ROLES[column] == "site admin" else "i"
    if (method, name) in OTHER_METHODS:
        return OTHER_METHODS[method, name][column]
    return RULES[name][method == "POST"][column]


ABOUT_AN_ITEM = (
    "photo_detail",
    "media_info",
    "thumbnail",
    "preview",
    "original",
    "motion",
    "playback",
    "animation",
)


@pytest.mark.parametrize("name", ABOUT_AN_ITEM)
def test_a_stranger_cannot_tell_a_hidden_item_from_none(cast: Cast, name: str) -> None:
    item = make_photo(cast.alice)
    client = Client()
    client.force_login(cast.charlie)
    hidden, none = (client.get(reverse(f"album:{name}", args=(pk,))) for pk in (item.pk, item.pk + 1000))
    huge = client.get(reverse(f"album:{name}", args=(10**30,)))
    assert hidden.status_code == none.status_code == huge.status_code == 404
    token = rb'(name="csrfmiddlewaretoken" value="|X-CSRFToken": ")\w+"'
    assert re.sub(token, b"", hidden.content) == re.sub(token, b"", none.content)


def test_an_account_that_was_switched_off_is_a_stranger_to_everything(cast: Cast) -> None:
    item, client = make_photo(cast.bob), Client()
    client.force_login(cast.bob)
    cast.bob.is_active = False
    cast.bob.save()
    for path in ("/", "/albums/", f"/media/{item.pk}/thumbnail/", "/account/"):
        assert client.get(path).headers["Location"].startswith("/login/"), path


def test_the_sign_of_life_is_for_everybody_and_says_nothing_else(db: None) -> None:
    answer = Client().get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


def test_posting_needs_the_token_of_the_form(cast: Cast) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(cast.alice)
    assert client.post("/upload/").status_code == 403
