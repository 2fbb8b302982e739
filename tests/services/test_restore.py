"""Restoring: what comes back, what is refused and in which words, and that nothing is lost on the way."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection, connections
from django.db.migrations.recorder import MigrationRecorder

from album.exceptions import BackupError, StorageError
from album.models import MediaItem
from album.preparation.sidecars import sidecar_path
from album.services.backup import shelf, status
from album.services.backup.make import BackupOptions, make_backup
from album.services.backup.manifest import read_manifest, write_manifest
from album.services.backup.restore import restore_backup
from album.services.backup.shelf import Backup, find_backup
from album.services.fsck import FsckOptions, check_library
from album.tasks import housekeeping
from tests.services.test_backup import make_photo, rewrite

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(
        connection.vendor != "sqlite", reason="replaces the file of the database; tests/faults has PostgreSQL"
    ),
]


@pytest.fixture
def photo(alice: User) -> MediaItem:
    return make_photo(alice, 1)


@pytest.fixture
def backup(photo: MediaItem, root: Path) -> Backup:
    sidecar = sidecar_path(photo.sha256, photo.owner_id, ".xmp")
    sidecar.parent.mkdir(parents=True)
    sidecar.write_text("words")
    make_backup(root)
    return find_backup(root)


def lose_everything(settings) -> None:
    """The library is gone, and its database too, as on a new machine."""
    connections.close_all()
    for path in Path(settings.MEDIA_ROOT).rglob("*"):
        if path.is_file():
            path.unlink()
    with closing(sqlite3.connect(connection.settings_dict["NAME"])) as database:
        database.execute("DELETE FROM album_mediaitem")
        database.execute("DELETE FROM auth_user")
        database.commit()


def test_what_was_lost_comes_back(backup: Backup, photo: MediaItem, settings) -> None:
    content, modified_ns = photo.path.read_bytes(), photo.path.stat().st_mtime_ns
    lose_everything(settings)
    report = restore_backup(backup)
    assert (report.files, report.brought, report.restore_point) == (2, 2, None)
    item = MediaItem.objects.get()
    assert (item.sha256, item.path.read_bytes()) == (photo.sha256, content)
    assert (item.path.stat().st_mode & 0o777, item.path.stat().st_mtime_ns) == (0o440, modified_ns)
    assert sidecar_path(photo.sha256, photo.owner_id, ".xmp").read_text() == "words"
    assert check_library(FsckOptions(repairs_renditions=False)).findings == []
    assert item.owner.username == "alice"


@pytest.mark.usefixtures("other_disk")
def test_the_same_from_another_disk(alice: User, root: Path, settings) -> None:
    photo = make_photo(alice, 1)
    make_backup(root)
    content, modified_ns = photo.path.read_bytes(), photo.path.stat().st_mtime_ns
    lose_everything(settings)
    restore_backup(find_backup(root))
    assert (photo.path.read_bytes(), photo.path.stat().st_mtime_ns) == (content, modified_ns)
    assert photo.path.stat().st_mode & 0o777 == 0o440


def test_a_library_that_is_here_is_replaced_only_by_force_and_its_database_kept(
    backup: Backup, photo: MediaItem, alice: User
) -> None:
    MediaItem.objects.update(title="renamed since")
    later = make_photo(alice, 2)
    with pytest.raises(CommandError, match=r"There is a library here already.*--force"):
        call_command("restore", backup.folder)
    assert MediaItem.objects.count() == 2

    report = restore_backup(backup, is_forced=True)

    assert list(MediaItem.objects.values_list("title", flat=True)) == [""]
    assert later.path.exists(), "fsck makes an item of it"
    assert report.restore_point is not None
    restore_backup(find_backup(report.restore_point), is_forced=True)
    assert sorted(MediaItem.objects.values_list("title", flat=True)) == ["", "renamed since"]


def test_a_damaged_original_in_the_library_is_replaced_by_the_whole_one(
    alice: User, root: Path, other_disk: None
) -> None:
    photo = make_photo(alice, 1)
    whole = photo.path.read_bytes()
    make_backup(root)
    rewrite(photo.path, b"x" * len(whole))
    assert restore_backup(find_backup(root), is_forced=True).brought == 1
    assert photo.path.read_bytes() == whole


def test_one_changed_bit_and_nothing_is_touched(alice: User, root: Path, other_disk: None) -> None:
    photo = make_photo(alice, 1)
    make_backup(root)
    copy = root / "files" / photo.sha256[:2] / photo.path.name
    rewrite(copy, copy.read_bytes()[:-1] + bytes([copy.read_bytes()[-1] ^ 1]))
    photo.path.unlink()
    MediaItem.objects.update(title="now")
    with pytest.raises(BackupError, match="is damaged: its content has changed"):
        restore_backup(find_backup(root), is_forced=True)
    assert MediaItem.objects.get().title == "now" and not photo.path.exists()


def test_a_backup_of_a_newer_album_is_refused(backup: Backup, monkeypatch: pytest.MonkeyPatch) -> None:
    older = shelf.known_migrations() - {"album.0005_cache_table"}
    monkeypatch.setattr(shelf, "known_migrations", lambda: older)
    with pytest.raises(
        BackupError, match=r"newer album .* unknown here: album\.0005_cache_table\. Install that version"
    ):
        restore_backup(backup, is_forced=True)


def test_an_older_backup_is_brought_forward(photo: MediaItem, root: Path) -> None:
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE album_cache")
        cursor.execute("DELETE FROM django_migrations WHERE app = 'album' AND name = '0005_cache_table'")
    make_backup(root)
    restore_backup(find_backup(root), is_forced=True)
    assert "album_cache" in connection.introspection.table_names()
    assert MediaItem.objects.get().sha256 == photo.sha256


def test_a_migration_that_fails_leaves_the_database_as_it_was(backup: Backup, root: Path) -> None:
    step = {"app": "album", "name": "0002_ingest"}  # what it wants to make is there already
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app = %(app)s AND name = %(name)s", step)
    make_backup(root)
    MigrationRecorder(connection).record_applied(**step)
    MediaItem.objects.update(title="now")
    with pytest.raises(
        BackupError, match="The migration of the restored database failed, the one before is in place"
    ):
        restore_backup(find_backup(root), is_forced=True)
    assert MediaItem.objects.get().title == "now"
    assert not list(Path(connection.settings_dict["NAME"]).parent.glob("*.restoring*"))


def test_a_database_in_use_is_not_replaced(backup: Backup) -> None:
    with closing(sqlite3.connect(connection.settings_dict["NAME"])) as other:
        other.execute("SELECT count(*) FROM auth_user").fetchall()
        with pytest.raises(BackupError, match=r"in use.*Stop the album first"):
            restore_backup(backup, is_forced=True)


def test_a_database_that_cannot_be_read_is_set_aside_and_replaced(backup: Backup, photo: MediaItem) -> None:
    connections.close_all()
    path = Path(connection.settings_dict["NAME"])
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA journal_mode=DELETE")
    damaged = path.read_bytes()[:100] + b"\\xff" * 40_000
    path.write_bytes(damaged)

    report = restore_backup(backup, is_forced=True)

    assert MediaItem.objects.get().sha256 == photo.sha256
    assert report.restore_point is not None and report.restore_point.read_bytes() == damaged


def test_a_backup_of_another_kind_of_database_is_refused(backup: Backup) -> None:
    manifest = read_manifest(backup.folder)
    header = replace(manifest.header, engine="postgresql")
    write_manifest(backup.folder, replace(manifest, header=header))
    with pytest.raises(BackupError, match="is of postgresql, and DATABASE_URL names sqlite"):
        restore_backup(backup)


def test_an_interrupted_backup_is_none(backup: Backup, root: Path) -> None:
    partial = backup.folder.rename(root / "000009-2026-11-21-full.partial")
    with pytest.raises(CommandError, match="interrupted and is not whole"):
        call_command("restore", partial)
    with pytest.raises(CommandError, match="there is no complete backup"):
        call_command("restore", root)


def test_the_key_comes_back_only_if_wanted_and_saved(backup: Backup, root: Path, settings) -> None:
    with pytest.raises(BackupError, match="holds no secrets"):
        restore_backup(backup, is_forced=True, with_secrets=True)
    key = settings.VAR_DIR / "secret_key"
    key.write_text("k3y")
    make_backup(root, BackupOptions(with_secrets=True))
    key.unlink()
    restore_backup(find_backup(root), is_forced=True)
    assert not key.exists()
    restore_backup(find_backup(root), is_forced=True, with_secrets=True)
    assert (key.read_text(), key.stat().st_mode & 0o777) == ("k3y", 0o600)


def test_a_key_that_was_saved_as_a_setting_is_named(
    backup: Backup, root: Path, tmp_path: Path, monkeypatch
) -> None:
    (tmp_path / "settings").write_text("SECRET_KEY=k3y\n")
    monkeypatch.setenv("PHOTO_ALBUM_ENV_FILE", str(tmp_path / "settings"))
    make_backup(root, BackupOptions(with_secrets=True))
    with pytest.raises(BackupError, match="SECRET_KEY stands in secrets/env"):
        restore_backup(find_backup(root), is_forced=True, with_secrets=True)


def test_a_link_planted_in_the_folder_is_not_followed(root: Path, tmp_path: Path) -> None:
    root.mkdir(exist_ok=True)
    (root / ".photo-album-backups").unlink(missing_ok=True)
    (root / ".photo-album-backups").symlink_to(tmp_path / "made by root")
    with pytest.raises(StorageError):
        make_backup(root, BackupOptions(folders=()))
    assert not (tmp_path / "made by root").exists()


def test_a_library_is_made_beside_this_one(backup: Backup, photo: MediaItem, tmp_path: Path) -> None:
    beside = tmp_path / "another library"
    call_command("restore", backup.folder, "--into", beside, "--no-progress")
    assert (beside / "media" / str(photo.original)).read_bytes() == photo.path.read_bytes()
    with closing(sqlite3.connect(beside / "photo_album.sqlite3")) as database:
        assert database.execute("SELECT sha256 FROM album_mediaitem").fetchall() == [(photo.sha256,)]
    with pytest.raises(CommandError, match=r"was not made: There is a library here already"):
        call_command("restore", backup.folder, "--into", beside, "--no-progress")


def test_a_drill_that_fails_says_why_and_is_kept_for_the_status_page(
    alice: User, settings, other_disk: None, caplog: pytest.LogCaptureFixture
) -> None:
    assert "there is no complete backup" in housekeeping.restore_drill()["failed"]
    photo = make_photo(alice, 1)
    make_backup(settings.BACKUP_DIR)
    (settings.BACKUP_DIR / "files" / photo.sha256[:2] / photo.path.name).unlink()
    caplog.clear()
    assert f"{photo.path.name} is missing" in housekeeping.restore_drill()["failed"]
    assert "The restore drill failed: It could not be restored" in caplog.text
    assert status.last_drill()["is_passed"] is False
    assert not (settings.BACKUP_DIR / "drill").exists()
