"""Cleaning up: unfinished files, and renditions of nobody. Never an original, never what is being written."""

from __future__ import annotations

import os
import time
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from album.preparation.paths import rendition_path
from album.services.cleanup import CleanupTotals, clean_up
from tests.cast import Cast, make_photo

DAY_S = 86_400


@pytest.fixture(autouse=True)
def _own_spool(settings, tmp_path: Path) -> None:
    settings.FILE_UPLOAD_TEMP_DIR = tmp_path / "spool"
    settings.FILE_UPLOAD_TEMP_DIR.mkdir()


def leave(path: Path, *, age_s: float, size_bytes: int = 10) -> Path:
    """A file that was last written so long ago."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bytes(size_bytes))
    age(path, age_s)
    return path


def age(path: Path, age_s: float) -> None:
    os.utime(path, (time.time() - age_s,) * 2)


def clean(**options) -> CleanupTotals:
    return clean_up(before=timezone.now() - timedelta(days=1), **{"incomplete_only": True, **options})


def test_unfinished_files_go_and_those_being_written_stay(cast: Cast, settings) -> None:
    root, photo = Path(settings.MEDIA_ROOT), make_photo(cast.alice)
    age(photo.path, 400 * DAY_S)
    old = [
        leave(root / "originals" / "0a1b.part", age_s=2 * DAY_S),
        leave(rendition_path(photo, "x.part"), age_s=2 * DAY_S),
        leave(root / "jobs" / "thumbnails" / "j.part", age_s=2 * DAY_S),
        leave(settings.FILE_UPLOAD_TEMP_DIR / "tmp1.upload.jpg", age_s=2 * DAY_S),
    ]
    young = leave(root / "originals" / "2c3d.part", age_s=0.9 * DAY_S)

    totals = clean()

    assert [path.exists() for path in old] == [False] * 4
    assert young.exists()
    assert photo.path.is_file()
    assert (len(totals.incomplete), totals.size_bytes) == (4, 40)


def test_copies_for_an_answer_that_was_killed_go(cast: Cast, settings) -> None:
    spool = Path(settings.FILE_UPLOAD_TEMP_DIR)
    copies = [leave(spool / f"unlocated-{name}" / "copy.tif", age_s=0) for name in ("old", "young")]
    age(copies[0].parent, 2 * DAY_S)
    age(leave(spool / "of others" / "letter.txt", age_s=0).parent, 2 * DAY_S)

    assert clean(is_dry_run=True).incomplete == [str(copies[0].parent)]
    assert clean().size_bytes == 10

    assert sorted(path.name for path in spool.iterdir()) == ["of others", "unlocated-young"]


def test_a_dry_run_names_them_and_removes_nothing(cast: Cast, settings) -> None:
    part = leave(Path(settings.MEDIA_ROOT, "originals", "0a1b.part"), age_s=2 * DAY_S)
    renditions = leave(Path(settings.MEDIA_ROOT, "renditions", "ab", "cd", "ab" * 32, "grid.webp"), age_s=0).parent
    age(renditions, 2 * DAY_S)

    totals = clean(incomplete_only=False, is_dry_run=True)

    assert (totals.incomplete, totals.renditions) == (["originals/0a1b.part"], [f"renditions/ab/cd/{'ab' * 32}"])
    assert part.exists()
    assert renditions.exists()


def test_renditions_of_nobody_go_and_those_of_the_trash_stay(cast: Cast, settings) -> None:
    photo, trashed = make_photo(cast.alice), make_photo(cast.alice, seed=1, trashed_at=timezone.now())
    folders = [rendition_path(item, "") for item in (photo, trashed)]
    gone = leave(Path(settings.MEDIA_ROOT, "renditions", "ab", "cd", "ab" * 32, "grid.webp"), age_s=0).parent
    unknown = leave(Path(settings.MEDIA_ROOT, "renditions", "ab", "cd", "notes.txt"), age_s=9 * DAY_S)
    for folder in (*folders, gone):
        assert folder.is_dir()
        age(folder, 2 * DAY_S)

    assert clean().renditions == []
    assert gone.exists()
    totals = clean(incomplete_only=False)

    assert not gone.exists()
    assert [folder.is_dir() for folder in folders] == [True, True]
    assert unknown.exists()
    assert len(totals.renditions) == 1


def test_young_renditions_of_nobody_stay(cast: Cast, settings) -> None:
    folder = leave(Path(settings.MEDIA_ROOT, "renditions", "ab", "cd", "ab" * 32, "grid.webp"), age_s=0).parent
    assert clean(incomplete_only=False).renditions == []
    assert folder.is_dir()


def test_an_orphaned_original_stays(cast: Cast, settings) -> None:
    original = leave(Path(settings.MEDIA_ROOT, "originals", "ab", "cd", f"{'ab' * 32}.jpg"), age_s=400 * DAY_S)
    clean(incomplete_only=False)
    assert original.exists()


def test_an_album_without_storage_has_nothing_to_clean(cast: Cast) -> None:
    assert clean(incomplete_only=False) == CleanupTotals()
