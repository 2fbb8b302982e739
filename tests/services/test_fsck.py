"""The check of the library: what it says of missing and damaged files, what it mends, where it goes on."""

from __future__ import annotations

import hashlib
import os
import time
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError, connection
from django.utils import timezone

from album.disk import printable
from album.exceptions import StorageError
from album.media.renditions import GRID, PREVIEW
from album.models import Album, MediaItem
from album.preparation.paths import rendition_path
from album.services.fsck import FsckOptions, FsckReport, check_library
from album.services.imports import ImportOptions, import_folder
from tests.cast import Cast, make_photo, make_rows, scene_bytes

pytestmark = pytest.mark.django_db


def check(**options) -> FsckReport:
    return check_library(FsckOptions(**options))


def overwrite(path: Path, content: bytes) -> None:
    """What a failing disk does: other bytes under the same name."""
    path.chmod(0o640)
    path.write_bytes(content)


def put_orphan(root: Path, content: bytes, *, claimed: bytes | None = None, extension: str = ".jpg") -> Path:
    """An original without a row, named after ``claimed`` or its content."""
    sha256 = hashlib.sha256(content if claimed is None else claimed).hexdigest()
    path = root / "originals" / sha256[:2] / f"{sha256}{extension}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def test_a_whole_library_has_no_findings_and_is_marked(cast: Cast) -> None:
    items = [
        make_photo(cast.alice),
        make_photo(cast.bob),
        make_photo(cast.alice, seed=1, trashed_at=timezone.now()),
    ]
    sizes: list[int] = []

    report = check_library(FsckOptions(), progress=sizes.append)

    assert report == FsckReport(checked=3, size_bytes=sum(item.size_bytes for item in items))
    assert sum(sizes) == report.size_bytes
    assert not MediaItem.objects.filter(verified_at=None).exists()


def test_missing_and_damaged_originals_are_named_and_their_rows_stay(cast: Cast) -> None:
    missing, cut, rotten, whole = (make_photo(cast.alice, seed=seed) for seed in range(4))
    missing.path.unlink()
    overwrite(cut.path, cut.path.read_bytes()[:100])
    content = bytearray(rotten.path.read_bytes())
    content[500] ^= 1
    overwrite(rotten.path, bytes(content))

    report = check()

    first, second, third = report.findings
    assert f"{missing.path} is missing" in first
    assert "100 bytes instead of" in second
    assert "its content has changed" in third
    assert report.checked == 4
    assert list(MediaItem.objects.exclude(verified_at=None)) == [whole]
    assert MediaItem.objects.count() == 4


def test_an_original_that_cannot_be_read_is_a_finding(cast: Cast) -> None:
    photo = make_photo(cast.alice)
    photo.path.unlink()
    photo.path.symlink_to(photo.path)  # a loop: opening it fails, also for root
    (finding,) = check().findings
    assert "cannot be read" in finding


def test_an_incremental_check_goes_on_with_what_was_read_longest_ago(cast: Cast) -> None:
    now = timezone.now()
    fresh = make_photo(cast.alice, verified_at=now - timedelta(days=29))
    stale = make_photo(cast.alice, seed=1, verified_at=now - timedelta(days=31))
    never = make_photo(cast.alice, seed=2)
    for item in (fresh, stale, never):
        item.path.unlink()

    first, second = check(is_incremental=True).findings

    assert str(never.path) in first
    assert str(stale.path) in second
    assert len(check().findings) == 3


def test_a_check_out_of_time_says_so_and_the_next_one_ends_it(cast: Cast) -> None:
    make_photo(cast.alice)
    stopped = check(time_limit=timedelta(0))
    assert (stopped.checked, stopped.is_complete) == (0, False)
    rest = check(is_incremental=True, time_limit=timedelta(hours=1))
    assert (rest.checked, rest.is_complete) == (1, True)
    assert check(is_incremental=True).checked == 0


