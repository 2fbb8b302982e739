"""A folder becomes items, with what lies beside the files; what is not taken is counted with its reason."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from django.db import OperationalError, connection
from pytest_django import Settings

from album.exceptions import AlbumError, StorageError
from album.models import Album, ItemTag, MediaItem, Preview, Tag
from album.preparation.sidecars import sidecars_of
from album.services.backup.shelf import MARK as BACKUPS
from album.services.folders import Folder
from album.services.imports import ImportOptions, ImportTotals, import_folder
from album.services.verdicts import Outcome
from tests.cast import Cast, scene_bytes

XMP = """<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:dc="http://purl.org/dc/elements/1.1/"
 xmp:Rating="{rating}"><dc:title><rdf:Alt><rdf:li xml:lang="x-default">{title}</rdf:li></rdf:Alt></dc:title>
<dc:subject><rdf:Bag><rdf:li>{title}</rdf:li></rdf:Bag></dc:subject></rdf:Description></rdf:RDF></x:xmpmeta>"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two photos (one of them twice, once below), a text, an empty file, half a header and hidden things."""
    root = tmp_path / "camera"
    (root / "2024").mkdir(parents=True)
    (root / ".thumbnails").mkdir()
    (root / "@eaDir").mkdir()
    (root / "a.jpg").write_bytes(scene_bytes(seed=1))
    (root / "b.JPG").write_bytes(scene_bytes(seed=2))
    (root / "2024" / "copy of a.jpg").write_bytes(scene_bytes(seed=1))
    (root / "notes.txt").write_text("some words")
    (root / "2024" / "empty.jpg").touch()
    (root / "broken.jpg").write_bytes(scene_bytes(seed=3)[:40])
    (root / ".hidden.jpg").write_bytes(scene_bytes(seed=4))
    (root / ".thumbnails" / "t.jpg").write_bytes(scene_bytes(seed=5))
    (root / "@eaDir" / "t.jpg").write_bytes(scene_bytes(seed=6))
    (root / "loop").symlink_to(root)
    (root / "dangling.jpg").symlink_to(root / "gone.jpg")
    return root


def run(cast: Cast, folder: Path, **options: Any) -> ImportTotals:
    return import_folder(ImportOptions(cast.alice, folder, **options))


def counts(totals: ImportTotals) -> dict[Outcome, int]:
    return dict(totals.counts)


def names(lines: list[str]) -> list[str]:
    return [line.partition(":")[0] for line in lines]


def test_every_file_is_counted_once_with_its_reason(cast: Cast, folder: Path) -> None:
    told: list[tuple[str, str]] = []
    options = ImportOptions(cast.alice, folder, album=cast.shared)
    totals = import_folder(options, progress=lambda path, words: told.append((path.name, words)))

    assert counts(totals) == {Outcome.NEW: 3, Outcome.KNOWN: 1}
    assert names(totals.unsupported) == ["dangling.jpg", "notes.txt", "2024/empty.jpg"]
    assert totals.failed == []
    assert names(totals.without_preview) == ["broken.jpg"]
    assert [name for name, _ in told] == [
        *("a.jpg", "b.JPG", "broken.jpg", "dangling.jpg", "notes.txt", "copy of a.jpg", "empty.jpg")
    ]
    assert cast.shared.items.count() == 3


def test_items_are_prepared_when_the_import_ends(cast: Cast, folder: Path) -> None:
    os.utime(folder / "a.jpg", (1e9, 1e9))
    run(cast, folder)
    item = MediaItem.objects.get(original_name="a.jpg")
    assert (item.preview_status, item.width_px, item.height_px) == (Preview.READY, 320, 240)
    assert item.file_modified_at is not None
    assert item.file_modified_at.timestamp() == 1e9


