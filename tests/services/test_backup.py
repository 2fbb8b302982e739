"""Backups: what is in them, what a second one costs, and what is said when something is not as it should be."""

from __future__ import annotations

import errno
import io
import json
import os
import shutil
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone
from PIL import Image

from album import disk
from album.exceptions import BackupError, StorageError, StorageFull
from album.models import MediaItem
from album.preparation.sidecars import sidecar_path
from album.services.backup import collect, make, shelf, status, transfer
from album.services.backup.make import BackupOptions, make_backup
from album.services.backup.manifest import NAME, read_manifest
from album.services.backup.shelf import find_backup, find_backups, verify_backup
from album.services.ingest import ingest_upload
from album.tasks import housekeeping

pytestmark = pytest.mark.django_db(transaction=True)
DATABASE_ONLY = BackupOptions(folders=())


def make_photo(owner: User, shade: int) -> MediaItem:
    file = io.BytesIO()
    Image.new("L", (8, 8), shade).save(file, "PNG")
    file.seek(0)
    return ingest_upload(owner=owner, file=file, name=f"shade-{shade}.png").item


def stored(root: Path, item: MediaItem) -> Path:
    return root / "files" / item.sha256[:2] / item.path.name


def backups_of(root: Path) -> list[str]:
    return [backup.folder.name for backup in find_backups(root)]


def rewrite(path: Path, content: bytes) -> None:
    path.chmod(0o600)
    path.write_bytes(content)


def test_the_backup_holds_what_the_manifest_says(alice: User, root: Path) -> None:
    photo = make_photo(alice, 1)
    report = make_backup(root)
    assert (report.files, report.new_files, report.findings) == (1, 1, [])
    manifest = verify_backup(find_backup(root))
    assert [entry.path for entry in manifest.entries] == [photo.original.name]
    assert manifest.header.tables["album_mediaitem"] == manifest.header.tables["auth_user"] == 1
    assert "album.0001_initial" in manifest.header.migrations
    assert stored(root, photo).samefile(photo.path), "on one disk a photo is not copied"
    with closing(sqlite3.connect(report.folder / "database.sqlite3")) as copy:
        assert copy.execute("SELECT sha256 FROM album_mediaitem").fetchall() == [(photo.sha256,)]
    assert (report.folder / "database.sqlite3").stat().st_mode & 0o077 == 0, "its rows are nobody's business"


