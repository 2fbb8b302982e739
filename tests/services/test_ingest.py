"""Uploads: stored once, durable before their row, and nothing left behind when they fail."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.db import OperationalError, connection

from album.exceptions import MediaError, StorageError, UnsupportedMedia
from album.media.storage import MARKER
from album.models import MediaItem
from album.services.ingest import clean_name, ingest_upload
from tests.cast import Cast, make_cast, make_photo, scene_bytes


def stored_files(root: Path) -> list[str]:
    """All files below the storage but its marker."""
    files = (path for path in root.rglob("*") if path.is_file() and path.name != MARKER)
    return sorted(str(path.relative_to(root)) for path in files)


def test_an_upload_becomes_a_pending_row_and_a_content_addressed_file(cast: Cast, settings) -> None:
    content = scene_bytes(taken_at_local=datetime(2024, 7, 5, 9, 30, 1))
    settings.TIME_ZONE = "Europe/Warsaw"

    result = ingest_upload(owner=cast.alice, file=io.BytesIO(content), name="beach.jpg", album=cast.shared)

    sha256, item = hashlib.sha256(content).hexdigest(), result.item
    assert result.is_new
    item.refresh_from_db()
    assert (item.kind, item.processing_status, item.original_name) == ("photo", "pending", "beach.jpg")
    assert item.original.name == f"originals/{sha256[:2]}/{sha256[2:4]}/{sha256}.jpg"
    assert Path(item.original.path).read_bytes() == content
    assert (item.width_px, item.height_px, item.size_bytes) == (320, 240, len(content))
    assert item.taken_at_local == "2024-07-05T09:30:01"
    assert item.taken_at == datetime(2024, 7, 5, 7, 30, 1, tzinfo=UTC)
    assert list(cast.shared.items.all()) == [item]
    assert stored_files(Path(settings.MEDIA_ROOT)) == [item.original.name]


def test_the_same_content_again_is_the_row_that_is_there(cast: Cast, settings) -> None:
    first = make_photo(cast.alice, original_name="a.jpg")
    again = ingest_upload(owner=cast.alice, file=io.BytesIO(scene_bytes()), name="b.jpg", album=cast.shared)

    assert (again.item, again.is_new, again.item.original_name) == (first, False, "a.jpg")
    assert list(cast.shared.items.all()) == [first]
    assert len(stored_files(Path(settings.MEDIA_ROOT))) == 1


def test_two_owners_share_one_file_but_no_row(cast: Cast, settings) -> None:
    mine, theirs = make_photo(cast.alice), make_photo(cast.bob)

    assert mine.pk != theirs.pk
    assert mine.original.name == theirs.original.name
    assert len(stored_files(Path(settings.MEDIA_ROOT))) == 1


def test_a_lost_original_comes_back_with_the_next_upload(cast: Cast) -> None:
    item = make_photo(cast.alice)
    Path(item.original.path).unlink()

    make_photo(cast.alice)

    assert Path(item.original.path).read_bytes() == scene_bytes()


@pytest.mark.django_db(transaction=True)
def test_parallel_uploads_of_one_file_end_in_one_row(settings) -> None:
    alice, content, count = make_cast().alice, scene_bytes(), 8

    def upload(index: int) -> tuple[int, bool]:
        try:
            result = ingest_upload(owner=alice, file=io.BytesIO(content), name=f"{index}.jpg")
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
    [(b"", "empty"), (b"just some words", "notes.jpg"), (b"%PDF-1.7\n" + bytes(100), "PDF")],
    ids=["zero bytes", "text", "PDF"],
)
def test_what_is_no_photo_or_video_is_refused_by_content(cast: Cast, settings, content: bytes, words: str) -> None:
    with pytest.raises(UnsupportedMedia, match=words):
        ingest_upload(owner=cast.alice, file=io.BytesIO(content), name="notes.jpg")

    assert stored_files(Path(settings.MEDIA_ROOT)) == []
    assert not MediaItem.objects.exists()


def test_an_unreadable_header_is_refused_under_the_name_the_person_knows(cast: Cast, settings) -> None:
    with pytest.raises(MediaError, match=r"^half\.jpg") as caught:
        ingest_upload(owner=cast.alice, file=io.BytesIO(scene_bytes()[:40]), name="half.jpg")

    assert ".part" not in str(caught.value)
    assert stored_files(Path(settings.MEDIA_ROOT)) == []


def test_a_file_over_the_limit_is_refused(cast: Cast, settings) -> None:
    settings.UPLOAD_MAX_BYTES = 1_000
    with pytest.raises(MediaError, match="larger than"):
        make_photo(cast.alice)
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
        with pytest.raises(StorageError, match="full" if code == errno.ENOSPC else "Input/output"):
            make_photo(cast.alice)

    assert stored_files(Path(settings.MEDIA_ROOT)) == []
    assert not MediaItem.objects.exists()


def test_a_refusing_database_leaves_nothing_behind(cast: Cast, settings) -> None:
    def refuse(execute, sql, params, many, context):
        if sql.startswith("INSERT"):
            raise OperationalError("database or disk is full")
        return execute(sql, params, many, context)

    with connection.execute_wrapper(refuse), pytest.raises(StorageError, match="disk is full"):
        make_photo(cast.alice)

    assert stored_files(Path(settings.MEDIA_ROOT)) == []
    assert not MediaItem.objects.exists()


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
    item = make_photo(cast.alice, original_name="../../../evil\x00.sh")

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
    make_photo(cast.alice)
    storage = Path(settings.MEDIA_ROOT)
    storage.rename(storage.with_name("unplugged"))
    storage.mkdir()  # what is left of a mount point
    with pytest.raises(StorageError, match="storage missing"):
        make_photo(cast.alice, seed=1)
    assert list(storage.iterdir()) == []
    assert MediaItem.objects.count() == 1
