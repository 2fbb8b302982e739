"""The upload page: each file gets its answer, and no file is stored that the album cannot take."""

from __future__ import annotations

import errno
import json
import os
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone
from kombu.exceptions import OperationalError

from album import tasks
from album.media.storage import LOCKS, MARKER
from album.models import AIProcessingSettings, Album, MediaItem
from tests.cast import Cast, make_cast, scene_bytes

JSON = {"accept": "application/json"}


def upload(client: Client, *files: tuple[str, bytes], headers: dict[str, str] | None = None, **values: object):
    uploads = [SimpleUploadedFile(name, content, "image/jpeg") for name, content in files]
    return client.post("/upload/", {"uploads": uploads, **values}, headers=headers)


def files_in(root: Path) -> list[str]:
    """The names of all files below the storage but its marker and locks."""
    files = [path for path in root.rglob("*") if path.is_file() and path.parent.name != LOCKS]
    return [path.name for path in files if path.name != MARKER]


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """The messages that would be sent: the broker is replaced at its edge."""
    messages: list[tuple[str, int]] = []
    for task in (tasks.prepare_media, tasks.process_photo_ai):
        name = task.name.rpartition(".")[2]
        monkeypatch.setattr(task, "apply_async", lambda args, name=name, **_: messages.append((name, *args)))
    return messages


def test_each_file_gets_its_own_answer(cast: Cast, alice_client: Client, settings) -> None:
    settings.UPLOAD_MAX_BYTES = 100_000
    upload(alice_client, ("first.jpg", scene_bytes()))
    answer = upload(
        alice_client,
        ("again.jpg", scene_bytes()),
        ("new.jpg", scene_bytes(seed=1)),
        ("page.jpg", b"<!DOCTYPE html><script>alert(1)</script>"),
        ("empty.jpg", b""),
        ("large.jpg", scene_bytes(seed=2) + bytes(100_000)),
        album=cast.shared.pk,
    )

    page = answer.content.decode()
    assert answer.status_code == 200
    assert "again.jpg is the same as" in page and "new.jpg</a>, which waits" in page
    assert "page.jpg: " in page and "empty.jpg: the file is empty" in page
    assert "large.jpg: larger than" in page
    assert len(files_in(settings.MEDIA_ROOT)) == 2
    assert set(cast.shared.items.values_list("original_name", flat=True)) == {"first.jpg", "new.jpg"}
    assert set(MediaItem.objects.values_list("processing_status", flat=True)) == {"pending"}


def test_the_answer_tells_programs_when_nothing_was_stored(cast: Cast, alice_client: Client) -> None:
    assert upload(alice_client, ("notes.txt", b"words")).status_code == 422
    assert alice_client.post("/upload/").status_code == 422


def test_a_full_disk_is_said_in_words(cast: Cast, alice_client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fail)
    answer = upload(alice_client, ("a.jpg", scene_bytes()))
    assert answer.status_code == 507
    assert b"storage full" in answer.content
    assert not MediaItem.objects.exists()


@pytest.mark.parametrize(
    "name", ["../../evil.jpg", "<img src=x onerror=alert(1)>.jpg", "a\u202egpj.jpg", "x" * 400]
)
def test_an_evil_name_is_only_a_name(cast: Cast, alice_client: Client, settings, name: str) -> None:
    page = upload(alice_client, (name, scene_bytes())).content.decode()
    item = MediaItem.objects.get()
    assert "<img src=x" not in page and "/" not in item.original_name
    assert files_in(settings.VAR_DIR) == [f"{item.sha256}.jpg"]


def test_nobody_fills_an_album_they_may_only_look_at(cast: Cast) -> None:
    client = Client()
    client.force_login(cast.bob)
    private = Album.objects.create(title="Private", owner=cast.alice)
    for album in (cast.shared, private):
        assert upload(client, ("a.jpg", scene_bytes()), album=album.pk).status_code == 422
    assert not MediaItem.objects.exists()
    page = client.get("/upload/").content
    assert b"Private" not in page and b"Holiday" not in page


def test_many_files_fit_into_one_request(cast: Cast, alice_client: Client) -> None:
    answer = upload(alice_client, *((f"{n}.txt", b"words") for n in range(150)))
    assert answer.status_code == 422
    assert answer.content.count(b"Not stored") == 150


def test_programs_get_json(cast: Cast, alice_client: Client) -> None:
    files = ("a.jpg", scene_bytes()), ("same.jpg", scene_bytes()), ("notes.txt", b"words")
    answer = upload(alice_client, *files, headers=JSON)

    pk, url = MediaItem.objects.get().pk, f"/media/{MediaItem.objects.get().pk}/"
    stored, same, refused = answer.json()["files"]
    assert answer.status_code == 201
    assert (stored["name"], stored["id"], stored["status"], stored["url"]) == ("a.jpg", pk, "stored", url)
    assert (same["id"], same["status"], same["url"]) == (pk, "duplicate", url)
    assert "a.jpg" in same["detail"]
    assert (refused["id"], refused["status"], refused["url"]) == (None, "refused", None)
    assert refused["detail"].startswith("notes.txt: ")

    assert upload(alice_client, files[0], headers=JSON).status_code == 200
    assert upload(alice_client, files[2], headers=JSON).status_code == 422
    nothing = alice_client.post("/upload/", headers=JSON)
    assert (nothing.status_code, list(nothing.json()["errors"])) == (422, ["uploads"])
    MediaItem.objects.update(trashed_at=timezone.now())
    restored = upload(alice_client, files[0], headers=JSON)
    assert (restored.status_code, restored.json()["files"][0]["status"]) == (200, "restored")
    assert b"Known already" in upload(alice_client, files[0]).content


