"""The upload page: each file gets its answer, and no file is stored that the album cannot take."""

from __future__ import annotations

import errno
import os

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from album.media.storage import MARKER
from album.models import AIProcessingSettings, Album, MediaItem
from tests.cast import Cast, scene_bytes


def upload(client: Client, *files: tuple[str, bytes], **values: object):
    uploads = [SimpleUploadedFile(name, content, "image/jpeg") for name, content in files]
    return client.post("/upload/", {"uploads": uploads, **values})


def test_each_file_gets_its_own_answer(cast: Cast, alice_client: Client) -> None:
    upload(alice_client, ("first.jpg", scene_bytes()))
    answer = upload(
        alice_client,
        ("again.jpg", scene_bytes()),
        ("new.jpg", scene_bytes(seed=1)),
        ("page.jpg", b"<!DOCTYPE html><script>alert(1)</script>"),
        ("empty.jpg", b""),
        album=cast.shared.pk,
    )

    page = answer.content.decode()
    assert answer.status_code == 200
    assert "again.jpg is the same as" in page and "new.jpg</a>, which waits" in page
    assert "page.jpg: " in page and "empty.jpg: the file is empty" in page
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
    assert b"the disk is full" in answer.content
    assert not MediaItem.objects.exists()


@pytest.mark.parametrize(
    "name", ["../../evil.jpg", "<img src=x onerror=alert(1)>.jpg", "a\u202egpj.jpg", "x" * 400]
)
def test_an_evil_name_is_only_a_name(cast: Cast, alice_client: Client, settings, name: str) -> None:
    page = upload(alice_client, (name, scene_bytes())).content.decode()
    item = MediaItem.objects.get()
    assert "<img src=x" not in page and "/" not in item.original_name
    files = [path for path in settings.VAR_DIR.rglob("*") if path.is_file() and path.name != MARKER]
    assert [path.name for path in files] == [f"{item.sha256}.jpg"]


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
    answer = upload(alice_client, *((f"{n}.jpg", b"words") for n in range(150)))
    assert answer.status_code == 422
    assert answer.content.count(b"Not stored") == 150


@pytest.mark.parametrize("is_wanted", [False, True])
def test_analysis_starts_at_once_only_if_the_settings_say_so(
    cast: Cast, alice_client: Client, monkeypatch: pytest.MonkeyPatch, is_wanted: bool
) -> None:
    """The broker is replaced at its edge: what counts is which messages would be sent."""
    from album import tasks

    sent: list[tuple[int]] = []
    monkeypatch.setattr(tasks.process_photo_ai, "apply_async", lambda args, **options: sent.append(args))
    AIProcessingSettings.load()
    AIProcessingSettings.objects.update(auto_process_on_upload=is_wanted)

    upload(alice_client, ("a.jpg", scene_bytes()), ("b.jpg", scene_bytes()), ("c.jpg", b"words"))

    assert sent == ([(MediaItem.objects.get().pk,)] if is_wanted else [])


def test_a_missing_broker_never_costs_an_upload(
    cast: Cast, alice_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kombu.exceptions import OperationalError

    from album import tasks

    def fail(**options: object) -> None:
        raise OperationalError("connection refused")

    monkeypatch.setattr(tasks.process_photo_ai, "apply_async", fail)
    AIProcessingSettings.load()
    AIProcessingSettings.objects.update(auto_process_on_upload=True)
    assert upload(alice_client, ("a.jpg", scene_bytes())).status_code == 200
    assert MediaItem.objects.get().processing_status == "pending"
