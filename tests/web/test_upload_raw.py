"""The upload door for scripts: the file is the body, its name and album stand in the address."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from album.models import MediaItem
from tests.cast import Cast, make_photo, scene_bytes
from tests.web.test_upload import files_in


def send(client: Client, content: bytes, **fields: object):
    return client.post(
        "/upload/",
        content,
        content_type="application/octet-stream",
        query_params=fields,
        headers={"accept": "application/json"},
    )


def test_a_body_that_is_a_file_becomes_an_item(cast: Cast, alice_client: Client) -> None:
    answer = send(
        alice_client, scene_bytes(), name="strand ü.jpg", album=cast.shared.pk, modified="[1577836800000]"
    )
    assert (answer.status_code, answer.json()["files"][0]["status"]) == (201, "stored")
    item = cast.shared.items.get()
    assert (item.original_name, item.owner, item.path.read_bytes()) == ("strand ü.jpg", cast.alice, scene_bytes())
    assert str(item.file_modified_at) == "2020-01-01 00:00:00+00:00"


def test_what_is_there_is_named_and_what_is_no_photo_refused(cast: Cast, alice_client: Client, settings) -> None:
    make_photo(cast.alice)
    again, page = (send(alice_client, body, name="a.jpg") for body in (scene_bytes(), b"<html>"))
    assert (again.status_code, again.json()["files"][0]["status"]) == (200, "duplicate")
    assert (page.status_code, page.json()["files"][0]["status"]) == (422, "refused")
    assert MediaItem.objects.count() == 1
    assert not [name for name in files_in(Path(settings.MEDIA_ROOT)) if name.endswith(".part")]


@pytest.mark.parametrize(
    ("body", "missing", "words"),
    [
        (scene_bytes()[:-500], 500, "die Verbindung ging verloren, nichts wurde gespeichert."),
        (b"", 0, "die Datei ist leer."),
        (b"%PDF-1.7", 0, "Die Datei ist ein PDF-Dokument, kein Bild oder Video."),
        (b"\0" * 99, 0, "Die Datei ist leer."),
    ],
    ids=["cut", "empty", "foreign", "zeros"],
)
def test_why_a_file_is_refused_is_told_in_the_language_of_whoever_sent_it(
    alice_client: Client, settings, body: bytes, missing: int, words: str
) -> None:
    sent: Any = {"wsgi.input": BytesIO(body), "CONTENT_LENGTH": str(len(body) + missing)}
    answer = alice_client.post(
        "/upload/",
        content_type="application/octet-stream",
        query_params={"name": "a.jpg"},
        headers={"accept": "application/json", "accept-language": "de"},
        **sent,
    )
    assert answer.status_code == 422
    assert answer.json()["files"][0]["detail"].startswith(f"a.jpg: {words}")
    assert files_in(Path(settings.MEDIA_ROOT)) == []


@pytest.mark.parametrize("who", ["anonymous", "without a token"])
def test_nobody_else_sends_anything_into_the_storage(cast: Cast, settings, who: str) -> None:
    client = Client(enforce_csrf_checks=True)
    if who == "without a token":
        client.force_login(cast.alice)
    assert send(client, scene_bytes(), name="a.jpg").status_code == (302 if who == "anonymous" else 403)
    assert files_in(Path(settings.MEDIA_ROOT)) == []


def test_an_album_of_somebody_else_is_refused_and_nothing_kept(cast: Cast, settings) -> None:
    client = Client()
    client.force_login(cast.bob)
    answer = send(client, scene_bytes(), name="a.jpg", album=cast.shared.pk)
    assert (answer.status_code, "album" in answer.json()["errors"]) == (422, True)
    assert files_in(Path(settings.MEDIA_ROOT)) == []
