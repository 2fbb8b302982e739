"""Uploads: stored once, durable before their row, and nothing left behind when they fail."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import sqlite3
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError, connection

from album.exceptions import MediaError, StorageError, UnsupportedMedia
from album.media.storage import LOCKS, MARKER
from album.models import MediaItem, Preview
from album.preparation.prepare import prepare_item
from album.services.imports import ImportOptions, import_folder
from album.services.ingest import IngestResult, Spool, clean_name, ingest_upload
from tests.cast import Cast, make_cast, make_rows, scene_bytes


def stored_files(root: Path) -> list[str]:
    """All files below the storage but its marker and locks."""
    files = (path.relative_to(root) for path in root.rglob("*") if path.is_file())
    return sorted(str(path) for path in files if path.parts[0] not in (MARKER, LOCKS))


def ingest(owner: User, content: bytes, name: str = "a.jpg", **options: Any) -> IngestResult:
    return ingest_upload(owner=owner, file=io.BytesIO(content), name=name, **options)


def test_an_upload_becomes_a_waiting_row_and_a_content_addressed_file(cast: Cast, settings) -> None:
    content, moment = scene_bytes(taken_at_local=datetime(2024, 7, 5, 9, 30, 1)), datetime(2025, 1, 2, tzinfo=UTC)

    result = ingest(cast.alice, content, "beach.jpg", album=cast.shared, modified_at=moment)

    sha256, item = hashlib.sha256(content).hexdigest(), result.item
    assert (result.is_new, result.was_trashed) == (True, False)
    item.refresh_from_db()
    assert (item.kind, item.mime_type, item.original_name) == ("photo", "image/jpeg", "beach.jpg")
    assert (item.processing_status, item.preview_status, item.prepared_at) == ("pending", "waiting", None)
    assert (item.size_bytes, item.file_modified_at, item.width_px) == (len(content), moment, None)
    assert item.original.name == f"originals/{sha256[:2]}/{sha256}.jpg"
    assert item.path.read_bytes() == content
    assert item.path.stat().st_mode & 0o222 == 0  # nobody writes to it again
    assert stored_files(Path(settings.MEDIA_ROOT)) == [item.original.name]
    cast.shared.refresh_from_db()
    assert (list(cast.shared.items.all()), cast.shared.is_processing_photos) == ([item], True)


@pytest.mark.parametrize(
    ("zone", "moment"),
    [("Europe/Berlin", "9999-12-31T23:30:00+00:00"), ("America/New_York", "0001-01-01T00:30:00+00:00")],
)
def test_a_time_beyond_all_clocks_counts_as_not_told(cast: Cast, settings, zone: str, moment: str) -> None:
    settings.TIME_ZONE = zone
    item = ingest(cast.alice, scene_bytes(), modified_at=datetime.fromisoformat(moment)).item
    assert (item.file_modified_at, item.timeline_at.year) == (None, datetime.now(UTC).year)


def test_nothing_is_decoded_during_an_upload(cast: Cast) -> None:
    """A header without its picture is stored like any other: preparation finds out and says so."""
    assert ingest(cast.alice, scene_bytes()[:40], "half.jpg").item.preview_status == "waiting"


def test_the_same_content_again_is_the_row_that_is_there(cast: Cast, settings) -> None:
    first = ingest(cast.alice, scene_bytes(), "a.jpg").item
    written = first.path.stat().st_ino
    again = ingest(cast.alice, scene_bytes(), "b.jpg", album=cast.shared)

    assert (again.item, again.is_new, again.item.original_name) == (first, False, "a.jpg")
    assert list(cast.shared.items.all()) == [first]
    assert stored_files(Path(settings.MEDIA_ROOT)) == [first.original.name]
    assert first.path.stat().st_ino == written  # not written a second time


def test_two_owners_share_one_file_but_no_row(cast: Cast, settings) -> None:
    mine, theirs = ingest(cast.alice, scene_bytes()).item, ingest(cast.bob, scene_bytes()).item

    assert mine.pk != theirs.pk
    assert mine.original.name == theirs.original.name
    assert stored_files(Path(settings.MEDIA_ROOT)) == [mine.original.name]


@pytest.mark.parametrize("left", [None, b"torn", bytes(len(scene_bytes()))], ids=["lost", "torn", "zeros"])
@pytest.mark.parametrize("who", ["alice", "bob"])
def test_a_damaged_original_comes_back_with_the_next_upload(cast: Cast, left: bytes | None, who: str) -> None:
    path = ingest(cast.alice, scene_bytes()).item.path
    path.unlink()
    if left is not None:
        path.write_bytes(left)

    again = ingest(getattr(cast, who), scene_bytes())

    assert (again.is_new, again.was_mended) == (who == "bob", who == "alice")
    assert again.item.path == path
    assert path.read_bytes() == scene_bytes()
    assert not ingest(cast.alice, scene_bytes()).was_mended


def test_an_upload_of_what_is_indexed_in_place_is_stored(cast: Cast, settings, tmp_path: Path) -> None:
    source, content = tmp_path / "photos" / "a.jpg", scene_bytes()
    source.parent.mkdir()
    source.write_bytes(content)
    indexed = import_folder(ImportOptions(cast.alice, source.parent, is_in_place=True))
    again = ingest(cast.alice, content)
    source.write_bytes(scene_bytes(seed=1))
    import_folder(ImportOptions(cast.alice, source.parent, is_in_place=True))

    item = MediaItem.objects.get(pk=again.item.pk)
    assert (indexed.counts.total(), again.is_new, again.was_mended) == (1, False, True)
    assert (item.source_path, item.path.read_bytes()) == ("", content), "whatever becomes of the other file"
    assert MediaItem.objects.count() == 2


def test_a_trashed_photo_comes_back_with_its_clip_when_it_is_uploaded_again(cast: Cast) -> None:
    photo = ingest(cast.alice, scene_bytes()).item
    (clip,) = make_rows(cast.alice, 1, kind="video", clip_of=photo)
    MediaItem.objects.update(trashed_at=datetime(2025, 1, 2, tzinfo=UTC))

    again = ingest(cast.alice, scene_bytes())

    assert (again.item, again.is_new, again.was_trashed) == (photo, False, True)
    assert not MediaItem.objects.filter(trashed_at__isnull=False).exists()
    assert not ingest(cast.alice, scene_bytes()).was_trashed
    assert clip.clip_of == photo


def test_a_clip_that_is_uploaded_again_comes_back_with_its_photo(cast: Cast) -> None:
    clip = ingest(cast.alice, scene_bytes()).item
    (photo,) = make_rows(cast.alice, 1)
    MediaItem.objects.filter(pk=clip.pk).update(clip_of=photo)
    MediaItem.objects.update(trashed_at=datetime(2025, 1, 2, tzinfo=UTC))

    assert ingest(cast.alice, scene_bytes()).was_trashed
    assert not MediaItem.objects.filter(trashed_at__isnull=False).exists(), "else the purge would take both"


@pytest.mark.django_db(transaction=True)
def test_parallel_uploads_of_one_file_end_in_one_row(settings) -> None:
    alice, content, count = make_cast().alice, scene_bytes(), 8

    def upload(index: int) -> tuple[int, bool]:
        try:
            result = ingest(alice, content, f"{index}.jpg")
            return result.item.pk, result.is_new
        finally:
            connection.close()

    with ThreadPoolExecutor(count) as pool:
        results = list(pool.map(upload, range(count)))

    assert len({pk for pk, _ in results}) == 1
    assert sorted(is_new for _, is_new in results) == [False] * (count - 1) + [True]
    assert len(stored_files(Path(settings.MEDIA_ROOT))) == 1


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"", "empty"), (b"just some words", "^notes.txt"), (b"%PDF-1.7\n" + bytes(100), "PDF")],
    ids=["zero bytes", "text", "PDF"],
)
def test_what_is_no_photo_or_video_is_refused_by_content(cast: Cast, settings, content: bytes, words: str) -> None:
    with pytest.raises(UnsupportedMedia, match=words):
        ingest(cast.alice, content, "notes.txt")

    assert stored_files(Path(settings.MEDIA_ROOT)) == []
    assert not MediaItem.objects.exists()


def test_a_file_over_the_limit_is_refused(cast: Cast, settings) -> None:
    settings.UPLOAD_MAX_BYTES = 1_000
    with pytest.raises(MediaError, match="larger than"):
        ingest(cast.alice, scene_bytes())
    assert stored_files(Path(settings.MEDIA_ROOT)) == []


@pytest.mark.parametrize("step", ["fsync", "replace"])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
def test_a_failing_disk_leaves_nothing_behind(
    cast: Cast, settings, monkeypatch: pytest.MonkeyPatch, step: str, code: int
) -> None:
    """Faults are injected at the system calls, which no test can make fail otherwise."""

    def fail(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as patch:
        patch.setattr(os if step == "fsync" else Path, step, fail)
        with pytest.raises(StorageError, match="storage full" if code == errno.ENOSPC else "Input/output"):
            ingest(cast.alice, scene_bytes())

    assert stored_files(Path(settings.MEDIA_ROOT)) == []
    assert not MediaItem.objects.exists()


def test_names_are_durable_before_the_row_is_there(cast: Cast, settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each folder that got an entry is synced after it got it."""
    synced: list[Path] = []
    fsync = os.fsync

    def note(descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        if path.is_dir():
            assert any(path.iterdir()), "synced too early"
            assert not MediaItem.objects.exists()
            synced.append(path)
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", note)
    item = ingest(cast.alice, scene_bytes()).item
    assert synced == list(item.path.parents)[:2]
    assert synced[-1] == Path(settings.MEDIA_ROOT, "originals")


@contextmanager
def full_database() -> Iterator[None]:
    def refuse(execute, sql, params, many, context):
        if sql.startswith("INSERT"):  # as SQLite does it; a really full volume is in tests/faults
            cause = sqlite3.OperationalError("database or disk is full")
            cause.sqlite_errorcode = sqlite3.SQLITE_FULL
            raise OperationalError(*cause.args) from cause
        return execute(sql, params, many, context)

    with connection.execute_wrapper(refuse), pytest.raises(StorageError, match="storage full"):
        yield


def test_a_refusing_database_leaves_nothing_behind(cast: Cast, settings) -> None:
    with full_database():
        ingest(cast.alice, scene_bytes())

    assert stored_files(Path(settings.MEDIA_ROOT)) == []
    assert not MediaItem.objects.exists()


@pytest.mark.parametrize("state", ["whole", "damaged", "orphaned"])
def test_a_refused_upload_leaves_the_original_that_was_there_before(cast: Cast, state: str) -> None:
    path = ingest(cast.bob, scene_bytes()).item.path
    if state == "damaged":
        path.unlink()
        path.write_bytes(b"torn")
    elif state == "orphaned":
        MediaItem.objects.all().delete()
    with full_database():
        ingest(cast.alice, scene_bytes())
    assert path.read_bytes() == scene_bytes()


def test_a_finished_spool_holds_nothing_in_memory(cast: Cast) -> None:
    tracemalloc.start()
    try:
        with Spool.open("a.jpg") as spool:
            spool.write(scene_bytes() + bytes(10_000_000))
            spool.finish()
            assert tracemalloc.get_traced_memory()[0] < 1_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("name", "clean"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\photos\\Żubr 1.jpg", "Żubr 1.jpg"),
        ("a\x00b\r\n\u202egpj.exe.jpg", "abgpj.exe.jpg"),
        ("", "unnamed"),
        ("..", "unnamed"),
        ("/", "unnamed"),
        ("x" * 300 + ".jpeg", "x" * 250 + ".jpeg"),
        ("\udcff.jpg", ".jpg"),
    ],
)
def test_names_keep_what_a_person_can_read_and_nothing_else(name: str, clean: str) -> None:
    assert clean_name(name) == clean


