"""Uploads in pieces: what has come stays, strangers get nothing, the last piece tells what became of the file."""

from __future__ import annotations

import base64
import fcntl
import json
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.management import call_command
from django.db import OperationalError, connection
from django.test import Client
from django.utils import timezone

from album.models import Album, MediaItem, PartialUpload
from album.services import resumable
from album.services.albums import remove_member
from album.services.api_keys import create_key
from tests.cast import Cast, make_photo, scene_bytes
from tests.web.test_upload import files_in

TUS = {"Tus-Resumable": "1.0.0"}
LARGE = scene_bytes(size_px=(800, 600))
PIECE = "application/offset+octet-stream"


def begin(client: Client, size_bytes: int | str, **stated: object) -> Any:
    """The answer to a creation; ``stated`` are the names and values of its metadata."""
    pairs = [f"{name} {base64.b64encode(str(value).encode()).decode()}" for name, value in stated.items()]
    headers = {**TUS, "Upload-Length": str(size_bytes)} | ({"Upload-Metadata": ",".join(pairs)} if pairs else {})
    return client.post("/upload/files/", headers=headers)


def piece(client: Client, address: str, content: bytes, offset: int | str) -> Any:
    return client.patch(address, content, content_type=PIECE, headers={**TUS, "Upload-Offset": str(offset)})


def have(client: Client, address: str) -> int:
    return int(client.head(address, headers=TUS).headers["Upload-Offset"])


def result(answer: Any) -> dict[str, Any]:
    return dict(json.loads(answer.headers["Upload-Result"]))


def test_a_file_in_three_pieces_becomes_an_item(cast: Cast, alice_client: Client, settings) -> None:
    content = LARGE
    made = begin(
        alice_client, len(content), filename="../../Strand ü.jpg", album=cast.shared.pk, modified=1577836800000
    )
    address = made.headers["Location"]
    assert (made.status_code, made.headers["Tus-Resumable"]) == (201, "1.0.0")

    first = piece(alice_client, address, content[:3000], 0)
    assert (first.status_code, first.headers["Upload-Offset"], have(alice_client, address)) == (204, "3000", 3000)
    assert MediaItem.objects.count() == 0
    piece(alice_client, address, content[3000:6000], 3000)
    last = piece(alice_client, address, content[6000:], 6000)

    item = cast.shared.items.get()
    assert result(last) | {"detail": ""} == {
        "name": "Strand ü.jpg",
        "id": item.pk,
        "status": "stored",
        "detail": "",
        "url": f"/media/{item.pk}/",
    }
    assert (item.owner, item.path.read_bytes(), item.path.stat().st_mode & 0o777) == (cast.alice, content, 0o440)
    assert str(item.file_modified_at) == "2020-01-01 00:00:00+00:00"
    assert files_in(Path(settings.MEDIA_ROOT)) == [item.path.name]
    assert alice_client.head(address, headers=TUS).status_code == 404


def test_what_the_album_has_is_named_and_kept_once(cast: Cast, alice_client: Client, settings) -> None:
    item, content = make_photo(cast.alice, content=LARGE), LARGE
    address = begin(alice_client, len(content), filename="b.jpg").headers["Location"]
    answer = piece(alice_client, address, content, 0)
    assert (result(answer)["status"], result(answer)["id"]) == ("duplicate", item.pk)
    assert not [name for name in files_in(Path(settings.MEDIA_ROOT)) if name.endswith(".part")]


