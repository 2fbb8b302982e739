"""Weights that a page asks for: from the row over the hub to the row."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.management import call_command
from pytest_django import Settings

from album.exceptions import DownloadStopped, WeightsMissing
from album.inference.catalogue import CATALOGUE, MIT, Entry, MemoryNeed, WeightsFile
from album.inference.downloads import download
from album.inference.weights import installed
from album.models import Status, WeightsDownload
from album.services import downloads
from album.services.downloads import close_download, fetch_weights, request_download, stop_download
from tests.inference.fake_hub import FakeHub, running_hub

GRAPH, CONFIG = os.urandom(300_000), b'{"a": 1}'
SMALL = Entry(
    "small", "encoder", "dual-encoder", "onnx", MIT, MemoryNeed(0, 0), 64,
    (WeightsFile("graph.onnx", hashlib.sha256(GRAPH).hexdigest()), WeightsFile("config.json")), "somebody/small",
)  # fmt: skip

pytestmark = pytest.mark.django_db


@pytest.fixture
def hub(tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    settings.MODELS_CACHE_DIR = tmp_path / "weights"
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    for name in ("HF_HUB_DISABLE_XET", "HF_HUB_DISABLE_TELEMETRY", "HF_HUB_DISABLE_UPDATE_CHECK"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setitem(CATALOGUE, "small", SMALL)
    with running_hub() as server:
        server.files = {"graph.onnx": GRAPH, "config.json": CONFIG}
        monkeypatch.setenv("HF_ENDPOINT", server.endpoint)
        yield server


def row() -> WeightsDownload:
    return WeightsDownload.objects.get(name="small")


def test_what_was_asked_for_is_installed_and_counted_in_bytes(hub: FakeHub, settings: Settings) -> None:
    request_download(name="small", accepts_licence=False)
    call_command("download_models", "--asked-for", "small")
    assert installed(SMALL, settings.MODELS_CACHE_DIR)
    assert (row().state, row().error) == (Status.COMPLETED, "")
    assert row().done_bytes == row().total_bytes == len(GRAPH) + len(CONFIG)


def test_bytes_of_all_files_are_told_as_they_come(hub: FakeHub, settings: Settings) -> None:
    told: list[tuple[int, int]] = []
    download(SMALL, settings.MODELS_CACHE_DIR, progress=lambda done, total: told.append((done, total)))
    total = len(GRAPH) + len(CONFIG)
    assert told[-1] == (total, total)
    assert [done for done, _ in told] == sorted(done for done, _ in told)


def test_a_person_ends_it_and_what_arrived_is_kept(hub: FakeHub, settings: Settings) -> None:
    def stop(done: int, total: int) -> None:
        raise DownloadStopped("enough")

    with pytest.raises(DownloadStopped):
        download(SMALL, settings.MODELS_CACHE_DIR, progress=stop)
    assert not installed(SMALL, settings.MODELS_CACHE_DIR)
    assert list(settings.MODELS_CACHE_DIR.glob("small.partial/*.part"))
    assert download(SMALL, settings.MODELS_CACHE_DIR, progress=False).is_dir()
    assert [path for path, _ in hub.bodies_sent()] == ["graph.onnx", "config.json"], "nothing came twice"


def test_the_wish_to_stop_is_read_from_the_row(
    hub: FakeHub, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloads, "ROW_INTERVAL_S", 0)
    request_download(name="small", accepts_licence=False)
    WeightsDownload.objects.update(is_stop_requested=True)
    assert not fetch_weights("small")
    assert (row().state, "Stopped" in row().error) == (Status.FAILED, True)
    request_download(name="small", accepts_licence=False)
    assert fetch_weights("small")


def test_offline_it_ends_with_words_that_say_what_to_do(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    request_download(name="small", accepts_licence=False)
    assert not fetch_weights("small")
    assert row().state == Status.FAILED
    assert "manage.py import_models" in row().error


def test_a_message_that_comes_twice_or_late_fetches_nothing(hub: FakeHub) -> None:
    request_download(name="small", accepts_licence=False)
    stop_download(name="small")
    assert not fetch_weights("small")
    assert not fetch_weights("never asked for")
    assert hub.asked == []


def test_a_process_that_died_leaves_no_download_open() -> None:
    WeightsDownload.objects.create(name="small", state=Status.PROCESSING)
    assert close_download("small", -9) == Status.FAILED
    assert "-9" in row().error
    WeightsDownload.objects.update(state=Status.COMPLETED)
    assert close_download("small", 0) == Status.COMPLETED


def test_unknown_weights_are_refused() -> None:
    with pytest.raises(WeightsMissing):
        request_download(name="unknown", accepts_licence=True)
    assert not WeightsDownload.objects.exists()
