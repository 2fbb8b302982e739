"""Everybody at every endpoint of the API, by session and by key."""

from __future__ import annotations

import json
from importlib import import_module
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import transaction
from django.test import Client
from django.utils import timezone

from album.api.endpoints import Resource
from album.api.urls import ROUTES, V1
from album.models import BatchRun, ItemPerson, MediaItem, Person, ShareLink
from album.services.api_keys import create_key
from album.services.editing import add_tag, name_person
from tests.api.rules import API_RULES, PHOTO, ROLES
from tests.cast import Cast, make_photo, make_rows
from tests.web.everybody import letter_of

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


def view_of(module: str, name: str) -> type[Resource]:
    view: type[Resource] = getattr(import_module(f"album.api.{module}"), name)
    return view


@pytest.fixture
def paths(cast: Cast) -> dict[str, str]:
    """The address of each endpoint about alice's photo in the album that bob sees and eve fills."""
    cast.shared.editors.add(User.objects.create_user("eve"))
    photo = make_photo(cast.alice, album=cast.shared)
    (trashed,) = make_rows(cast.alice, 1, trashed_at=timezone.now())
    tag, ann = add_tag(item=photo, name="sea"), name_person(item=photo, name="Ann")
    link = ShareLink.objects.create(created_by=cast.alice, album=cast.shared, token_sha256="0" * 64)
    run = BatchRun.objects.create(kind="photo", trigger="on-demand", album=cast.shared, state="finished")
    numbers = {"albums/": cast.shared.pk, "links/": link.pk, "people/": ann.pk, "batches/": run.pk}
    paths = {}
    for route, _module, _view, name in ROUTES:
        start = route.partition("<")[0]
        pk = trashed.pk if name == "media_restore" else numbers.get(start, photo.pk)
        values = {"<int:pk>": pk, "<path:name>": tag.name, "<str:username>": "bob", "<int:person_id>": ann.pk}
        paths[name] = f"/{V1}{route}"
        for part, value in values.items():
            paths[name] = paths[name].replace(part, str(value))
    paths["search"] += "?q=scene"
    return paths


def person_of(cast: Cast, role: str) -> User:
    people = (cast.charlie, cast.bob, User.objects.get(username="eve"), cast.dora, cast.alice, cast.admin)
    return people[ROLES.index(role) - 1]


def ask(client: Client, method: str, path: str, body: Any = None, headers: Any = None) -> Any:
    """The answer; what it did to rows is undone."""
    if body is PHOTO:
        body = {"ids": [MediaItem.objects.get(trashed_at=None).pk]}
    content = "" if body is None else json.dumps(body)
    with transaction.atomic():
        answer = client.generic(method, path, content, "application/json", headers=headers)
        transaction.set_rollback(True)
    return answer


def test_every_endpoint_has_a_rule() -> None:
    there = {
        (method, name)
        for _route, module, view, name in ROUTES
        for method in METHODS
        if hasattr(view_of(module, view), method.lower())
    }
    assert there == set(API_RULES)


@pytest.mark.parametrize("role", ROLES)
def test_everybody_gets_what_is_theirs(cast: Cast, paths: dict[str, str], role: str) -> None:
    client, wrong = Client(raise_request_exception=False), []
    if role != "anonymous":
        client.force_login(person_of(cast, role))
    for (method, name), (letters, body) in API_RULES.items():
        letter, wanted = letter_of(ask(client, method, paths[name], body)), letters[ROLES.index(role)]
        if letter != wanted:
            wrong.append(f"{method} {name}: {letter}, not {wanted}")
    assert wrong == []


@pytest.mark.parametrize("role", ROLES[1:])
def test_a_key_opens_what_its_account_may_and_nothing_more(cast: Cast, paths: dict[str, str], role: str) -> None:
    user, wrong = person_of(cast, role), []
    scopes = ["read", "upload", "write", "process", *(["admin"] if user.is_superuser else [])]
    _key, text = create_key(user=user, name="all", scopes=scopes)
    for (method, name), (letters, body) in API_RULES.items():
        answer = ask(Client(), method, paths[name], body, {"Authorization": f"Bearer {text}"})
        if letter_of(answer) != letters[ROLES.index(role)]:
            wrong.append(f"{method} {name}: {letter_of(answer)}, not {letters[ROLES.index(role)]}")
    assert wrong == []


@pytest.mark.parametrize(
    ("scope", "opens"),
    [
        ("read", lambda method, name: method == "GET"),
        ("upload", lambda method, name: name.startswith("uploads")),
        ("write", lambda method, name: not name.startswith(("uploads", "batch", "settings", "status"))),
        ("process", lambda method, name: name.startswith("batch")),
        ("admin", lambda method, name: name in ("settings", "status")),
    ],
)
def test_a_key_does_no_more_than_its_scope(cast: Cast, paths: dict[str, str], scope: str, opens: Any) -> None:
    _key, text = create_key(user=cast.admin, name=scope, scopes=[scope])
    wrong = []
    for (method, name), (_letters, body) in API_RULES.items():
        if name != "schema":
            answer = ask(Client(), method, paths[name], body, {"Authorization": f"Bearer {text}"})
            lacks = "lacks the scope" in str(answer.json().get("detail")) if answer.content else False
            if lacks == opens(method, name):
                wrong.append(f"{method} {name}: {answer.status_code}")
    assert wrong == []


def test_a_session_needs_its_token_to_change_something(cast: Cast, paths: dict[str, str]) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(cast.alice)
    assert client.get(paths["media_item"]).status_code == 200
    answer = client.patch(paths["media_item"], {"title": "a"}, "application/json")
    assert (answer.status_code, answer.json()["detail"][:11]) == (403, "CSRF Failed")


def test_a_stranger_cannot_tell_a_hidden_thing_from_none(cast: Cast, paths: dict[str, str]) -> None:
    client = Client()
    client.force_login(cast.charlie)
    for name in ("media_item", "album", "person", "batch", "link"):
        number = paths[name].rstrip("/").rpartition("/")[2]
        hidden, none = (client.get(paths[name].replace(f"/{number}/", f"/{pk}/")) for pk in (number, 10**30))
        assert (hidden.status_code, hidden.content) == (none.status_code, none.content) == (404, none.content)


def test_words_for_who_looks_only(cast: Cast, paths: dict[str, str]) -> None:
    client = Client()
    client.force_login(cast.bob)
    answer = client.patch(paths["media_item"], {"title": "a"}, "application/json")
    assert answer.json() == {"detail": "You may look at this, and not change it.", "errors": {}}
    item = MediaItem.objects.get(trashed_at=None)
    assert item.title == "" and ItemPerson.objects.filter(person__in=Person.objects.all()).count() == 1