def test_a_lost_connection_keeps_what_has_come(
    cast: Cast, alice_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = LARGE
    address = begin(alice_client, len(content), filename="a.jpg").headers["Location"]

    def broken(self: object, size: int) -> Iterator[bytes]:
        raise OSError("connection lost")

    piece(alice_client, address, content[:5000], 0)
    with monkeypatch.context() as patched:
        patched.setattr("django.http.request.HttpRequest.read", broken)
        assert piece(alice_client, address, content[5000:], 5000).headers["Upload-Offset"] == "5000"
    assert have(alice_client, address) == 5000
    assert result(piece(alice_client, address, content[5000:], 5000))["status"] == "stored"


def test_the_last_step_can_be_asked_for_again(cast: Cast, alice_client: Client) -> None:
    """The bytes are here, the database was not."""
    content = LARGE
    address = begin(alice_client, len(content), filename="a.jpg").headers["Location"]

    def refuse(execute: Any, sql: str, *rest: Any) -> Any:
        if sql.startswith("INSERT"):  # when the file has got its final name already
            raise OperationalError("database is locked")
        return execute(sql, *rest)

    with connection.execute_wrapper(refuse):
        assert piece(alice_client, address, content, 0).status_code == 503
        assert alice_client.head(address, headers=TUS).status_code == 503, "not: all of it is here"
    assert MediaItem.objects.count() == 0
    assert result(alice_client.head(address, headers=TUS))["status"] == "stored"


def test_pieces_that_do_not_fit_are_refused_and_cost_nothing(cast: Cast, alice_client: Client) -> None:
    content = LARGE
    address = begin(alice_client, len(content), filename="a.jpg").headers["Location"]
    piece(alice_client, address, content[:5000], 0)
    assert piece(alice_client, address, content[6000:], 6000).status_code == 409
    assert piece(alice_client, address, content + b"x", 5000).status_code == 422
    assert piece(alice_client, address, b"x", "no number").status_code == 422
    assert alice_client.patch(address, b"x", content_type="text/plain", headers=TUS).status_code == 415
    upload = PartialUpload.objects.get()
    with resumable.part_path(upload).open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert piece(alice_client, address, content[5000:], 5000).status_code == 423
    assert have(alice_client, address) == 5000


def test_what_is_no_photo_is_refused_after_its_first_bytes(cast: Cast, alice_client: Client, settings) -> None:
    address = begin(alice_client, 1_000_000, filename="a.jpg").headers["Location"]
    answer = piece(alice_client, address, b"%PDF-1.7" + bytes(5000), 0)
    assert (answer.status_code, answer.content.decode()[:6]) == (415, "a.jpg:")
    assert not PartialUpload.objects.exists()
    assert files_in(Path(settings.MEDIA_ROOT)) == []


def test_what_only_its_name_tells_is_kept_as_in_one_piece(cast: Cast, alice_client: Client) -> None:
    content = b"P6 60 60 255\n" + b"red" * 3600
    address = begin(alice_client, len(content), filename="old.PPM").headers["Location"]
    assert piece(alice_client, address, content[:5000], 0).status_code == 204
    assert result(piece(alice_client, address, content[5000:], 5000))["status"] == "stored"
    item = MediaItem.objects.get()
    assert (item.kind, item.path.suffix, item.path.read_bytes()) == ("photo", ".ppm", content)


@pytest.mark.parametrize("size", ["0", "-1", "99999999999999999999", "ten", "5000000000"])
def test_a_size_that_cannot_be_is_refused_at_the_door(cast: Cast, alice_client: Client, size: str) -> None:
    assert begin(alice_client, size, filename="a.jpg").status_code in (415, 422)
    assert not PartialUpload.objects.exists()


def test_a_file_for_which_there_is_no_room_is_refused_at_the_door(
    cast: Cast, alice_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=100_500_000))
    assert begin(alice_client, 400_000, filename="a.jpg").status_code == 201
    answer = begin(alice_client, 600_000, filename="b.jpg")
    assert (answer.status_code, "storage full" in answer.content.decode()) == (507, True)


def test_only_its_owner_goes_on_with_an_upload(cast: Cast, alice_client: Client) -> None:
    address = begin(alice_client, 9000, filename="a.jpg").headers["Location"]
    bob, nobody = Client(), Client()
    bob.force_login(cast.bob)
    for client, status in ((bob, 404), (nobody, 401)):
        answers = [
            client.head(address, headers=TUS),
            piece(client, address, b"x", 0),
            client.delete(address, headers=TUS),
        ]
        assert [answer.status_code for answer in answers] == [status] * 3
    assert begin(nobody, 9000, filename="a.jpg").status_code == 401
    assert alice_client.delete(address, headers=TUS).status_code == 204
    assert not PartialUpload.objects.exists()


def test_other_sites_cannot_send_pieces(cast: Cast) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(cast.alice)
    assert begin(client, 9000, filename="a.jpg").status_code == 403