@pytest.mark.usefixtures("other_disk")
def test_the_second_backup_reads_only_what_is_new(alice: User, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = make_photo(alice, 1)
    make_backup(root)
    assert not stored(root, first).samefile(first.path)
    read: list[Path] = []

    def fetch(source: Path, folder: Path) -> tuple[str, Path]:
        read.append(source)
        return transfer.fetch(source, folder)

    monkeypatch.setattr(collect, "fetch", fetch)
    second = make_photo(alice, 2)
    report = make_backup(root)
    assert (report.files, report.new_files, read) == (2, 1, [second.path])
    assert len(verify_backup(find_backup(root)).entries) == 2


@pytest.mark.usefixtures("other_disk")
def test_a_photo_that_was_deleted_stays_in_the_earlier_backup_until_that_goes(alice: User, root: Path) -> None:
    gone, kept = make_photo(alice, 1), make_photo(alice, 2)
    make_backup(root)
    path = gone.path
    gone.delete()
    path.unlink()
    make_backup(root)
    assert [len(verify_backup(backup).entries) for backup in find_backups(root)] == [2, 1]
    assert make_backup(root, BackupOptions(keep=2)).removed == 1
    assert not stored(root, gone).exists() and stored(root, kept).exists()


def test_a_newer_sidecar_is_a_content_of_its_own(alice: User, root: Path) -> None:
    photo = make_photo(alice, 1)
    sidecar = sidecar_path(photo.sha256, alice.pk, ".xmp")
    sidecar.parent.mkdir(parents=True)
    for words in ("one", "two"):
        sidecar.with_suffix(".new").write_text(words)
        sidecar.with_suffix(".new").replace(sidecar)
        make_backup(root)
    found = []
    for backup in find_backups(root):
        manifest = verify_backup(backup)
        found += [(root / one.stored).read_text() for one in manifest.entries if one.path.endswith(".xmp")]
    assert found == ["one", "two"]


def test_others_write_while_the_database_is_copied(alice: User, root: Path) -> None:
    """Whatever the copy holds, it is one moment: the same number in both rows, in each of ten copies."""
    make_photo(alice, 1)
    bob, ended, written = User.objects.create_user("bob"), threading.Event(), threading.Event()
    database = connection.settings_dict["NAME"]

    def write() -> None:
        with closing(sqlite3.connect(database, timeout=20, isolation_level=None)) as other:
            number = 0
            while not ended.is_set():
                number += 1
                other.execute("BEGIN IMMEDIATE")
                for person in (alice.pk, bob.pk):
                    other.execute("UPDATE auth_user SET last_name = ? WHERE id = ?", [str(number), person])
                other.execute("COMMIT")
                written.set()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        assert written.wait(10)
        for _ in range(10):
            folder = make_backup(root, DATABASE_ONLY).folder
            with closing(sqlite3.connect(folder / "database.sqlite3")) as copy:
                assert copy.execute("SELECT count(DISTINCT last_name) FROM auth_user").fetchone() == (1,)
    finally:
        ended.set()
        writer.join()


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (lambda path: rewrite(path, bytes([path.read_bytes()[0] ^ 1]) + path.read_bytes()[1:]), "is damaged"),
        (lambda path: rewrite(path, path.read_bytes()[:-1]), "is cut off"),
        (Path.unlink, "is missing"),
    ],
    ids=["one bit", "cut off", "missing"],
)
@pytest.mark.parametrize("what", ["photo", "database"])
@pytest.mark.usefixtures("other_disk")
def test_what_has_changed_in_a_backup_is_told_by_name(
    alice: User, root: Path, what: str, harm: Callable[[Path], None], words: str
) -> None:
    photo = make_photo(alice, 1)
    folder = make_backup(root).folder
    harmed = stored(root, photo) if what == "photo" else folder / "database.sqlite3"
    harm(harmed)
    with pytest.raises(CommandError, match=rf"1 of 2 files are not as they were[^$]*{harmed.name} {words}"):
        call_command("restore", root, "--verify-only")


@pytest.mark.usefixtures("other_disk")
def test_what_has_changed_in_the_folder_is_brought_again_if_it_is_reread(alice: User, root: Path) -> None:
    kept, gone = make_photo(alice, 1), make_photo(alice, 2)
    older = make_backup(root).folder
    for photo in (kept, gone):
        whole = stored(root, photo).read_bytes()
        rewrite(stored(root, photo), bytes([whole[0] ^ 1]) + whole[1:])
    with pytest.raises(BackupError, match=f"manage.py backup {root} --reread brings again what the library has"):
        verify_backup(find_backup(root))
    gone.path.unlink()
    with pytest.raises(CommandError, match="with 2 findings"):
        call_command("backup", root, "--reread")

    assert stored(root, kept).read_bytes() == kept.path.read_bytes()
    assert [entry.sha256 for entry in verify_backup(find_backup(root)).entries] == [kept.sha256]
    with pytest.raises(BackupError, match="1 of 3 files"):
        verify_backup(find_backup(older))
    assert stored(root, gone).exists(), "what may be all that is left of it is not removed"


def test_a_manifest_that_was_cut_off_or_changed_is_no_manifest(alice: User, root: Path) -> None:
    make_photo(alice, 1)
    manifest = make_backup(root).folder / NAME
    whole = manifest.read_bytes()
    for damaged in (
        whole[:-9],
        b"",
        whole.replace(b"shade", b"shape").replace(b'"size_bytes":', b'"size_bytes":1', 1),
    ):
        rewrite(manifest, damaged)
        with pytest.raises(BackupError, match="is damaged or cut off"):
            read_manifest(manifest.parent)


