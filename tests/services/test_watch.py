"""A watched folder: what is put there becomes an item once it is complete, and a disk may go away and come back."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from django.db import connections
from pytest_django import Settings

from album.exceptions import AlbumError
from album.models import MediaItem
from album.services import watching
from album.services.imports import ImportOptions, ImportTotals
from album.services.watching import Waiting, watch_folder
from tests.cast import Cast, make_cast, make_photo, scene_bytes
from tests.faults.installation import wait_until
from tests.services.test_imports import XMP

pytestmark = pytest.mark.django_db(transaction=True)
SOON_S = 40


@dataclass
class Watch:
    """A watch in a thread of its own, with what it reported."""

    cast: Cast
    folder: Path
    said: list[str] = field(default_factory=list)
    failures: list[Exception] = field(default_factory=list)

    def start(self, *, is_in_place: bool = False, force_polling: bool | None = None) -> None:
        self.options = ImportOptions(self.cast.alice, self.folder, is_in_place=is_in_place)
        self.thread = threading.Thread(target=self._run, args=(force_polling,))
        self.thread.start()

    def _run(self, force_polling: bool | None) -> None:
        try:
            watch_folder(self.options, self._note, force_polling)
        except AlbumError as error:
            self.failures.append(error)
        finally:
            connections.close_all()

    def _note(self, what: ImportTotals | str) -> None:
        self.said.append(what if isinstance(what, str) else f"{what.counts.total()} files")

    def stop(self) -> None:
        self.options.stop.set()
        self.thread.join(10)
        assert not self.thread.is_alive()


@pytest.fixture
def watch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watch]:
    monkeypatch.setattr(watching, "RETRY_S", 0.2)
    monkeypatch.setattr(watching, "POLL_MS", 200)
    folder = tmp_path / "camera"
    folder.mkdir()
    made = Watch(make_cast(), folder)
    yield made
    made.stop()


def has(count: int) -> Callable[[], bool]:
    return lambda: MediaItem.objects.exclude(preview_status="waiting").count() == count


def old(path: Path, content: bytes) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    os.utime(path, (1e9, 1e9))


@pytest.mark.parametrize("force_polling", [None, True], ids=["told", "polling"])
def test_what_is_put_into_the_folder_is_taken_with_new_folders_too(
    watch: Watch, force_polling: bool | None
) -> None:
    old(watch.folder / "a.jpg", scene_bytes(seed=1))
    watch.start(force_polling=force_polling)
    wait_until(has(1), SOON_S, "the first pass")
    (watch.folder / "b.jpg").write_bytes(scene_bytes(seed=2))
    outside = watch.folder.parent / "2024"
    old(outside / "c.jpg", scene_bytes(seed=3))
    outside.rename(watch.folder / "2024")
    (watch.folder / ".hidden.jpg").write_bytes(scene_bytes(seed=4))
    wait_until(has(3), SOON_S, "b.jpg and c.jpg")


@pytest.mark.parametrize("force_polling", [None, True], ids=["told", "polling"])
def test_a_name_that_is_no_utf8_ends_no_watch(watch: Watch, force_polling: bool | None) -> None:
    watch.start(force_polling=force_polling)
    wait_until(lambda: bool(watch.said), SOON_S, "the first pass")
    old(watch.folder / os.fsdecode(b"caf\xe9.jpg"), scene_bytes(seed=1))
    wait_until(has(1), SOON_S, "the name of another encoding")
    (watch.folder / "b.jpg").write_bytes(scene_bytes(seed=2))
    wait_until(has(2), SOON_S, "b.jpg")
    assert len(watch.said) < 10, "it does not go round in circles"


def test_what_others_upload_below_the_watched_folder_stays_theirs(watch: Watch, settings: Settings) -> None:
    settings.MEDIA_ROOT = watch.folder / "album" / "media"
    settings.MEDIA_ROOT.mkdir(parents=True)
    watch.start()
    wait_until(lambda: bool(watch.said), SOON_S, "the first pass")
    make_photo(watch.cast.bob)
    old(watch.folder / "later.jpg", scene_bytes(seed=2))
    wait_until(lambda: MediaItem.objects.filter(owner=watch.cast.alice).exists(), SOON_S, "the photo beside it")
    time.sleep(watching.STABLE_S)
    assert [item.original_name for item in MediaItem.objects.filter(owner=watch.cast.alice)] == ["later.jpg"]


def test_a_file_that_grows_is_taken_once_and_whole(watch: Watch) -> None:
    content = scene_bytes(seed=1)
    watch.start()
    with (watch.folder / "a.jpg").open("wb", buffering=0) as file:
        for start in range(0, len(content), len(content) // 15 + 1):
            file.write(content[start : start + len(content) // 15 + 1])
            time.sleep(0.2)
    wait_until(has(1), SOON_S, "a.jpg")
    assert MediaItem.objects.get().path.read_bytes() == content


def test_a_sidecar_that_comes_later_is_read(watch: Watch) -> None:
    old(watch.folder / "a.jpg", scene_bytes(seed=1))
    watch.start()
    wait_until(has(1), SOON_S, "the first pass")
    (watch.folder / "a.jpg.xmp").write_text(XMP.format(rating=4, title="By the sea"))
    wait_until(lambda: MediaItem.objects.get().rating == 4, SOON_S, "the sidecar")


def test_a_disk_that_goes_away_is_waited_for_and_told_once(watch: Watch) -> None:
    old(watch.folder / "a.jpg", scene_bytes(seed=1))
    watch.start(is_in_place=True)
    wait_until(has(1), SOON_S, "the first pass")
    away = watch.folder.with_name("away")
    watch.folder.rename(away)
    wait_until(lambda: any("storage missing" in words for words in watch.said), SOON_S, "the message")
    watch.folder.mkdir()  # an empty mount point
    time.sleep(1.5)
    watch.folder.rmdir()
    assert MediaItem.objects.count() == 1

    old(away / "b.jpg", scene_bytes(seed=2))
    away.rename(watch.folder)
    wait_until(has(2), SOON_S, "b.jpg")
    assert sum("went away" in words for words in watch.said) == 1


def test_a_folder_that_was_never_there_is_an_error(watch: Watch) -> None:
    watch.folder.rmdir()
    watch.start()
    watch.thread.join(10)
    assert "no such folder" in str(watch.failures[0])


def test_what_was_written_just_now_waits(tmp_path: Path) -> None:
    path, waiting = tmp_path / "a.jpg", Waiting()
    path.write_bytes(b"1")
    assert not waiting.is_complete(path)
    assert waiting.take_complete() == []
    os.utime(path, (1e9, 1e9))
    assert waiting.is_complete(path)