def test_a_folder_becomes_an_album_and_foreign_albums_are_refused(cast: Cast, alice_client: Client) -> None:
    for seed in (0, 1):
        content = scene_bytes(seed=seed)
        address = begin(alice_client, len(content), filename="a.jpg", folder="Rome 2024").headers["Location"]
        piece(alice_client, address, content, 0)
    assert Album.objects.get(title="Rome 2024").items.count() == 2
    bob = Client()
    bob.force_login(cast.bob)
    assert begin(bob, 9000, filename="a.jpg", album=cast.shared.pk).status_code == 422
    assert begin(bob, 9000, filename="a.jpg", album="1 OR 1").status_code == 422


def test_whoever_loses_an_album_on_the_way_keeps_the_file_and_puts_it_nowhere(cast: Cast) -> None:
    charlie, content = Client(), scene_bytes(seed=4)
    charlie.force_login(cast.charlie)
    cast.shared.editors.add(cast.charlie)
    address = begin(charlie, len(content), filename="a.jpg", album=cast.shared.pk).headers["Location"]
    remove_member(user=cast.alice, album=cast.shared, member=cast.charlie)
    assert result(piece(charlie, address, content, 0))["status"] == "stored"
    assert MediaItem.objects.get().owner == cast.charlie
    assert not cast.shared.items.exists()


def test_programs_learn_what_this_server_speaks(alice_client: Client) -> None:
    answer = alice_client.options("/upload/files/")
    assert (answer.status_code, answer.headers["Tus-Version"]) == (204, "1.0.0")
    assert answer.headers["Tus-Extension"] == "creation,expiration,termination"
    assert alice_client.post("/upload/files/").status_code == 412
    assert (
        alice_client.post("/upload/files/", headers={**TUS, "Upload-Metadata": "filename ###"}).status_code == 422
    )


def test_an_upload_that_nobody_goes_on_with_goes_away(cast: Cast, alice_client: Client, settings) -> None:
    begin(alice_client, 9000, filename="a.jpg")
    PartialUpload.objects.update(expires_at=timezone.now() - timedelta(hours=1))
    call_command("cleanup_orphaned_photos", "--incomplete-only", "--older-than-hours=0")
    assert not PartialUpload.objects.exists()
    assert files_in(Path(settings.MEDIA_ROOT)) == []


def test_a_browser_asks_which_files_it_need_not_send(cast: Cast, alice_client: Client) -> None:
    mine, of_bob = make_photo(cast.alice), make_photo(cast.bob, seed=1)
    ask = {"hashes": [mine.sha256, of_bob.sha256, "0" * 64, 7, "\ud800", "\x00"]}
    answer = alice_client.post("/upload/known/", ask, content_type="application/json")
    assert answer.json() == {"known": {mine.sha256: f"/media/{mine.pk}/"}}
    for nonsense in ("", "[]", '{"hashes": 7}', "{", '{"hashes": {}}'):
        assert alice_client.post("/upload/known/", nonsense, content_type="application/json").status_code == 400


def test_a_program_sends_its_key_and_no_token(cast: Cast) -> None:
    client, content = Client(enforce_csrf_checks=True), scene_bytes(seed=5)
    _key, uploads = create_key(user=cast.alice, name="camera", scopes=["upload"])
    _key, reads = create_key(user=cast.alice, name="frame", scopes=["read"])
    stated = {"Tus-Resumable": "1.0.0", "Upload-Length": str(len(content))}
    for wrong in (reads, "pa_wrong", ""):
        headers = {**stated, "Authorization": f"Bearer {wrong}"}
        assert client.post("/upload/files/", headers=headers).status_code == 401
    headers = {"Tus-Resumable": "1.0.0", "Authorization": f"Bearer {uploads}"}
    address = client.post("/upload/files/", headers=headers | stated).headers["Location"]
    answer = client.patch(
        address, content, "application/offset+octet-stream", headers=headers | {"Upload-Offset": "0"}
    )
    assert json.loads(answer.headers["Upload-Result"])["status"] == "stored"
    assert MediaItem.objects.get().owner == cast.alice
