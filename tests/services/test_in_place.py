"""Files that are indexed where they lie: rows follow them, nothing is copied, a missing disk marks nothing."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from album.batches.ledger import Claim, Claimer, open_ledger
from album.batches.options import BatchOptions
from album.batches.recording import Recorder
from album.exceptions import AlbumError, StorageError
from album.inference.results import Analysis, WeightsRef
from album.models import BatchRun, MediaItem, Preview, Stage, StageResult, Status
from album.models.media import Kind
from album.preparation.sidecars import sidecars_of
from album.services import in_place
from album.services.folders import Folder
from album.services.imports import ImportOptions, ImportTotals, import_files, import_folder
from album.services.verdicts import Outcome
from tests.cast import Cast, make_photo, scene_bytes
from tests.services.test_imports import XMP


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    root = tmp_path / "disk"
    (root / "2024").mkdir(parents=True)
    for n, name in enumerate(("a.jpg", "b.jpg", "2024/c.jpg")):
        (root / name).write_bytes(scene_bytes(seed=n))
    return root


def run(cast: Cast, disk: Path, **options: Any) -> ImportTotals:
    return import_folder(ImportOptions(cast.alice, disk, is_in_place=True, **options))


def item_at(path: Path) -> MediaItem:
    return MediaItem.objects.get(source_path=str(path))


def test_files_are_indexed_and_prepared_and_not_copied(
    cast: Cast, disk: Path, alice_client: Client, settings: Settings
) -> None:
    totals = run(cast, disk, album=cast.shared)

    assert dict(totals.counts) == {Outcome.NEW: 3}
    item = item_at(disk / "2024" / "c.jpg")
    assert (item.original.name, item.preview_status, item.width_px) == ("", Preview.READY, 320)
    assert cast.shared.items.count() == 3
    assert not list(Path(settings.MEDIA_ROOT).rglob("originals/*"))
    answer = alice_client.get(reverse("album:original", args=(item.pk,)))
    assert b"".join(answer) == (disk / "2024" / "c.jpg").read_bytes()


def test_a_known_path_is_not_read_again(cast: Cast, disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(cast, disk)
    read: list[Path] = []
    monkeypatch.setattr(in_place, "_read", read.append)
    assert dict(run(cast, disk).counts) == {Outcome.KNOWN: 3}
    assert read == []


def test_a_touched_file_is_read_once_more_and_stays_known(cast: Cast, disk: Path) -> None:
    run(cast, disk)
    os.utime(disk / "a.jpg", (2e9, 2e9))
    assert dict(run(cast, disk).counts) == {Outcome.KNOWN: 3}
    assert item_at(disk / "a.jpg").source_modified_ns == 2 * 10**18


def test_a_changed_file_is_prepared_and_described_anew(cast: Cast, disk: Path) -> None:
    run(cast, disk)
    old = item_at(disk / "a.jpg")
    MediaItem.objects.filter(pk=old.pk).update(processing_status=Status.COMPLETED, title="Written by alice")
    (disk / "a.xmp").write_text(XMP.format(rating=5, title="On the hill"))
    run(cast, disk)
    (kept,) = sidecars_of(old)
    (disk / "a.xmp").unlink()
    (disk / "a.jpg").write_bytes(scene_bytes(seed=7, size_px=(400, 300)))

    totals = run(cast, disk)

    assert not kept.exists(), "it was about the old content"
    new = item_at(disk / "a.jpg")
    assert dict(totals.counts) == {Outcome.CHANGED: 1, Outcome.KNOWN: 2}
    assert (new.pk, new.title, new.width_px) == (old.pk, "Written by alice", 400)
    assert new.sha256 != old.sha256
    assert (new.preview_status, new.processing_status) == (Preview.READY, Status.PENDING)


@pytest.mark.parametrize("is_held", [False, True])
def test_a_changed_file_keeps_no_results_of_its_former_picture(cast: Cast, disk: Path, is_held: bool) -> None:
    """Embedded, not yet described; or described just now, from the picture that was there a moment ago."""
    run(cast, disk)
    item, ref = item_at(disk / "a.jpg"), WeightsRef("w", "1")
    night, options = BatchRun.objects.create(kind=Kind.PHOTO), BatchOptions(Kind.PHOTO, item_ids=(item.pk,))
    wanted = {Stage.EMBED: ("w", "1"), Stage.CAPTION: ("w", "1")}
    open_ledger(options, wanted)

    def claim(stage: Stage) -> Claim:
        (claim,) = Claimer(night, options, stage, set()).claim(1, with_suspects=False)
        return claim

    assert Recorder(night, Stage.EMBED).completed(claim(Stage.EMBED), Analysis(), ref, 1.0) == Status.PENDING
    held = claim(Stage.CAPTION) if is_held else None
    (disk / "a.jpg").write_bytes(scene_bytes(seed=7))

    run(cast, disk)

    if held:
        assert Recorder(night, Stage.CAPTION).completed(held, Analysis(description="Old"), ref, 1.0) is None
    open_ledger(options, wanted)
    assert set(StageResult.objects.filter(item=item).values_list("state", "attempts")) == {(Status.PENDING, 0)}
    assert claim(Stage.EMBED).item.sha256 != item.sha256


def test_a_clip_that_became_another_video_is_shown_by_itself(cast: Cast, disk: Path) -> None:
    run(cast, disk)
    MediaItem.objects.filter(pk=item_at(disk / "a.jpg").pk).update(clip_of=item_at(disk / "b.jpg"))
    (disk / "a.jpg").write_bytes(scene_bytes(seed=7))
    run(cast, disk)
    assert item_at(disk / "a.jpg").clip_of is None


def test_a_changed_file_keeps_no_keywords_of_its_former_content(cast: Cast, disk: Path) -> None:
    sidecar = disk / "a.xmp"
    sidecar.write_text(XMP.format(rating=3, title="Lake"))
    run(cast, disk)
    assert [tag.name for tag in item_at(disk / "a.jpg").tags.all()] == ["lake"]
    sidecar.unlink()
    (disk / "a.jpg").write_bytes(scene_bytes(seed=7))
    run(cast, disk)
    assert not item_at(disk / "a.jpg").tags.exists()


def test_a_moved_file_keeps_its_row(cast: Cast, disk: Path) -> None:
    run(cast, disk)
    before = item_at(disk / "a.jpg").pk
    (disk / "a.jpg").rename(disk / "2024" / "z.jpg")
    totals = run(cast, disk)
    assert dict(totals.counts) == {Outcome.KNOWN: 2, Outcome.MOVED: 1}
    assert (item_at(disk / "2024" / "z.jpg").pk, totals.gone) == (before, 0)


def test_a_renamed_library_is_found_again(cast: Cast, disk: Path) -> None:
    run(cast, disk)
    (disk / "archive").mkdir()
    for name in ("a.jpg", "b.jpg", "2024"):
        (disk / name).rename(disk / "archive" / name)
    totals = run(cast, disk)
    assert (dict(totals.counts), MediaItem.objects.count(), totals.gone) == ({Outcome.MOVED: 3}, 3, 0)


def test_two_files_that_changed_names_keep_their_rows(cast: Cast, disk: Path) -> None:
    run(cast, disk)
    a, b = item_at(disk / "a.jpg"), item_at(disk / "b.jpg")
    (disk / "a.jpg").rename(disk / "x")
    (disk / "b.jpg").rename(disk / "a.jpg")
    (disk / "x").rename(disk / "b.jpg")
    run(cast, disk)
    a.refresh_from_db()
    b.refresh_from_db()
    assert (a.path.name, b.path.name, MediaItem.objects.count()) == ("b.jpg", "a.jpg", 3)


def test_a_copy_is_one_item(cast: Cast, disk: Path) -> None:
    shutil.copy(disk / "a.jpg", disk / "2024" / "copy.jpg")
    stored = make_photo(cast.alice, content=scene_bytes(seed=1))
    totals = run(cast, disk)
    assert dict(totals.counts) == {Outcome.NEW: 2, Outcome.KNOWN: 2}
    stored.refresh_from_db()
    assert (stored.source_path, MediaItem.objects.count()) == ("", 3)


def test_vanished_files_are_told_and_not_marked(cast: Cast, disk: Path) -> None:
    run(cast, disk)
    before = list(MediaItem.objects.order_by("pk").values())
    (disk / "a.jpg").unlink()
    assert run(cast, disk).gone == 1
    assert list(MediaItem.objects.order_by("pk").values()) == before


@pytest.mark.parametrize("what", ["no folder", "an empty folder", "another disk"])
def test_a_missing_disk_stops_and_changes_nothing(cast: Cast, disk: Path, what: str) -> None:
    run(cast, disk)
    before = list(MediaItem.objects.order_by("pk").values())
    disk.rename(disk.with_name("elsewhere"))
    if what != "no folder":
        disk.mkdir()
    if what == "another disk":
        (disk / "other.jpg").write_bytes(scene_bytes(seed=9))
    with pytest.raises(StorageError, match="storage missing"):
        run(cast, disk)
    assert list(MediaItem.objects.order_by("pk").values()) == before

    shutil.rmtree(disk, ignore_errors=True)
    disk.with_name("elsewhere").rename(disk)
    assert dict(run(cast, disk).counts) == {Outcome.KNOWN: 3}


def test_a_disk_that_goes_away_meanwhile_stops_the_import(cast: Cast, disk: Path) -> None:
    def pull(path: Path, words: str) -> None:
        disk.rename(disk.with_name("elsewhere"))

    with pytest.raises(StorageError, match="storage missing"):
        import_folder(ImportOptions(cast.alice, disk, is_in_place=True), progress=pull)
    assert MediaItem.objects.count() == 1


def test_a_library_in_place_tells_its_storage_from_an_empty_mount_point(
    cast: Cast, disk: Path, settings: Settings
) -> None:
    run(cast, disk)
    storage = Path(settings.MEDIA_ROOT)
    storage.rename(storage.with_name("unplugged"))
    storage.mkdir()
    with pytest.raises(StorageError, match="storage missing"):
        make_photo(cast.alice, seed=9)
    with pytest.raises(StorageError, match="storage missing"):
        run(cast, disk)
    assert list(storage.iterdir()) == []


def test_copying_takes_in_what_is_indexed_elsewhere_only(cast: Cast, disk: Path) -> None:
    run(cast, disk)
    card = disk.with_name("card")
    card.mkdir()
    shutil.copy(disk / "a.jpg", card)
    assert dict(import_folder(ImportOptions(cast.alice, disk)).counts) == {Outcome.KNOWN: 3}
    import_folder(ImportOptions(cast.alice, card))
    assert [item.path.name for item in MediaItem.objects.exclude(original="")] == [
        f"{item.sha256}.jpg" for item in MediaItem.objects.filter(source_path="")
    ]
    assert MediaItem.objects.filter(source_path="").count() == 1


def test_a_dry_run_writes_nothing(cast: Cast, disk: Path) -> None:
    run(cast, disk)
    (disk / "a.jpg").write_bytes(scene_bytes(seed=7))
    (disk / "b.jpg").rename(disk / "d.jpg")
    before = list(MediaItem.objects.order_by("pk").values())
    totals = run(cast, disk, is_dry_run=True)
    assert dict(totals.counts) == {Outcome.CHANGED: 1, Outcome.MOVED: 1, Outcome.KNOWN: 1}
    assert list(MediaItem.objects.order_by("pk").values()) == before


def test_a_newer_sidecar_of_a_known_file_is_read(cast: Cast, disk: Path) -> None:
    run(cast, disk)
    (disk / "a.xmp").write_text(XMP.format(rating=5, title="On the hill"))
    run(cast, disk)
    assert (item_at(disk / "a.jpg").rating, item_at(disk / "a.jpg").title) == (5, "On the hill")


def test_an_older_sidecar_that_was_put_back_is_read(cast: Cast, disk: Path) -> None:
    sidecar = disk / "a.xmp"
    for rating, moment in ((5, 2e9), (4, 1e9)):
        sidecar.write_text(XMP.format(rating=rating, title=""))
        os.utime(sidecar, (moment, moment))
        run(cast, disk)
        assert item_at(disk / "a.jpg").rating == rating


def test_a_name_that_no_row_can_hold_is_told(cast: Cast, disk: Path) -> None:
    Path(os.fsdecode(os.fsencode(disk) + b"/\xff.jpg")).write_bytes(scene_bytes(seed=8))
    options = ImportOptions(cast.alice, disk, is_in_place=True)
    assert len(import_files(options, list(Folder(disk))).failed) == 1
    totals = run(cast, disk)
    assert totals.failed == ["?.jpg: its path is not valid UTF-8. Rename it, or import without --in-place."]
    assert dict(import_folder(ImportOptions(cast.alice, disk)).counts) == {Outcome.KNOWN: 3, Outcome.NEW: 1}


def test_what_lies_in_the_trash_stays_there_and_its_file_too(cast: Cast, disk: Path) -> None:
    run(cast, disk)
    MediaItem.objects.filter(source_path=str(disk / "a.jpg")).update(trashed_at="2026-01-01T00:00Z")
    assert dict(run(cast, disk).counts) == {Outcome.IN_TRASH: 1, Outcome.KNOWN: 2}
    assert (disk / "a.jpg").exists()


def test_the_storage_is_no_folder_to_index(cast: Cast, settings: Settings) -> None:
    make_photo(cast.alice)
    with pytest.raises(AlbumError, match="storage of the album"):
        run(cast, Path(settings.MEDIA_ROOT))


def test_nothing_in_the_folder_is_written(cast: Cast, disk: Path) -> None:
    def state() -> dict[str, tuple[int, bytes]]:
        return {str(path): (path.stat().st_mtime_ns, path.read_bytes()) for path in disk.rglob("*.jpg")}

    before = state()
    run(cast, disk)
    run(cast, disk)
    assert state() == before
    assert len(list(disk.rglob("*"))) == 4


def test_a_link_stands_for_the_file_that_it_leads_to(cast: Cast, disk: Path, alice_client: Client) -> None:
    """Originals are opened without following links."""
    (disk / "d.jpg").symlink_to(disk / "2024" / "c.jpg")
    assert dict(run(cast, disk).counts) == {Outcome.NEW: 3, Outcome.KNOWN: 1}
    answer = alice_client.get(reverse("album:original", args=(item_at(disk / "2024" / "c.jpg").pk,)))
    assert b"".join(answer) == (disk / "d.jpg").read_bytes()
    assert dict(run(cast, disk).counts) == {Outcome.KNOWN: 4}
