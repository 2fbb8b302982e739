"""Uploads, batches, settings and limits for programs."""

from __future__ import annotations

import errno
import hashlib
import os
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache, caches
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from pytest_django import Settings

from album.models import AIProcessingSettings, BatchRun, MediaItem
from tests.api.conftest import Program
from tests.cast import Cast, make_photo, scene_bytes


def upload(program: Program, content: bytes, name: str = "beach.jpg", **form: Any) -> Any:
    return program.client.post("/api/v1/uploads/", {"file": SimpleUploadedFile(name, content), **form})


def left_behind(settings: Settings) -> list[Path]:
    return list(Path(settings.MEDIA_ROOT).rglob("*.part"))


def test_a_file_is_stored_once_and_comes_back_out_of_the_trash(
    cast: Cast, program: Program, settings: Settings
) -> None:
    content = scene_bytes()
    form: dict[str, Any] = {"sha256": hashlib.sha256(content).hexdigest(), "album": cast.shared.pk}
    form |= {"modified_at": "2026-07-31T18:05:00+01:00"}
    first = upload(program, content, **form)
    item = MediaItem.objects.get()
    assert (first.status_code, first.json()["status"], first.json()["media"]["id"]) == (201, "stored", item.pk)
    assert item.owner == cast.alice and cast.shared.items.get() == item
    assert str(item.file_modified_at) == "2026-07-31 17:05:00+00:00"
    again = upload(program, content, name="copy.jpg")
    assert (again.status_code, again.json()["status"]) == (200, "duplicate")
    program.ask("DELETE", f"media/{item.pk}/")
    assert upload(program, content).json()["status"] == "restored"
    assert MediaItem.objects.count() == 1 and left_behind(settings) == []


def test_what_arrives_changed_is_not_kept(cast: Cast, program: Program, settings: Settings) -> None:
    answer = upload(program, scene_bytes(), sha256="0" * 64)
    assert (answer.status_code, list(answer.json()["errors"])) == (400, ["sha256"])
    assert not MediaItem.objects.exists() and left_behind(settings) == []


