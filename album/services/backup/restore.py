"""The way back: everything is verified before anything is touched, and the database changes in one step."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.contrib.auth.models import User
from django.db import DatabaseError, connection, connections
from django.utils import timezone

from album.disk import sync, written_whole
from album.exceptions import AlbumError, BackupError, StorageError
from album.failpoints import failpoint
from album.media.storage import mark
from album.models import MediaItem
from album.preparation.sidecars import FOLDER as SIDECARS
from album.services.backup import database, postgresql
from album.services.backup.child import run_manage, sqlite_url
from album.services.backup.database import POSTGRESQL, SQLITE
from album.services.backup.make import KEY_PART, BackupOptions, make_backup
from album.services.backup.manifest import Entry, Header, Manifest, read_manifest
from album.services.backup.shelf import Backup, find_problem, known_migrations, verify_backup
from album.services.backup.transfer import READ_ONLY, Progress, fetch, make_folder, own_like, require_space, settle
from album.services.spool import ORIGINALS, storage_errors

RESTORE_POINTS = "restore-points"
STOP = "Stop the album first (sudo systemctl stop photo-album.target), then retry."
LEFT = "the database is as it was"


@dataclass(frozen=True, slots=True)
class RestoreReport:
    """``brought``: files that were not in the library. ``restore_point``: where the state before is kept."""

    header: Header
    files: int
    brought: int
    restore_point: Path | None


def restore_backup(
    backup: Backup,
    *,
    is_forced: bool = False,
    with_secrets: bool = False,
    progress: Progress = lambda size_bytes: None,
) -> RestoreReport:
    """What came back into this installation. Nothing is touched before the whole backup was read and found good.

    Files first, then the database, so that no row is without its file. Originals that are here and not in the
    backup stay: ``fsck`` makes items of them.

    Raises:
        BackupError: the backup is not whole, is of a newer album or another database, or this library is in use, or
            not empty and it is not ``is_forced``.
        StorageError: disk or database failed.
    """
    manifest = verify_backup(backup, progress=progress)
    if manifest.header.engine != connection.vendor:
        raise BackupError(
            f"{backup.folder} is of {manifest.header.engine}, and DATABASE_URL names {connection.vendor}."
        )
    try:
        with storage_errors(str(backup.folder), LEFT):
            restore_point = _prepare_place(backup, manifest, is_forced=is_forced)
            brought = _restore_files(backup, manifest)
            _restore_database(backup, manifest.header, restore_point)
            if with_secrets:
                _restore_secret_key(backup, manifest.header)
    except DatabaseError as error:
        raise StorageError(f"the database failed ({error}), {LEFT}. Retry later.") from error
    return RestoreReport(manifest.header, len(manifest.entries), brought, restore_point)


def _prepare_place(backup: Backup, manifest: Manifest, *, is_forced: bool) -> Path | None:
    """Where the state before is kept; None if there was nothing to keep."""
    is_empty = _is_empty()
    if not is_empty and not is_forced:
        raise BackupError(
            "There is a library here already. To put the backup in its place, add --force: the database as it is "
            "now is kept as a backup."
        )
    _require_unused()
    var, media = Path(settings.VAR_DIR), Path(settings.MEDIA_ROOT)
    make_folder(var)
    make_folder(media)
    require_space(var, 2 * manifest.header.database.size_bytes)
    if media.stat().st_dev != backup.root.stat().st_dev:
        missing = [entry for entry in manifest.entries if not (media / entry.path).exists()]
        require_space(media, sum(entry.size_bytes for entry in missing))
    return None if is_empty else _keep_state_before(manifest.header)


def _is_empty() -> bool:
    """True of an installation in which nobody has been yet. A database that cannot be read is not empty."""
    if any((Path(settings.MEDIA_ROOT) / ORIGINALS).glob("*/*")):
        return False
    if connection.vendor == SQLITE and not _database_path().exists():
        return True
    try:
        if MediaItem._meta.db_table not in connection.introspection.table_names():
            return True
        return not (MediaItem.objects.exists() or User.objects.exists())
    except DatabaseError:
        if connection.vendor == SQLITE:
            return False
        raise


def _require_unused() -> None:
    """Raises BackupError where another process has the database open: it would go on writing to the old one."""
    if connection.vendor == POSTGRESQL:
        if others := postgresql.other_sessions():
            raise BackupError(f"The database is in use by {', '.join(others)}. {STOP}")
        return
    connections.close_all()
    if not _database_path().exists():
        return
    try:
        with closing(sqlite3.connect(_database_path(), timeout=1)) as current:
            # Only who is alone with the file may do this. It also leaves one file, without a log beside it.
            current.execute("PRAGMA journal_mode=DELETE")
    except sqlite3.OperationalError as error:
        raise BackupError(f"The database is in use ({error}). {STOP}") from error
    except sqlite3.DatabaseError:
        return  # damaged: that may be why we are here


def _keep_state_before(header: Header) -> Path:
    """The backup of what is about to be replaced: the database and, if they are in the new one, the sidecars."""
    root = Path(settings.BACKUP_DIR) / RESTORE_POINTS
    folders = (SIDECARS,) if SIDECARS in header.folders else ()
    try:
        options = BackupOptions(folders=folders, keep=settings.BACKUP_KEEP, is_restore_point=True)
        return make_backup(root, options).folder
    except (AlbumError, DatabaseError):
        if connection.vendor != SQLITE or _is_readable():
            raise
        # It cannot be read, so it cannot be copied either: the file itself is kept.
        aside = _database_path().with_name(f"{_database_path().name}.damaged-{timezone.now():%Y%m%dT%H%M%S}")
        os.link(_database_path(), aside)
        return aside


def _is_readable() -> bool:
    connections.close_all()
    try:
        database.contents_of(_database_path())
    except BackupError:
        return False
    return True


def _restore_files(backup: Backup, manifest: Manifest) -> int:
    media = Path(settings.MEDIA_ROOT)
    brought = sum(_restore_file(backup, entry) for entry in manifest.entries)
    for folder in {(media / entry.path).parent for entry in manifest.entries}:
        sync(folder)
    if manifest.header.folders:
        mark(media)
    return brought


def _restore_file(backup: Backup, entry: Entry) -> bool:
    """True if the file was not here. One that is here with another content is replaced."""
    target = Path(settings.MEDIA_ROOT) / entry.path
    if not find_problem(target, entry.sha256, entry.size_bytes):
        return False
    is_original = entry.path.startswith(f"{ORIGINALS}/")
    # A sidecar gets a file of its own: its time counts, and another one of the same content may have another.
    digest, part = fetch(backup.root / entry.stored, target.parent, known=entry.sha256, may_link=is_original)
    if digest != entry.sha256:
        part.unlink()
        raise BackupError(
            f"{backup.root / entry.stored} has changed since it was verified. Check the disk and retry."
        )
    if part.stat().st_nlink == 1:
        part.chmod(READ_ONLY if is_original else 0o640)
        os.utime(part, ns=(entry.modified_ns, entry.modified_ns))
    settle(part, target)
    failpoint("restore-file")
    return True


def _restore_database(backup: Backup, header: Header, restore_point: Path | None) -> None:
    source = backup.folder / header.database.name
    if connection.vendor == SQLITE:
        with _staged(source) as staging:
            if database.contents_of(staging).tables != header.tables:
                raise BackupError(
                    f"{source}: its tables have other rows than when it was made. Use another backup."
                )
            _migrate(header, DATABASE_URL=sqlite_url(staging))
            failpoint("restore-database")
            _put_in_place(staging)
        return
    postgresql.load(source, header.tables)
    try:
        _migrate(header)
    except BackupError:
        if restore_point is not None:
            before = read_manifest(restore_point).header
            postgresql.load(restore_point / before.database.name, before.tables)
        raise


def _migrate(header: Header, **there: str) -> None:
    """Brings the restored database forward, where the backup is older than this album. Raises BackupError."""
    if known_migrations() - set(header.migrations):
        failure = "The migration of the restored database failed, the one before is in place"
        run_manage("migrate", "--no-input", failure=failure, **there)


@contextmanager
def _staged(source: Path) -> Iterator[Path]:
    """A copy beside the database that is in use, which nobody knows yet; what is left of it goes away."""
    staging = _database_path().with_name(f"{_database_path().name}.restoring")
    remains = [staging, *(Path(f"{staging}{end}") for end in ("-wal", "-shm", "-journal"))]
    for path in remains:
        path.unlink(missing_ok=True)
    try:
        shutil.copyfile(source, staging)
        staging.chmod(0o640)
        own_like(staging, staging.parent)
        yield staging
    finally:
        for path in remains:
            path.unlink(missing_ok=True)


def _put_in_place(staging: Path) -> None:
    """The database of the album is this one from now on; before, its log is written back into it."""
    with closing(sqlite3.connect(staging)) as restored:
        restored.execute("PRAGMA journal_mode=DELETE")
    sync(staging)
    _require_unused()  # once more: files may have taken an hour
    for end in ("-wal", "-shm"):  # of a damaged database: its log must not be read into the new one
        Path(f"{_database_path()}{end}").unlink(missing_ok=True)
    staging.replace(_database_path())
    sync(staging.parent)


def _restore_secret_key(backup: Backup, header: Header) -> None:
    """With it, who was signed in stays so. ``.env`` describes a machine, maybe another one: it is not put back."""
    if not header.secrets:
        raise BackupError(
            f"{backup.folder} holds no secrets: it was made without --with-secrets. The rest is restored."
        )
    if KEY_PART not in {part.name for part in header.secrets}:
        raise BackupError(
            f"{backup.folder}: SECRET_KEY stands in secrets/env: copy that line by hand. The rest is restored."
        )
    with written_whole(Path(settings.VAR_DIR) / "secret_key") as part_path:
        shutil.copyfile(backup.folder / KEY_PART, part_path)
        part_path.chmod(0o600)
        own_like(part_path, part_path.parent)


def _database_path() -> Path:
    return Path(connection.settings_dict["NAME"])
