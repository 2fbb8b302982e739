"""Where originals lie, and what follows from one that is not there: for it, for others, and for the album."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
from django.contrib.auth.models import User

from album.exceptions import MediaError, StorageError
from album.media.renditions import PREVIEW
from album.media.storage import mark
from album.models import MediaItem, Preview
from album.preparation.originals import OriginalAway
from album.preparation.paths import rendition_path
from album.preparation.prepare import MAX_ATTEMPTS, prepare_item, prepare_many
from tests.cast import Cast, scene_bytes
from tests.preparation.boxes import BrokenDiskBox, CountingBox, InterruptedBox
from tests.preparation.test_prepare import KEYWORDS, store, untouched


@pytest.fixture
def disk(tmp_path: Path, settings) -> Path:
    mark(settings.MEDIA_ROOT)
    (tmp_path / "disk" / "2021").mkdir(parents=True)
    return tmp_path / "disk"


def index(owner: User, path: Path, *, seed: int = 0) -> MediaItem:
    """A drawn photo at ``path``, indexed in place."""
    path.write_bytes(scene_bytes(seed=seed))
    content = path.read_bytes()
    return MediaItem.objects.create(
        owner=owner,
        kind="photo",
        original_name=path.name,
        mime_type="image/jpeg",
        sha256=hashlib.sha256(content).hexdigest(),
        size_bytes=len(content),
        source_path=str(path),
        source_modified_ns=path.stat().st_mtime_ns,
    )


def unplug(folder: Path) -> None:
    """What an unmounted disk leaves behind."""
    folder.rename(folder.with_name("unplugged"))
    folder.mkdir()


def test_missing_storage_marks_nothing(cast: Cast, box: CountingBox, settings) -> None:
    item = store(cast.alice)
    unplug(Path(settings.MEDIA_ROOT))
    with pytest.raises(StorageError, match="storage missing"):
        prepare_item(item, box=box)
    with pytest.raises(StorageError, match="storage missing"):
        list(prepare_many([item], box))
    assert untouched(item)


def test_no_preview_is_written_where_the_storage_is_missing(
    cast: Cast, box: CountingBox, disk: Path, settings
) -> None:
    stored, item = store(cast.alice), index(cast.alice, disk / "photo.jpg")
    unplug(Path(settings.MEDIA_ROOT))
    with pytest.raises(StorageError, match="storage missing"):
        prepare_item(item, box=box)
    assert list(Path(settings.MEDIA_ROOT).iterdir()) == []
    assert untouched(item) and untouched(stored)


@pytest.mark.parametrize("is_mount_point_left", [True, False])
def test_a_disk_that_is_away_marks_nothing_and_stops_nothing(
    cast: Cast, box: CountingBox, disk: Path, is_mount_point_left: bool
) -> None:
    away, stored = index(cast.alice, disk / "2021" / "photo.jpg", seed=1), store(cast.alice)
    (disk.parent / "other disk").mkdir()
    disk.rename(disk.with_name("unplugged"))
    if is_mount_point_left:
        disk.mkdir()
    assert [item.pk for item in prepare_many([away, stored], box)] == [stored.pk]
    with pytest.raises(OriginalAway, match="not mounted"):
        prepare_item(away, box=box)
    assert untouched(away)


def test_a_disk_that_goes_away_while_it_is_read_marks_nothing(cast: Cast, box: CountingBox, disk: Path) -> None:
    item = index(cast.alice, disk / "2021" / "photo.jpg")
    pulled = InterruptedBox(lambda: disk.exists() and disk.rename(disk.with_name("unplugged")))
    with pulled, pytest.raises(OriginalAway):
        prepare_item(item, box=pulled)
    assert untouched(item)
    disk.with_name("unplugged").rename(disk)
    assert prepare_item(item, box=box).preview_status == Preview.READY


def test_a_broken_place_of_a_disk_counts_as_a_crash(cast: Cast, box: CountingBox) -> None:
    broken, other = store(cast.alice), store(cast.alice, seed=1)
    with BrokenDiskBox(timeout_s=20) as broken_box:
        statuses = [item.preview_status for _ in range(3) for item in prepare_many([broken], broken_box)]
    assert statuses == [Preview.WAITING, Preview.WAITING, Preview.NONE]
    assert "Input/output error" in broken.preview_problem
    assert prepare_item(other, box=box).preview_status == Preview.READY


def test_a_file_that_changed_in_its_place_is_not_shown_as_what_it_was(
    cast: Cast, box: CountingBox, disk: Path
) -> None:
    item = index(cast.alice, disk / "photo.jpg")
    (disk / "photo.jpg").write_bytes(scene_bytes(seed=9))
    with pytest.raises(MediaError, match=r"has changed since it was indexed\. Import its folder again"):
        prepare_item(item, box=box)
    assert not rendition_path(item, PREVIEW).exists()
    indexed_anew = index(cast.bob, disk / "photo.jpg", seed=9)
    new_values = {name: getattr(indexed_anew, name) for name in ("sha256", "size_bytes", "source_modified_ns")}
    MediaItem.objects.filter(pk=item.pk).update(**new_values)
    assert prepare_item(item, box=box).preview_status == Preview.READY, "whatever the caller knew"


def test_a_missing_original_waits_behind_the_others(cast: Cast, box: CountingBox) -> None:
    item, other = store(cast.alice), store(cast.alice, seed=1)
    content = item.path.read_bytes()
    item.path.unlink()
    with pytest.raises(MediaError, match="is missing from the storage"):
        prepare_item(item, box=box)
    for _ in range(4):
        assert [one.pk for one in prepare_many([item, other], box)] == [other.pk]
    item.refresh_from_db()
    assert (item.preview_status, item.prepare_attempts) == (Preview.WAITING, MAX_ATTEMPTS)
    item.path.write_bytes(content)
    assert prepare_item(item, box=box).preview_status == Preview.READY


@pytest.mark.parametrize("name", ["photo.xmp", "photo.jpg.xmp"])
def test_sidecars_beside_an_original_in_place_are_read(cast: Cast, box: CountingBox, disk: Path, name: str) -> None:
    (disk / name).write_bytes(KEYWORDS)
    item = prepare_item(index(cast.alice, disk / "photo.jpg"), box=box)
    assert (item.title, item.rating, item.preview_status) == ("By the lake", 4, Preview.READY)


def test_what_is_named_like_a_sidecar_but_is_no_file_is_passed_over(cast: Cast, disk: Path) -> None:
    os.mkfifo(disk / "photo.jpg.xmp")
    (disk / "photo.jpg.json").mkdir()
    with CountingBox(timeout_s=5) as box:
        assert prepare_item(index(cast.alice, disk / "photo.jpg"), box=box).preview_status == Preview.READY


def test_a_name_as_long_as_can_be_has_no_sidecars(cast: Cast, box: CountingBox, disk: Path) -> None:
    item = index(cast.alice, disk / f"{'x' * 251}.jpg")
    assert prepare_item(item, box=box).preview_status == Preview.READY
