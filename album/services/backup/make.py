"""Making a backup: the database first, then the files, at last the manifest that makes it one."""

from __future__ import annotations

import os
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

from django.conf import settings
from django.db import DatabaseError, connection
from django.utils import timezone

from album.disk import hash_file, sync
from album.exceptions import AlbumError, BackupError, StorageError, StorageFull
from album.failpoints import failpoint
from album.media.storage import require_mark
from album.models import MediaItem
from album.preparation.sidecars import FOLDER as SIDECARS
from album.services.backup import database, shelf, status
from album.services.backup.collect import BackupReport, Collector
from album.services.backup.manifest import Header, Manifest, Part, album_version, write_manifest
from album.services.backup.shelf import DATABASE, FULL
from album.services.backup.transfer import Progress, make_folder, own_like, require_space
from album.services.spool import ORIGINALS, storage_errors

FULL_FOLDERS = (ORIGINALS, SIDECARS)
KEY_PART = "secrets/secret_key"


@dataclass(frozen=True, slots=True)
class BackupOptions:
    """``folders`` below ``MEDIA_ROOT``; none for the database alone. ``keep``: so many of its kind, or all.

    ``rereads``: what earlier backups brought is read again, and what is damaged of it is brought again.
    """

    folders: tuple[str, ...] = FULL_FOLDERS
    with_secrets: bool = False
    keep: int | None = None
    rereads: bool = False
    is_new_place: bool = False
    is_restore_point: bool = False

    @property
    def kind(self) -> str:
        return FULL if ORIGINALS in self.folders else DATABASE


def make_backup(
    root: Path, options: BackupOptions | None = None, *, progress: Progress = lambda size_bytes: None
) -> BackupReport:
    """What the new backup in ``root`` holds. ``progress`` is called with the size of each file, in bytes.

    Earlier ones stay as they are, whatever happens.

    Raises:
        BackupError: this is no place for backups, or the database cannot be copied.
        StorageError: the storage is missing, or disk or database failed. There is no new backup then.
    """
    options, root = options or BackupOptions(), root.absolute()
    try:
        with storage_errors(str(root), "no backup was made"):
            _require_place(root, options)
            with shelf.locked(root):
                report = _make(root, options, progress)
                try:
                    _prune(root, options, report)
                finally:  # whatever becomes of older ones, this one is made
                    _note(root, options, report)
    except DatabaseError as error:
        status.note_failed_backup(str(error))
        raise StorageError(f"the database failed ({error}), no backup was made. Retry later.") from error
    except AlbumError as error:
        status.note_failed_backup(str(error))
        raise
    return report


def _require_place(root: Path, options: BackupOptions) -> None:
    media = Path(settings.MEDIA_ROOT)
    if root.resolve().is_relative_to(media.resolve()):
        raise BackupError(f"{root} lies within the library. Choose a folder beside it, or better on another disk.")
    if status.had_backups(root) and not (root / shelf.MARK).exists() and not options.is_new_place:
        raise BackupError(
            f"{root} held backups, and is empty or gone now: its disk is not mounted. Mount it; or, to begin anew "
            "there, add --new."
        )
    if options.folders and MediaItem.objects.exists():
        require_mark(media)


def _make(root: Path, options: BackupOptions, progress: Progress) -> BackupReport:
    folder = shelf.next_folder(root, timezone.localdate().isoformat(), options.kind)
    report, partial = BackupReport(folder), folder.with_name(folder.name + shelf.PARTIAL)
    collector = Collector(root, report, progress, rereads=options.rereads)
    make_folder(partial)
    try:
        require_space(root, database.size_bytes())
        name = database.NAMES[connection.vendor]
        contents = database.copy_database(partial / name)
        entries = collector.collect(options.folders)
        header = Header(
            made_at=timezone.now().isoformat(),
            album=album_version(),
            engine=connection.vendor,
            database=_sealed(partial, name),
            **asdict(contents),
            folders=list(options.folders),
            secrets=_copy_secrets(partial) if options.with_secrets else [],
        )
        manifest = Manifest(header, entries)
        write_manifest(partial, manifest)
        for path in partial.rglob("*"):
            own_like(path, root)
        sync(partial)
    except BaseException as error:
        shutil.rmtree(partial, ignore_errors=True)
        if isinstance(error, StorageFull | OSError):
            collector.take_back()
        raise
    failpoint("backup-manifest")
    partial.rename(folder)
    sync(root)
    report.files, report.size_bytes = len(entries), manifest.size_bytes
    report.new_bytes += sum(part.size_bytes for part in header.parts)
    return report


def _prune(root: Path, options: BackupOptions, report: BackupReport) -> None:
    """Removes older backups. Raises StorageError."""
    if not options.keep:
        return
    try:
        with storage_errors(str(root), "the new backup is made, older ones are not removed"):
            report.removed = shelf.prune(root, options.kind, options.keep)
    except BackupError as error:
        words = "Until that folder is removed, files that no backup needs any more stay, too."
        report.findings.append(f"{error} {words}")


def _note(root: Path, options: BackupOptions, report: BackupReport) -> None:
    if not options.is_restore_point:
        said = {"kind": options.kind, "size_bytes": report.size_bytes, "findings": len(report.findings)}
        status.note_backup(root, folder=str(report.folder), **said)


def _sealed(partial: Path, name: str) -> Part:
    """The file ``name`` as part of the backup, durable and readable by its owner only."""
    path = partial / name
    path.chmod(0o600)
    sync(path)
    return Part(name, hash_file(path, is_needed_again=False), path.stat().st_size)


def _copy_secrets(partial: Path) -> list[Part]:
    wanted = {
        KEY_PART: Path(settings.VAR_DIR) / "secret_key",
        "secrets/env": Path(os.environ.get("PHOTO_ALBUM_ENV_FILE") or settings.BASE_DIR / ".env"),
    }
    folder = partial / "secrets"
    folder.mkdir(mode=0o700)
    parts = []
    for name, source in wanted.items():
        if source.is_file():
            shutil.copyfile(source, partial / name)
            parts.append(_sealed(partial, name))
    sync(folder)
    return parts