def test_a_second_import_reads_and_writes_nothing_new(cast: Cast, folder: Path) -> None:
    run(cast, folder)
    item = MediaItem.objects.get(original_name="a.jpg")
    before = item.path.stat()

    totals = run(cast, folder, album=cast.shared)

    assert counts(totals) == {Outcome.KNOWN: 4}
    assert cast.shared.items.count() == 3
    assert (item.path.stat().st_ino, item.path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_known_item_that_still_waits_is_prepared(cast: Cast, folder: Path) -> None:
    run(cast, folder)
    MediaItem.objects.update(preview_status=Preview.WAITING)
    run(cast, folder)
    assert not MediaItem.objects.filter(preview_status=Preview.WAITING).exists()


@pytest.mark.parametrize("is_lost", [True, False])
def test_an_original_that_was_lost_or_damaged_comes_back(cast: Cast, folder: Path, is_lost: bool) -> None:
    run(cast, folder)
    item = MediaItem.objects.get(original_name="a.jpg")
    item.path.unlink()
    if not is_lost:
        item.path.write_bytes(bytes(item.size_bytes))
    run(cast, folder)
    assert item.path.read_bytes() == (folder / "a.jpg").read_bytes()


def test_what_lies_in_the_trash_stays_there(cast: Cast, folder: Path) -> None:
    run(cast, folder)
    MediaItem.objects.filter(original_name="b.JPG").update(trashed_at="2026-01-01T00:00Z")
    MediaItem.objects.get(original_name="b.JPG").path.unlink()
    totals = run(cast, folder, album=cast.shared)
    assert totals.counts[Outcome.IN_TRASH] == 1
    assert MediaItem.objects.filter(trashed_at=None).count() == cast.shared.items.count() == 2


def test_a_dry_run_says_what_would_happen_and_writes_nothing(cast: Cast, folder: Path, settings: Settings) -> None:
    totals = run(cast, folder, is_dry_run=True, has_folder_albums=True)
    assert counts(totals) == {Outcome.NEW: 3, Outcome.KNOWN: 1}, "as the import itself counts"
    assert len(totals.unsupported) == 3
    assert not MediaItem.objects.exists()
    assert list(Album.objects.all()) == [cast.shared]
    assert not Path(settings.MEDIA_ROOT).exists()


def test_a_missing_folder_is_named(cast: Cast, tmp_path: Path) -> None:
    with pytest.raises(AlbumError, match="nowhere"):
        run(cast, tmp_path / "nowhere")


def test_the_storage_itself_is_not_imported(cast: Cast, folder: Path, settings: Settings) -> None:
    run(cast, folder)
    with pytest.raises(AlbumError, match="storage of the album"):
        run(cast, Path(settings.MEDIA_ROOT) / "originals")
    totals = run(cast, folder.parent)  # the folder above both
    assert counts(totals) == {Outcome.KNOWN: 4}


def test_a_failing_disk_ends_the_import_and_keeps_what_is_done(
    cast: Cast, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fsync, calls = os.fsync, []

    def fail_later(descriptor: int) -> None:
        calls.append(descriptor)
        if MediaItem.objects.exists():
            raise OSError(errno.ENOSPC, "No space left on device")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", fail_later)
    with pytest.raises(StorageError, match="storage full"):
        run(cast, folder)
    assert MediaItem.objects.count() == 1


@pytest.mark.parametrize("is_in_place", [False, True], ids=["copied", "in place"])
def test_a_dead_network_disk_is_said_in_words(
    cast: Cast, folder: Path, monkeypatch: pytest.MonkeyPatch, is_in_place: bool
) -> None:
    run(cast, folder, is_in_place=is_in_place)
    before = MediaItem.objects.count()
    stat = os.stat

    def fail(path: Any, *arguments: Any, **options: Any) -> os.stat_result:
        if str(path).startswith(str(folder)):
            raise OSError(errno.ENOTCONN, os.strerror(errno.ENOTCONN), str(path))
        return stat(path, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(os, "stat", fail)
        with pytest.raises(StorageError, match=r"camera: .*not connected.* before stays"):
            run(cast, folder, is_in_place=is_in_place)
    assert MediaItem.objects.count() == before


@pytest.mark.parametrize("is_in_place", [False, True], ids=["copied", "in place"])
def test_a_locked_database_is_said_in_words(cast: Cast, folder: Path, is_in_place: bool) -> None:
    def refuse(execute, sql, params, many, context):
        if sql.startswith("INSERT"):
            raise OperationalError("database is locked")
        return execute(sql, params, many, context)

    with connection.execute_wrapper(refuse), pytest.raises(StorageError, match="database is locked"):
        run(cast, folder, is_in_place=is_in_place)


@pytest.mark.parametrize("own", ["MEDIA_ROOT", "VAR_DIR", "BACKUP_DIR"])
def test_what_the_album_keeps_below_the_folder_is_left_out(tmp_path: Path, settings: Settings, own: str) -> None:
    root = tmp_path / "srv"
    kept = root / "album" / "kept" / "ab" / "of-bob.jpg"
    kept.parent.mkdir(parents=True)
    kept.write_bytes(scene_bytes(seed=1))
    (root / "link.jpg").symlink_to(kept)
    setattr(settings, own, root / "album" / "kept")
    folder = Folder(root)
    assert [*folder, *folder.below(kept.parent), folder.find(kept), folder.find(root / "link.jpg")] == [None, None]
    inside = Folder(root / "album" / "kept" / "ab")
    if own != "MEDIA_ROOT":
        assert [found.path for found in inside] == [kept], "who names a folder in it means it"


def test_backups_on_a_disk_that_is_imported_are_left_out(tmp_path: Path) -> None:
    root = tmp_path / "usb"
    kept = root / "backups" / "files" / "ab" / "of-bob.jpg"
    kept.parent.mkdir(parents=True)
    kept.write_bytes(scene_bytes(seed=1))
    (root / "backups" / BACKUPS).touch()
    folder = Folder(root)
    assert [*folder, folder.find(kept)] == [None]
    assert folder.skipped == [f"backups: holds {BACKUPS}, which asks to be left out"]


@pytest.mark.parametrize("is_in_place", [False, True], ids=["copied", "in place"])
def test_a_link_to_itself_ends_no_import(cast: Cast, folder: Path, is_in_place: bool) -> None:
    (folder / "itself.jpg").symlink_to("itself.jpg")
    totals = run(cast, folder, is_in_place=is_in_place)
    assert totals.counts[Outcome.NEW] == 3
    assert "itself.jpg: not a file." in totals.unsupported


@pytest.mark.parametrize("at", [1e12, -1e11])
@pytest.mark.parametrize("is_in_place", [False, True], ids=["copied", "in place"])
def test_a_time_that_no_calendar_has_ends_no_import(cast: Cast, at: float, is_in_place: bool) -> None:
    with TemporaryDirectory(dir="/dev/shm") as there:  # most disks cannot keep such a time
        for seed, name in enumerate(("a.jpg", "z.jpg")):
            Path(there, name).write_bytes(scene_bytes(seed=seed))
        os.utime(Path(there, "a.jpg"), (at, at))
        totals = run(cast, Path(there), is_in_place=is_in_place)
    words = "its time is outside of the years 1678 to 2262. Set it (touch), or import without --in-place."
    assert totals.failed == ([f"a.jpg: {words}"] if is_in_place else [])
    taken = MediaItem.objects.filter(original_name="a.jpg").values_list("file_modified_at", flat=True)
    assert list(taken) == ([] if is_in_place else [None])
    assert MediaItem.objects.filter(original_name="z.jpg").exists()


def test_in_place_below_a_folder_whose_name_is_no_utf8_each_file_says_so(cast: Cast, folder: Path) -> None:
    root = folder.rename(os.fsdecode(os.fsencode(folder) + b"-caf\xe9"))
    totals = run(cast, root, is_in_place=True)
    assert "a.jpg: its path is not valid UTF-8. Rename it, or import without --in-place." in totals.failed
    assert run(cast, root).counts[Outcome.NEW] == 3


def test_stopping_ends_after_the_file_at_hand(cast: Cast, folder: Path) -> None:
    options = ImportOptions(cast.alice, folder)
    totals = import_folder(options, progress=lambda path, words: options.stop.set())
    assert totals.counts.total() == MediaItem.objects.count() == 1
    assert MediaItem.objects.get().preview_status == Preview.READY


def test_links_out_of_the_folder_are_not_followed(cast: Cast, folder: Path) -> None:
    (folder.parent / "secret.jpg").write_bytes(scene_bytes(seed=9))
    (folder / "link.jpg").symlink_to(folder.parent / "secret.jpg")
    (folder / "inner.jpg").symlink_to(folder / "a.jpg")
    totals = run(cast, folder)
    assert counts(totals) == {Outcome.NEW: 3, Outcome.KNOWN: 2}


def test_a_folder_that_asks_to_be_left_out_is(cast: Cast, folder: Path) -> None:
    (folder / "2024" / ".nomedia").touch()
    totals = run(cast, folder)
    assert names(totals.left_out) == ["2024"]
    assert counts(totals) == {Outcome.NEW: 3}


def test_folders_become_albums_when_asked_for(cast: Cast, folder: Path) -> None:
    run(cast, folder, has_folder_albums=True, album=cast.shared)
    titles = {album.title: album.items.count() for album in Album.objects.all()}
    assert titles == {"Holiday": 3, "camera": 3, "2024": 1}


@pytest.mark.parametrize("name", ["a.jpg.xmp", "a.xmp", "a.jpg.XMP"])
def test_a_sidecar_speaks_and_is_kept(cast: Cast, folder: Path, name: str) -> None:
    (folder / name).write_text(XMP.format(rating=4, title="By the sea"))
    totals = run(cast, folder)
    item = MediaItem.objects.get(original_name="a.jpg")
    assert (item.rating, item.title) == (4, "By the sea")
    assert [path.read_text() for path in sidecars_of(item)] == [(folder / name).read_text()]
    assert not any("xmp" in line.lower() for line in totals.unsupported)


def test_a_corrected_sidecar_replaces_what_the_older_one_said(cast: Cast, folder: Path) -> None:
    sidecar = folder / "a.jpg.xmp"
    sidecar.write_text(XMP.format(rating=4, title="Wrong"))
    os.utime(sidecar, (1e9, 1e9))
    run(cast, folder)
    item = MediaItem.objects.get(original_name="a.jpg")
    ItemTag.objects.create(item=item, tag=Tag.objects.create(name="of alice"), source=ItemTag.Source.PERSON)
    sidecar.write_text(XMP.format(rating=2, title="Right"))
    run(cast, folder)

    item.refresh_from_db()
    assert (item.title, item.rating, item.preview_status) == ("Right", 2, Preview.READY)
    assert sorted(item.tags.values_list("name", flat=True)) == ["of alice", "right"]
    assert [path.read_text() for path in sidecars_of(item)] == [sidecar.read_text()]


def test_a_newer_sidecar_is_read_again_and_words_of_people_stay(cast: Cast, folder: Path) -> None:
    sidecar = folder / "a.jpg.xmp"
    sidecar.write_text(XMP.format(rating=4, title="By the sea"))
    os.utime(sidecar, (1e9, 1e9))
    run(cast, folder)
    MediaItem.objects.filter(original_name="a.jpg").update(title="Written by alice")
    sidecar.write_text(XMP.format(rating=2, title="In the hills"))

    totals = run(cast, folder)

    item = MediaItem.objects.get(original_name="a.jpg")
    assert (item.rating, item.title, item.preview_status) == (2, "Written by alice", Preview.READY)
    assert counts(totals) == {Outcome.KNOWN: 4}


def test_a_sidecar_that_cannot_be_read_costs_nobody_the_photo(cast: Cast, folder: Path) -> None:
    (folder / "a.jpg.xmp").symlink_to(folder / "nowhere.xmp")
    totals = run(cast, folder)
    assert totals.failed == ["a.jpg: was taken, but its sidecar was not (No such file or directory)."]
    assert MediaItem.objects.get(original_name="a.jpg").preview_status == Preview.READY


@pytest.mark.parametrize("name", ["a.jpg.xmp", "a.jpg.json", "metadata.json"])
def test_a_pipe_beside_a_photo_is_not_waited_for(cast: Cast, folder: Path, name: str) -> None:
    os.mkfifo(folder / name)
    totals = run(cast, folder)
    assert (counts(totals), totals.failed) == ({Outcome.NEW: 3, Outcome.KNOWN: 1}, [])


def test_a_kept_sidecar_is_readable_like_any_file(cast: Cast, folder: Path) -> None:
    (folder / "a.jpg.xmp").write_text(XMP.format(rating=4, title="By the sea"))
    (folder / "any").touch()
    run(cast, folder)
    (kept,) = sidecars_of(MediaItem.objects.get(original_name="a.jpg"))
    assert kept.stat().st_mode == (folder / "any").stat().st_mode


def test_a_folder_of_an_odd_name_becomes_an_album(cast: Cast, folder: Path) -> None:
    (folder / "2024").rename(folder / "\udcff 2024")
    run(cast, folder, has_folder_albums=True)
    assert Album.objects.filter(title="? 2024").exists()


def test_two_owners_of_one_photo_keep_their_own_sidecars(cast: Cast, folder: Path) -> None:
    (folder / "a.jpg.xmp").write_text(XMP.format(rating=4, title="By the sea"))
    run(cast, folder)
    (folder / "a.jpg.xmp").unlink()
    import_folder(ImportOptions(cast.bob, folder))
    assert MediaItem.objects.get(owner=cast.bob, original_name="a.jpg").title == ""


def test_takeout_albums_dates_and_trash(cast: Cast, tmp_path: Path) -> None:
    photos = tmp_path / "Takeout" / "Google Photos"
    year, summer = photos / "Fotos von 2019", photos / "Summer"
    for here in (year, summer):
        here.mkdir(parents=True)
        (here / "IMG_1.jpg").write_bytes(scene_bytes(seed=1))
        stated = {"title": "IMG_1.jpg", "photoTakenTime": {"timestamp": "1563974400"}, "description": "Ice cream"}
        (here / "IMG_1.jpg.supplemental-metadata.json").write_text(json.dumps(stated))
    (year / "IMG_2.jpg").write_bytes(scene_bytes(seed=2))
    trashed = {"title": "IMG_2.jpg", "photoTakenTime": {"timestamp": "1563974400"}, "trashed": True}
    (year / "IMG_2.jpg.json").write_text(json.dumps(trashed))
    (summer / "métadonnées.json").write_text(json.dumps({"title": "Été 2019 à la mer", "access": "protected"}))

    totals = run(cast, tmp_path / "Takeout")

    item = MediaItem.objects.get()
    assert counts(totals) == {Outcome.NEW: 1, Outcome.KNOWN: 1}
    assert names(totals.left_out) == ["Google Photos/Fotos von 2019/IMG_2.jpg"]
    assert totals.unsupported == []
    assert [album.title for album in item.albums.all()] == ["Été 2019 à la mer"]
    assert item.description == "Ice cream"
    assert item.taken_at is not None
    assert item.taken_at.timestamp() == 1563974400


@pytest.mark.parametrize(
    ("stated", "title"),
    [
        ({"title": "By the sea 2019", "access": "protected"}, "By the sea 2019"),
        ({"albumData": {"title": "Old export", "date": {}}}, "Old export"),
        ({"title": "Photos from 2019", "date": {}}, ""),
        ({"title": "Fotos von 2019", "date": {}}, ""),
        ({"title": "Photos de 2019", "date": {}}, ""),
        ({"title": "2019-07-24 #2", "date": {}}, ""),
        ({"title": "  ", "access": ""}, ""),
        ({"title": ["no text"], "access": ""}, ""),
        ({"title": "A program's file"}, ""),
        ({"title": "IMG_1.jpg", "date": {}, "photoTakenTime": {}}, ""),
        ([], ""),
    ],
)
def test_which_json_names_an_album(tmp_path: Path, stated: object, title: str) -> None:
    (tmp_path / "a.jpg").touch()
    (tmp_path / "broken.json").write_text("{")
    (tmp_path / "metadaten.json").write_text(json.dumps(stated))
    assert [found.takeout_title for found in Folder(tmp_path)] == [title]