def test_a_damaged_manifest_of_an_older_backup_is_a_finding_of_the_new_one(alice: User, root: Path) -> None:
    gone = make_photo(alice, 1)
    make_backup(root)
    gone.path.unlink()
    gone.delete()
    damaged = make_backup(root).folder
    rewrite(damaged / NAME, b"rotten")
    report = make_backup(root, BackupOptions(keep=2))
    assert f"{damaged / NAME} is damaged" in report.findings[-1]
    assert "Until that folder is removed, files that no backup needs any more stay" in report.findings[-1]
    known = status.last_backup()
    assert (known["folder"], known["findings"], "problem" in known) == (str(report.folder), 2, False)
    assert stored(root, gone).exists(), "the damaged one may need it"

    shutil.rmtree(damaged)
    make_backup(root)
    assert make_backup(root, BackupOptions(keep=2)).findings == []
    assert not stored(root, gone).exists()


def test_a_disk_that_fails_while_older_backups_are_removed_takes_nothing_from_the_new_one(
    alice: User, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_photo(alice, 1)

    def fail(*_: object) -> int:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(shelf, "prune", fail)
    with pytest.raises(StorageError, match="the new backup is made, older ones are not removed"):
        make_backup(root, BackupOptions(keep=2))
    assert status.last_backup()["folder"] == str(find_backup(root).folder)
    assert "the new backup is made" in status.last_backup()["problem"]


@pytest.mark.parametrize("path", ["../../etc/passwd", "/etc/passwd", "originals/../../x"])
def test_a_manifest_that_leads_out_of_the_library_is_refused(root: Path, path: str, db: None) -> None:
    folder = make_backup(root).folder
    lines = (folder / NAME).read_bytes().splitlines(keepends=True)[:-1]
    lines.append(json.dumps({"path": path, "sha256": "0" * 64, "size_bytes": 1, "modified_ns": 1}).encode() + b"\n")
    end = {"files": len(lines) - 1, "sha256": sha256(b"".join(lines)).hexdigest()}
    (folder / NAME).write_bytes(b"".join(lines) + json.dumps({"end": end}).encode() + b"\n")
    with pytest.raises(BackupError, match="no path and hash of a backup"):
        read_manifest(folder)


def test_a_damaged_or_missing_original_is_a_finding_and_the_earlier_copy_is_kept(
    alice: User, root: Path, capsys: pytest.CaptureFixture[str], other_disk: None
) -> None:
    kept, damaged, never = make_photo(alice, 1), make_photo(alice, 2), make_photo(alice, 3)
    make_backup(root)
    stored(root, never).unlink()
    rewrite(damaged.path, b"x" * damaged.size_bytes)
    kept.path.unlink()
    never.path.unlink()
    with pytest.raises(CommandError, match="with 3 findings") as error:
        call_command("backup", root)
    assert error.value.returncode == 1
    told = capsys.readouterr().err
    assert f"{damaged.original.name}: damaged, its content is not what came in; the whole copy" in told
    assert f"{kept.original.name}: missing from the library; the copy of an earlier backup is in" in told
    assert f"{never.original.name}: missing, or deleted" in told
    entries = {entry.path: entry.sha256 for entry in verify_backup(find_backup(root)).entries}
    assert entries == {one.original.name: one.sha256 for one in (kept, damaged)}


def test_a_backup_that_does_not_fit_is_refused_before_anything_is_written(
    alice: User, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_photo(alice, 1)
    make_backup(root)
    monkeypatch.setattr(transfer, "SPARE_BYTES", 1 << 60)
    with pytest.raises(CommandError, match=r"storage full, .* MB are needed") as error:
        call_command("backup", root)
    assert error.value.returncode == 2
    assert len(backups_of(root)) == 1 and not list(root.glob("*.partial"))
    assert "storage full" in status.last_backup()["problem"]
    assert status.last_backup()["kind"] == "full", "what is known of the last good one stays"


@pytest.mark.usefixtures("other_disk")
def test_a_disk_that_is_full_in_the_middle_gets_back_what_was_brought(
    alice: User, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = make_photo(alice, 1)
    make_backup(root)
    make_photo(alice, 2)
    make_photo(alice, 3)
    brought = 0

    def settle(part: Path, target: Path) -> None:
        nonlocal brought
        brought += 1
        if brought == 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        transfer.settle(part, target)

    monkeypatch.setattr(collect, "settle", settle)
    with pytest.raises(StorageFull, match="no backup was made"):
        make_backup(root)
    assert [path.name for path in (root / "files").glob("??/*")] == [stored(root, first).name]
    assert len(backups_of(root)) == 1 and not list(root.glob("*.partial"))
    monkeypatch.undo()
    assert len(verify_backup(find_backup(root)).entries) == 1


@pytest.mark.usefixtures("other_disk")
def test_a_full_disk_takes_nothing_from_an_earlier_backup(
    alice: User, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo = make_photo(alice, 1)
    make_backup(root)
    os.utime(photo.path)  # so it is read again, and found to be what is there already

    def full(*_arguments: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(make, "write_manifest", full)
    with pytest.raises(StorageFull):
        make_backup(root)
    assert len(verify_backup(find_backup(root)).entries) == 1


def test_an_original_that_cannot_be_read_does_not_stop_the_others(
    alice: User, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad, good = make_photo(alice, 1), make_photo(alice, 2)

    def failing(read: Callable[..., str]) -> Callable[..., str]:
        def fail(path: Path, *more: Path) -> str:
            if path == bad.path:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            return read(path, *more)

        return fail

    monkeypatch.setattr(collect, "hash_file", failing(disk.hash_file))
    monkeypatch.setattr(transfer, "_copied", failing(transfer._copied))
    monkeypatch.setattr(transfer, "_is_linked", lambda source, target: False)
    report = make_backup(root)
    assert f"{bad.original.name}: cannot be read (Input/output error). Check the disk." in report.findings
    assert [entry.path for entry in verify_backup(find_backup(root)).entries] == [good.original.name]


@pytest.mark.parametrize("name", [b"caf\xe9.jpg", b"a." + 240 * b"b"], ids=["no UTF-8", "too long"])
def test_a_stray_file_whose_name_no_backup_can_hold_is_passed_over(
    alice: User, root: Path, settings, name: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    photo = make_photo(alice, 1)
    Path(settings.MEDIA_ROOT, "originals", os.fsdecode(name)).write_bytes(b"words")
    with pytest.raises(CommandError, match="The backup is made, with 1 findings"):
        call_command("backup", root)
    shown = name.decode(errors="replace").replace("\ufffd", "?")
    assert f"originals/{shown}: no file of this album, and not in the backup" in capsys.readouterr().err
    assert [entry.path for entry in verify_backup(find_backup(root)).entries] == [photo.original.name]
    assert status.last_backup()["findings"] == 1


def test_a_disk_that_is_not_mounted_is_not_taken_for_a_new_one(alice: User, root: Path) -> None:
    make_photo(alice, 1)
    make_backup(root)
    root.rename(root.with_name("unplugged"))
    root.mkdir()
    with pytest.raises(BackupError, match="its disk is not mounted"):
        make_backup(root)
    assert list(root.iterdir()) == []
    assert make_backup(root, BackupOptions(is_new_place=True)).files == 1


def test_a_library_that_is_not_mounted_makes_no_empty_backup(alice: User, root: Path, settings) -> None:
    make_photo(alice, 1)
    Path(settings.MEDIA_ROOT, ".photo-album").unlink()
    with pytest.raises(StorageError, match="storage missing"):
        make_backup(root)
    assert make_backup(root, DATABASE_ONLY).files == 0, "the database is there"


def test_no_backup_goes_into_the_library(settings, db: None) -> None:
    with pytest.raises(BackupError, match="lies within the library"):
        make_backup(Path(settings.MEDIA_ROOT) / "backups")


def test_two_backups_at_once_do_not_mix(root: Path, db: None) -> None:
    with shelf.locked(root), pytest.raises(BackupError, match="another backup or drill is working there"):
        make_backup(root)


def test_secrets_are_in_it_only_if_wanted(root: Path, settings, monkeypatch: pytest.MonkeyPatch, db: None) -> None:
    settings.VAR_DIR.mkdir(exist_ok=True)
    (settings.VAR_DIR / "secret_key").write_text("k3y")
    (root.parent / "settings.env").write_text("DATABASE_URL=secret")
    monkeypatch.setenv("PHOTO_ALBUM_ENV_FILE", str(root.parent / "settings.env"))
    assert not (make_backup(root, DATABASE_ONLY).folder / "secrets").exists()
    folder = make_backup(root, BackupOptions(folders=(), with_secrets=True)).folder
    kept = sorted((folder / "secrets").iterdir())
    assert [(path.name, path.read_text()) for path in kept] == [
        ("env", "DATABASE_URL=secret"),
        ("secret_key", "k3y"),
    ]
    assert [path.stat().st_mode & 0o777 for path in kept] == [0o600, 0o600]
    verify_backup(find_backup(folder))


def test_the_order_of_backups_survives_a_wrong_clock(root: Path, monkeypatch: pytest.MonkeyPatch, db: None) -> None:
    make_backup(root, DATABASE_ONLY)
    monkeypatch.setattr(timezone, "now", lambda: datetime(1970, 1, 1, tzinfo=UTC))
    for _ in range(2):
        make_backup(root, BackupOptions(folders=(), keep=2))
    assert [name[:6] for name in backups_of(root)] == ["000002", "000003"]


def test_the_database_is_backed_up_once_a_day_and_some_are_kept(settings, monkeypatch, db: None) -> None:
    settings.BACKUP_KEEP = 2
    now = timezone.now()
    assert housekeeping.backup_database()["removed"] == 0
    assert housekeeping.backup_database() == {"skipped": "today's is made"}
    for day in (1, 2):
        monkeypatch.setattr(timezone, "now", lambda: now + timedelta(days=day))  # noqa: B023 - used at once
        assert "folder" in housekeeping.backup_database()
    assert [name[:6] for name in backups_of(settings.BACKUP_DIR)] == ["000002", "000003"]
    assert status.last_backup()["folder"].endswith("-database")


def test_a_night_without_backup_stands_in_the_log_and_for_the_status_page(settings, caplog, db: None) -> None:
    settings.BACKUP_DIR = settings.VAR_DIR / "file" / "backups"
    settings.VAR_DIR.mkdir(parents=True, exist_ok=True)
    (settings.VAR_DIR / "file").touch()
    assert "the disk failed" in housekeeping.backup_database()["failed"]
    assert "No backup of the database" in caplog.text
    assert "the disk failed" in status.last_backup()["problem"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes files for others")
@pytest.mark.parametrize("is_linked", [True, False])
def test_what_root_backs_up_the_services_can_read_and_go_on_with(
    alice: User, root: Path, settings, monkeypatch: pytest.MonkeyPatch, is_linked: bool
) -> None:
    nobody = 65534
    photo = make_photo(alice, 1)
    os.chown(photo.path, nobody, nobody)
    if not is_linked:
        monkeypatch.setattr(transfer, "_is_linked", lambda source, target: False)
    root.mkdir()
    for folder in (root, settings.VAR_DIR):
        os.chown(folder, nobody, nobody)
    make_backup(root)
    made = [root, *root.rglob("*"), settings.VAR_DIR / "backups.json"]
    assert len(made) > 8
    assert [path for path in made if path.stat().st_uid != nobody] == []