def test_an_evil_name_never_reaches_the_disk(cast: Cast, settings) -> None:
    item = ingest(cast.alice, scene_bytes(), "../../../evil\x00.sh").item

    assert item.original_name == "evil.sh"
    assert Path(item.original.path).name == f"{item.sha256}.jpg"


def test_ingest_needs_no_model_runtime_and_no_video_library() -> None:
    code = (
        "import django, os, sys; os.environ['DJANGO_SETTINGS_MODULE'] = 'photo_album.settings'; django.setup();"
        "import album.services.ingest;"
        "print({'torch', 'onnxruntime', 'transformers', 'tokenizers', 'av'} & set(sys.modules))"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "set()"


def test_an_unmounted_storage_takes_nothing(cast: Cast, settings) -> None:
    ingest(cast.alice, scene_bytes())
    storage = Path(settings.MEDIA_ROOT)
    storage.rename(storage.with_name("unplugged"))
    storage.mkdir()  # what is left of a mount point
    with pytest.raises(StorageError, match="storage missing"):
        ingest(cast.alice, scene_bytes(seed=1))
    assert list(storage.iterdir()) == []
    assert MediaItem.objects.count() == 1


def test_a_whole_copy_is_shown_where_a_damaged_one_could_not_be(cast: Cast, settings) -> None:
    content = scene_bytes()
    item = ingest(cast.alice, content).item
    item.path.chmod(0o600)
    item.path.write_bytes(bytes(len(content)))
    MediaItem.objects.filter(pk=item.pk).update(
        preview_status=Preview.NONE, preview_problem="damaged", prepare_attempts=3, avif_attempts=3
    )

    result = ingest(cast.alice, content)

    assert result.was_mended
    assert prepare_item(MediaItem.objects.get()).preview_status == Preview.READY
    assert (result.item.preview_problem, MediaItem.objects.get().avif_attempts) == ("", 0)
