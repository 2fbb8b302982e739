"""Grants of shared links: their pictures come without a question, and end with the link, its items, its maker."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client, RequestFactory
from django.utils import timezone

from album.models import MediaItem, ShareLink
from album.services import grants as revoking
from album.web import grants
from album.web.addresses import file_address
from album.web.grants import COOKIE, Held, ledger
from album.web.middleware import Visit
from tests.cast import Cast, make_photo
from tests.web.doors import browser_of, is_let_in, status_of
from tests.web.test_grants import delete_album, remove_item, trash_item


@pytest.fixture
def item(cast: Cast) -> MediaItem:
    """A photo of alice's that lies in the shared album."""
    return make_photo(cast.alice, album=cast.shared)


def link_to(cast: Cast, **values: Any) -> ShareLink:
    values = {"created_by": cast.alice, "album": cast.shared, "token_sha256": "0" * 64, **values}
    return ShareLink.objects.create(**values)


def open_link(link: ShareLink, item: MediaItem) -> tuple[Client, str]:
    """A browser that has opened ``link``, and the address that its page gives for ``item``."""
    visit = Visit(RequestFactory().get("/"))
    address = file_address("thumbnail", item, visit.open_link(link))
    client = Client()
    client.cookies[COOKIE] = str(Held.now(None, {link.pk: grants.link_stamp(link.pk, link.password)}))
    return client, address


def test_whoever_opened_a_link_gets_its_pictures(cast: Cast, item: MediaItem) -> None:
    client, address = open_link(link_to(cast), item)
    assert is_let_in(address, client)
    assert not is_let_in(address, None)
    assert not is_let_in(address, browser_of(cast.charlie))
    hidden = make_photo(cast.alice, seed=1)
    assert status_of(client, address) == 200
    assert status_of(client, f"/media/{hidden.pk}/thumbnail/") == 404


def test_a_new_link_gives_pictures_where_a_process_does_not_know_of_it_yet(
    cast: Cast, item: MediaItem, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = ledger.read()
    client, address = open_link(link_to(cast), item)
    monkeypatch.setattr(ledger, "known", before)
    assert not is_let_in(address, client)
    assert status_of(client, address) == 200


def test_a_link_gives_no_file_that_tells_more_than_it_may(cast: Cast, item: MediaItem) -> None:
    MediaItem.objects.update(motion_offset=0, motion_size_bytes=9)
    link = link_to(cast)
    client, _ = open_link(link, item)

    def statuses() -> list[int]:
        return [status_of(client, f"/media/{item.pk}/{name}/") for name in ("preview", "original", "motion")]

    assert statuses() == [200, 404, 404]
    ShareLink.objects.update(may_download=True)
    assert statuses() == [200, 404, 404]
    ShareLink.objects.update(shows_location=True)
    assert statuses() == [200, 200, 200]


def test_of_two_links_the_wider_one_counts(cast: Cast, item: MediaItem) -> None:
    wide = link_to(cast, may_download=True, shows_location=True)
    narrow = link_to(cast, token_sha256="1" * 64)
    client = Client()
    client.cookies[COOKIE] = str(
        Held.now(None, {link.pk: grants.link_stamp(link.pk, "") for link in (wide, narrow)})
    )
    assert status_of(client, f"/media/{item.pk}/original/") == 200


@pytest.mark.parametrize(
    "change",
    [
        {"revoked_at": timezone.now()},
        {"expires_at": timezone.now() - timedelta(seconds=1)},
        {"password": "md5$salt$hash"},
        None,
    ],
)
def test_the_pictures_of_a_link_end_with_it(cast: Cast, item: MediaItem, change: dict[str, Any] | None) -> None:
    client, address = open_link(link_to(cast), item)
    if change is None:
        ShareLink.objects.all().delete()
    else:
        ShareLink.objects.update(**change)
    ledger.read()
    assert not is_let_in(address, client)
    assert status_of(client, address) in (302, 404)


def test_a_link_expires_to_the_second(cast: Cast, item: MediaItem, monkeypatch: pytest.MonkeyPatch) -> None:
    client, address = open_link(link_to(cast, expires_at=timezone.now() + timedelta(minutes=5)), item)
    assert is_let_in(address, client)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 301)
    assert not is_let_in(address, client)


@pytest.mark.parametrize("take_away", [remove_item, delete_album, trash_item])
def test_what_leaves_the_album_leaves_its_links(
    cast: Cast, item: MediaItem, take_away: Callable[[Cast], None]
) -> None:
    client, address = open_link(link_to(cast), item)
    picked = link_to(cast, album=None, token_sha256="1" * 64)
    picked.items.add(item)
    other, there = open_link(picked, item)
    take_away(cast)
    ledger.read()
    assert not is_let_in(address, client)
    assert is_let_in(there, other) == (take_away is not trash_item)


def test_a_link_ends_with_the_rights_of_its_maker(cast: Cast, item: MediaItem) -> None:
    client, address = open_link(link_to(cast, created_by=cast.dora), item)
    assert is_let_in(address, client)
    cast.shared.admins.remove(cast.dora)
    revoking.revoke_shares([cast.dora.pk])
    ledger.read()
    assert not is_let_in(address, client)
    User.objects.filter(pk=cast.dora.pk).update(is_active=False)
    assert status_of(client, address) in (302, 404)


def test_a_browser_holds_links_beside_its_user(cast: Cast, item: MediaItem) -> None:
    link = link_to(cast)
    client, address = open_link(link, item)
    client.force_login(cast.charlie)
    client.get("/trash/")
    held = Held.read(client.cookies[COOKIE].value)
    assert held and held.user and (held.user[0], list(held.links)) == (cast.charlie.pk, [link.pk])
    assert is_let_in(address, client)
    client.logout()
    client.cookies[COOKIE] = str(held)
    client.post("/logout/")
    assert is_let_in(address, client)