def test_what_was_read_stays_marked_when_a_check_is_broken_off(cast: Cast) -> None:
    first, _ = make_photo(cast.alice), make_photo(cast.alice, seed=1)

    def break_off(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        check_library(FsckOptions(), progress=break_off)
    assert list(MediaItem.objects.exclude(verified_at=None)) == [first]
    assert check(is_incremental=True).checked == 1


def test_a_missing_storage_is_no_finding_about_photos(cast: Cast, settings) -> None:
    make_photo(cast.alice)
    storage = Path(settings.MEDIA_ROOT)
    storage.rename(storage.with_name("unplugged"))
    storage.mkdir()
    with pytest.raises(StorageError, match="storage missing"):
        check()
    assert list(storage.iterdir()) == []


def test_a_storage_that_goes_in_the_middle_ends_the_check(cast: Cast, settings) -> None:
    first, _ = make_photo(cast.alice), make_photo(cast.alice, seed=1)
    storage = Path(settings.MEDIA_ROOT)

    def unplug(_: int) -> None:
        storage.rename(storage.with_name("unplugged"))
        storage.mkdir()

    with pytest.raises(StorageError, match="storage missing"):
        check_library(FsckOptions(), progress=unplug)
    assert list(MediaItem.objects.exclude(verified_at=None)) == [first]


def test_an_album_without_any_photo_is_whole(cast: Cast) -> None:
    assert check() == FsckReport()


def test_an_item_deleted_in_the_meantime_is_no_finding(cast: Cast) -> None:
    _, second = make_photo(cast.alice), make_photo(cast.alice, seed=1)

    def delete(_: int) -> None:
        second.path.unlink(missing_ok=True)
        MediaItem.objects.filter(pk=second.pk).delete()

    report = check_library(FsckOptions(), progress=delete)
    assert (report.checked, report.findings) == (1, [])


def test_files_indexed_in_place_are_compared_where_they_lie(cast: Cast, tmp_path: Path) -> None:
    items = [make_photo(cast.alice, seed=seed) for seed in range(4)]
    for item in items:
        source = tmp_path / f"{item.pk}.jpg"
        item.path.rename(source)
        stamp = source.stat().st_mtime_ns
        MediaItem.objects.filter(pk=item.pk).update(
            original="", source_path=str(source), source_modified_ns=stamp, preview_status="waiting"
        )
    whole, edited, rotten, gone = MediaItem.objects.order_by("pk")
    edited.path.chmod(0o640)
    with edited.path.open("ab") as file:
        file.write(b"more")
    stat = rotten.path.stat()
    overwrite(rotten.path, bytes(rotten.size_bytes))
    os.utime(rotten.path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    gone.path.unlink()

    findings = check().findings

    assert ["has changed since" in findings[0], "is damaged" in findings[1], "is missing" in findings[2]] == [
        True
    ] * 3
    assert len(findings) == 3
    assert list(MediaItem.objects.exclude(verified_at=None)) == [whole]


@pytest.mark.parametrize("is_gone", [False, True], ids=["empty", "gone"])
def test_a_disk_that_is_not_mounted_is_one_finding(cast: Cast, tmp_path: Path, is_gone: bool) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    for seed in range(3):
        (disk / f"{seed}.jpg").write_bytes(scene_bytes(seed=seed))
    import_folder(ImportOptions(cast.alice, disk, is_in_place=True))
    stored = make_photo(cast.alice, seed=3)
    disk.rename(tmp_path / "unplugged")
    if not is_gone:
        disk.mkdir()

    report = check()

    (finding,) = report.findings
    assert f"storage missing: {disk}" in finding
    assert report.checked == 1
    assert list(MediaItem.objects.exclude(verified_at=None)) == [stored]


def test_a_library_in_place_without_its_storage_is_not_checked(cast: Cast, settings) -> None:
    make_rows(cast.alice, 1, source_path="/photos/a.jpg")
    MediaItem.objects.update(original="")
    with pytest.raises(StorageError, match="storage missing"):
        check()


def test_a_failing_database_is_said_in_words(cast: Cast) -> None:
    make_photo(cast.alice)

    def refuse(execute, sql, params, many, context):
        if sql.startswith("UPDATE"):
            raise OperationalError("database is locked")
        return execute(sql, params, many, context)

    with connection.execute_wrapper(refuse), pytest.raises(StorageError, match="database is locked"):
        check()


@pytest.mark.parametrize("left", [None, b"", bytes(100)], ids=["no file", "empty", "zeros"])
def test_renditions_that_are_not_whole_are_made_again(cast: Cast, left: bytes | None) -> None:
    photo = make_photo(cast.alice)
    for name in (GRID, PREVIEW):
        path = rendition_path(photo, name)
        path.unlink()
        if left is not None:
            path.write_bytes(left)

    listed = check(repairs_renditions=False)
    assert (len(listed.findings), listed.mended) == (1, [])
    report = check()

    assert (report.findings, len(report.mended)) == ([], 1)
    assert rendition_path(photo, GRID).read_bytes()[:4] == b"RIFF"
    assert rendition_path(photo, PREVIEW).read_bytes()[:2] == b"\xff\xd8"
    assert check() == FsckReport(checked=1, size_bytes=photo.size_bytes)


def test_a_lost_avif_is_going_to_be_made_again(cast: Cast) -> None:
    photo = make_photo(cast.alice, avif_attempts=2, image_avif="renditions/lost.avif")
    (finding,) = check(repairs_renditions=False).findings
    assert "preview.avif missing" in finding
    (mended,) = check().mended
    assert "preview.avif made again" in mended
    photo.refresh_from_db()
    assert (photo.image_avif.name, photo.avif_attempts) == ("", 0)


def test_a_preview_that_cannot_be_made_again_is_a_finding(cast: Cast, settings) -> None:
    photo, unreadable, root = make_photo(cast.alice), bytes(1000), Path(settings.MEDIA_ROOT)
    photo.path.unlink()
    path = put_orphan(root, unreadable)
    MediaItem.objects.filter(pk=photo.pk).update(
        original=str(path.relative_to(root)), sha256=path.stem, size_bytes=len(unreadable)
    )
    (finding,) = check().findings
    assert "grid.webp, preview.jpg missing, and cannot be made" in finding


def test_a_whole_original_without_row_is_adopted(cast: Cast, settings) -> None:
    make_photo(cast.alice)
    content = scene_bytes(seed=7)
    path = put_orphan(Path(settings.MEDIA_ROOT), content)

    report = check()

    item = MediaItem.objects.get(sha256=hashlib.sha256(content).hexdigest())
    assert (item.owner, item.path, item.processing_status, item.kind) == (cast.admin, path, "pending", "photo")
    assert list(Album.objects.get(title="Recovered").items.all()) == [item]
    assert len(report.mended) == 1
    assert report.findings == []
    assert path.read_bytes() == content
    assert check().mended == []


def test_an_original_of_a_time_that_no_calendar_has_is_adopted(cast: Cast, settings) -> None:
    with TemporaryDirectory(dir="/dev/shm") as root:  # most disks cannot keep such a time
        settings.MEDIA_ROOT = Path(root)
        make_photo(cast.alice)
        os.utime(put_orphan(Path(root), scene_bytes(seed=7)), (1e12, 1e12))
        assert len(check().mended) == 1


def test_an_original_that_cannot_be_adopted_now_stays_where_it_is(cast: Cast, settings) -> None:
    """It lies where an earlier release put it, so that adopting it means a new place."""
    make_photo(cast.alice)
    path = put_orphan(Path(settings.MEDIA_ROOT), scene_bytes(seed=7))
    older = path.parent / path.name[2:4] / path.name
    older.parent.mkdir()
    path = path.rename(older)

    def refuse(execute, sql, params, many, context):
        if sql.startswith("INSERT") and MediaItem._meta.db_table in sql:
            raise OperationalError("database is locked")
        return execute(sql, params, many, context)

    with connection.execute_wrapper(refuse), pytest.raises(StorageError, match="database is locked"):
        check()
    assert path.read_bytes() == scene_bytes(seed=7)
    assert len(check().mended) == 1


def test_orphans_are_only_listed_where_they_are_not_wanted(cast: Cast, settings) -> None:
    make_photo(cast.alice)
    path = put_orphan(Path(settings.MEDIA_ROOT), scene_bytes(seed=7))
    (finding,) = check(adopts_orphans=False).findings
    assert path.name in finding
    assert "belongs to no item" in finding
    assert MediaItem.objects.count() == 1


def test_an_owner_with_two_albums_for_what_is_recovered_is_no_failure(cast: Cast, settings) -> None:
    make_photo(cast.alice)
    put_orphan(Path(settings.MEDIA_ROOT), scene_bytes(seed=7))
    first, _ = (Album.objects.create(owner=cast.admin, title="Recovered") for _ in range(2))
    assert len(check().mended) == 1
    assert first.items.count() == 1


def test_orphans_go_to_the_owner_that_is_named(cast: Cast, settings) -> None:
    make_photo(cast.alice)
    put_orphan(Path(settings.MEDIA_ROOT), scene_bytes(seed=7))
    check(owner=cast.bob)
    assert MediaItem.objects.filter(owner=cast.bob).count() == 1
    assert Album.objects.get(title="Recovered").owner == cast.bob


def test_without_an_admin_orphans_are_only_listed(cast: Cast, settings) -> None:
    make_photo(cast.alice)
    path = put_orphan(Path(settings.MEDIA_ROOT), scene_bytes(seed=7))
    User.objects.filter(is_superuser=True).update(is_active=False)
    (finding,) = check().findings
    assert "fsck --owner NAME" in finding
    assert path.is_file()


@pytest.mark.parametrize(
    ("place", "words"),
    [
        (lambda root: put_orphan(root, scene_bytes()[:200], claimed=scene_bytes()), "cut off or damaged"),
        (lambda root: put_orphan(root, b"%PDF-1.7 words"), "PDF"),
        (lambda root: root / "originals" / "ab" / "notes.jpg", "no original of this album"),
        (lambda root: root / "originals" / "beach.jpg", "no original of this album"),
        (lambda root: root / "originals" / os.fsdecode(b"\xe9t\xe9.jpg"), "no original of this album"),
    ],
    ids=["cut off", "no photo", "strange name", "strange place", "no UTF-8"],
)
def test_what_cannot_be_adopted_is_listed_and_left(cast: Cast, settings, place, words: str) -> None:
    make_photo(cast.alice, seed=3)
    path = place(Path(settings.MEDIA_ROOT))
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        path.write_bytes(b"anything")
    content = path.read_bytes()

    report = check()

    (finding,) = report.findings
    assert printable(path.relative_to(settings.MEDIA_ROOT)) in finding
    assert words in finding
    assert path.read_bytes() == content
    assert MediaItem.objects.count() == 1
    assert not Album.objects.filter(title="Recovered").exists()


def test_only_old_part_files_are_listed(cast: Cast, settings) -> None:
    make_photo(cast.alice)
    part = Path(settings.MEDIA_ROOT, "originals", "0a1b.part")
    part.write_bytes(b"half a photo")
    assert check().findings == []
    os.utime(part, (time.time() - 90_000,) * 2)
    (finding,) = check().findings
    assert "cleanup_orphaned_photos removes it" in finding
    assert part.is_file()


def test_a_copy_beside_a_row_in_place_is_listed(cast: Cast, settings, tmp_path: Path) -> None:
    make_photo(cast.alice)
    mine = make_photo(cast.admin, seed=1)
    source = tmp_path / "beach.jpg"
    source.write_bytes(mine.path.read_bytes())
    MediaItem.objects.filter(pk=mine.pk).update(
        original="", source_path=str(source), source_modified_ns=source.stat().st_mtime_ns
    )
    (finding,) = check().findings
    assert f"a second copy of item {mine.pk}" in finding
    assert mine.path.is_file()