def test_the_clip_of_a_photo_leads_to_the_photo(cast: Cast, alice_client: Client) -> None:
    for name, seed in (("photo.jpg", 0), ("clip.jpg", 1)):
        upload(alice_client, (name, scene_bytes(seed=seed)))
    photo, clip = MediaItem.objects.order_by("pk")
    MediaItem.objects.filter(pk=clip.pk).update(clip_of=photo)
    (again,) = upload(alice_client, ("clip.jpg", scene_bytes(seed=1)), headers=JSON).json()["files"]
    assert (again["status"], again["id"], again["url"]) == ("duplicate", clip.pk, f"/media/{photo.pk}/")
    page = upload(alice_client, ("clip.jpg", scene_bytes(seed=1))).content.decode()
    assert f'href="/media/{photo.pk}/">clip.jpg</a>' in page


def test_an_unmounted_storage_is_no_full_one(cast: Cast, alice_client: Client, settings) -> None:
    upload(alice_client, ("a.jpg", scene_bytes()))
    (settings.MEDIA_ROOT / MARKER).unlink()
    answer = upload(alice_client, ("b.jpg", scene_bytes(seed=1)))
    assert answer.status_code == 503
    assert b"storage missing" in answer.content


@pytest.mark.parametrize(
    ("modified", "moments"),
    [
        ("[1720171801000, null]", [datetime(2024, 7, 5, 9, 30, 1, tzinfo=UTC), None]),
        ("[0, 1720171801000]", [None, datetime(2024, 7, 5, 9, 30, 1, tzinfo=UTC)]),
        ("", [None, None]),
        ("[1e30, 1]", [None, None]),
        ("words", [None, None]),
        ('{"a": 1}', [None, None]),
        ("[" * 100_000, [None, None]),
    ],
    ids=["first", "second", "none", "too large", "no JSON", "no list", "deep"],
)
def test_the_time_of_each_file_is_kept(
    cast: Cast, alice_client: Client, modified: str, moments: list[datetime | None]
) -> None:
    upload(alice_client, ("a.jpg", scene_bytes()), ("b.jpg", scene_bytes(seed=1)), modified=modified)
    rows = MediaItem.objects.order_by("original_name")
    assert list(rows.values_list("file_modified_at", flat=True)) == moments


def test_a_body_that_was_cut_off_stores_nothing_of_the_cut_file(alice_client: Client, settings) -> None:
    head = b'--b\r\nContent-Disposition: form-data; name="uploads"; filename="%s.jpg"\r\n\r\n'
    body = head % b"whole" + scene_bytes() + b"\r\n" + head % b"cut" + scene_bytes(seed=1)[:-500]
    answer = alice_client.generic("POST", "/upload/", body, "multipart/form-data; boundary=b")
    assert answer.status_code == 200
    assert MediaItem.objects.get().original_name == "whole.jpg"
    assert files_in(settings.MEDIA_ROOT) == [f"{MediaItem.objects.get().sha256}.jpg"]


def test_strangers_send_nothing_into_the_storage(cast: Cast, settings) -> None:
    assert upload(Client(), ("a.jpg", scene_bytes())).status_code == 302
    assert files_in(settings.VAR_DIR) == []


def test_without_the_token_of_the_form_nothing_stays(cast: Cast, settings) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(cast.alice)
    assert upload(client, ("a.jpg", scene_bytes())).status_code == 403
    assert files_in(settings.VAR_DIR) == []

    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', client.get("/upload/").content.decode())
    assert token is not None
    assert upload(client, ("a.jpg", scene_bytes()), csrfmiddlewaretoken=token[1]).status_code == 200


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_wanted", [False, True])
def test_analysis_starts_at_once_only_if_the_settings_say_so(
    sent: list[tuple[str, int]], settings, is_wanted: bool
) -> None:
    client = Client()
    client.force_login(make_cast().alice)
    AIProcessingSettings.load()
    AIProcessingSettings.objects.update(auto_process_on_upload=is_wanted)

    upload(client, ("a.jpg", scene_bytes()), ("b.jpg", scene_bytes()), ("c.jpg", b"<html>"))

    pk = MediaItem.objects.get().pk
    assert sent == [("prepare_media", pk)] + [("process_photo_ai", pk)] * is_wanted


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "error", [OperationalError("connection refused"), OSError(errno.ENOSPC, ""), json.JSONDecodeError("", "", 0)]
)
def test_a_missing_broker_never_costs_an_upload_and_is_asked_once(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    asked: list[int] = []

    def fail(args: tuple[int], **options: object) -> None:
        asked.append(args[0])
        raise error

    monkeypatch.setattr(tasks.prepare_media, "apply_async", fail)
    client = Client()
    client.force_login(make_cast().alice)
    answer = upload(client, *((f"{n}.jpg", scene_bytes(seed=n)) for n in range(3)))
    assert answer.status_code == 200
    assert set(MediaItem.objects.values_list("processing_status", "preview_status")) == {("pending", "waiting")}
    assert len(asked) == 1


def test_a_lost_photo_that_comes_again_is_stored_and_is_the_same_item(cast: Cast, alice_client: Client) -> None:
    upload(alice_client, ("a.jpg", scene_bytes()))
    item = MediaItem.objects.get()
    item.path.unlink()
    answer = upload(alice_client, ("b.jpg", scene_bytes()), headers=JSON)
    (stored,) = answer.json()["files"]
    assert (answer.status_code, stored["id"], stored["status"]) == (201, item.pk, "stored")
    assert "a.jpg, which was missing" in stored["detail"]
    assert item.path.read_bytes() == scene_bytes()