def test_each_refusal_has_its_status(
    cast: Cast, program: Program, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    charlie = Program(cast.charlie)
    assert upload(program, b"%PDF-1.7 and more").status_code == 415
    assert upload(program, b"").status_code == 415
    assert upload(charlie, scene_bytes(), album=cast.shared.pk).status_code == 400
    assert upload(program, scene_bytes(), sha256="ABC").status_code == 400
    assert upload(program, scene_bytes(), colour="red").status_code == 400
    assert program.client.post("/api/v1/uploads/", {"file": "no file"}).status_code == 400
    assert program.ask("POST", "uploads/", {"file": 1}).status_code == 415
    settings.UPLOAD_MAX_BYTES = 1000
    assert upload(program, scene_bytes()).status_code == 413
    settings.UPLOAD_MAX_BYTES = 10**9

    def fail(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fail)
    full = upload(program, scene_bytes())
    assert full.status_code == 507 and "storage full" in full.json()["detail"]
    assert not MediaItem.objects.exists() and left_behind(settings) == []


def test_a_strangers_file_is_not_even_read(cast: Cast, settings: Settings) -> None:
    answer = Client().post("/api/v1/uploads/", {"file": SimpleUploadedFile("a.jpg", scene_bytes())})
    assert answer.status_code == 401 and not Path(settings.MEDIA_ROOT).exists()


def test_a_program_asks_which_files_it_need_not_send(cast: Cast, program: Program) -> None:
    mine, theirs = make_photo(cast.alice), make_photo(cast.charlie, seed=1)
    asked = {"sha256": [mine.sha256, theirs.sha256, "0" * 64]}
    told = program.ask("POST", "uploads/known/", asked).json()
    assert told == {"known": [{"sha256": mine.sha256, "id": mine.pk}]}


def test_a_batch_is_started_watched_and_stopped(cast: Cast, program: Program) -> None:
    made = program.ask("POST", "batches/", {"kind": "photo", "album": cast.shared.pk, "limit": 5})
    run = made.json()
    assert (made.status_code, run["state"], run["item_limit"], run["requested_by"]) == (201, "queued", 5, "alice")
    assert program.get(f"batches/{run['id']}/").json()["progress"]["percent"] == 0
    second = program.ask("POST", "batches/", {"kind": "photo", "album": cast.shared.pk})
    assert second.status_code == 409 and str(run["id"]) in second.json()["detail"]
    stopped = program.ask("POST", f"batches/{run['id']}/stop/").json()
    assert (stopped["state"], stopped["stop_reason"]) == ("finished", "requested")
    listed = program.get("batches/?state=finished&kind=photo").json()["results"]
    assert [row["id"] for row in listed] == [run["id"]]


def test_who_may_not_process_everything_says_which_album(cast: Cast, program: Program) -> None:
    assert program.ask("POST", "batches/", {"kind": "photo"}).status_code == 409
    assert program.ask("POST", "batches/", {"kind": "photo", "album": 10**9}).status_code == 400
    assert (
        program.ask("POST", "batches/", {"kind": "photo", "album": cast.shared.pk, "limit": 51}).status_code == 409
    )
    assert Program(cast.charlie).ask("POST", "batches/", {"kind": "photo"}).status_code == 403
    assert not BatchRun.objects.exists()
    assert Program(cast.admin).ask("POST", "batches/", {"kind": "video", "force": True}).status_code == 201


@pytest.mark.parametrize(
    ("name", "wrong", "right"),
    [
        ("batch_size", 19, 20),
        ("batch_size", 10_001, None),
        ("processing_timeout", 4, 5),
        ("schedule_hour", 24, 23),
        ("schedule_minute", -1, 0),
        ("max_minutes", 0, 1),
        ("on_demand_limit", None, 1),
        ("window_end", "25:00", "06:30:00"),
        ("processing_enabled", "yes", False),
    ],
)
def test_settings_are_checked_as_on_the_page(cast: Cast, name: str, wrong: Any, right: Any) -> None:
    root = Program(cast.admin)
    refused = root.ask("PATCH", "settings/", {name: wrong})
    assert (refused.status_code, list(refused.json()["errors"])) == (400, [name])
    assert root.ask("PATCH", "settings/", {name: right}).json()[name] == right
    assert root.get("settings/").json()[name] == right


def test_a_new_hour_reaches_beat(cast: Cast) -> None:
    root = Program(cast.admin)
    root.ask("PATCH", "settings/", {"schedule_hour": 4, "schedule_minute": 5})
    nights = root.get("status/").json()["nights"]
    assert nights[0]["at"][11:16] == "04:05" and AIProcessingSettings.load().schedule_hour == 4


def test_reads_and_writes_have_their_limits(cast: Cast, program: Program, settings: Settings) -> None:
    cache.clear()
    caches["memory"].clear()
    settings.API_READS_PER_MINUTE, settings.API_WRITES_PER_MINUTE = 3, 2
    reads = [program.get("me/").status_code for _ in range(4)]
    writes = [program.ask("POST", "albums/", {"title": "a"}).status_code for _ in range(3)]
    assert (reads, writes) == ([200, 200, 200, 429], [201, 201, 429])
    late = program.get("me/")
    assert 0 < int(late.headers["Retry-After"]) <= 60 and late.json()["errors"] == {}
    assert Program(cast.bob).get("me/").status_code == 200, "each account has its own"
    caches["memory"].clear()


def test_other_addresses_are_told_in_json(cast: Cast, program: Program) -> None:
    for path in ("nothing/", "media", "media/x/", "media/1/nothing/", "albums/-1/", "media/\n/"):
        answer = program.get(path)
        assert (answer.status_code, set(answer.json())) == (404, {"detail", "errors"}), path
    assert Client().get("/api/v1/nothing/").status_code == 401


def test_the_resources_are_where_the_first_page_says(cast: Cast) -> None:
    root = Program(cast.admin)
    for name, address in root.get("").json()["resources"].items():
        wanted = {"search": 400, "uploads": 405}.get(name, 200)
        assert root.get(address).status_code == wanted, name
