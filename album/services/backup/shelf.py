"""The folder of all backups: which are there and whole, whose turn it is, and what may go."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from django.db.migrations.loader import MigrationLoader

from album.disk import hash_file, sync
from album.exceptions import BackupError
from album.services.backup.manifest import NAME, POOL, Manifest, album_version, read_manifest
from album.services.backup.transfer import Progress, make_folder, own_like
from album.services.spool import storage_errors

FULL, DATABASE = "full", "database"
PARTIAL = ".partial"
MARK = ".photo-album-backups"
PROBLEMS_SHOWN = 10
_FOLDER = re.compile(rf"(\d{{6,}})-\d{{4}}-\d\d-\d\d-({FULL}|{DATABASE})({re.escape(PARTIAL)})?")


@dataclass(frozen=True, slots=True)
class Backup:
    """A backup that was finished; whether it is still whole, only verifying it tells."""

    folder: Path
    number: int
    kind: str

    @property
    def root(self) -> Path:
        return self.folder.parent


@contextmanager
def locked(root: Path) -> Iterator[None]:
    """Held by whoever writes into the folder of all backups, which is made if need be.

    Raises:
        BackupError: somebody else holds it.
        OSError: it cannot be made or written.
    """
    make_folder(root)
    # No link is followed: in a folder of the album's user, root would make or give away what it leads to.
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW
    with os.fdopen(os.open(root / MARK, flags, 0o640), "ab") as file:
        own_like(root / MARK, root)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BackupError(f"{root}: another backup or drill is working there. Wait for its end.") from error
        yield


def find_backups(root: Path) -> list[Backup]:
    """The finished ones, oldest first. The clock may have been wrong: their numbers tell the order."""
    found = []
    for path in root.iterdir() if root.is_dir() else ():
        name = _FOLDER.fullmatch(path.name)
        if name and not name[3] and (path / NAME).is_file():
            found.append(Backup(path, int(name[1]), name[2]))
    return sorted(found, key=lambda backup: backup.number)


def find_backup(folder: Path) -> Backup:
    """The backup in ``folder``, or the newest of those in it, a full one before one of the database only.

    Raises:
        BackupError: there is none.
    """
    folder = folder.absolute()
    name = _FOLDER.fullmatch(folder.name)
    if name and name[3]:
        raise BackupError(f"{folder}: this backup was interrupted and is not whole. Use another one.")
    if name and folder.is_dir():
        read_manifest(folder)
        return Backup(folder, int(name[1]), name[2])
    backups = find_backups(folder)
    if not backups:
        raise BackupError(f"{folder}: there is no complete backup. Is its disk mounted?")
    return max(backups, key=lambda backup: (backup.kind == FULL, backup.number))


def verify_backup(backup: Backup, *, progress: Progress = lambda size_bytes: None) -> Manifest:
    """What the backup holds, after each of its bytes was read. ``progress`` is called with the size of each file.

    Raises:
        BackupError: it is incomplete, something is missing or has changed, or this album is too old for it.
        StorageError: the disk fails.
    """
    with storage_errors(str(backup.folder), "nothing was changed"):
        manifest = read_manifest(backup.folder)
    if unknown := sorted(set(manifest.header.migrations) - known_migrations()):
        raise BackupError(
            f"{backup.folder}: made by a newer album ({manifest.header.album}; this is {album_version()}), whose "
            f"tables are unknown here: {', '.join(unknown[:3])}. Install that version and restore with it."
        )
    files = [(backup.folder / part.name, part.sha256, part.size_bytes) for part in manifest.header.parts]
    stored = {entry.stored: entry for entry in manifest.entries}
    files += [(backup.root / path, entry.sha256, entry.size_bytes) for path, entry in stored.items()]
    problems = []
    for file in files:
        if words := find_problem(*file):
            problems.append(words)
        progress(file[2])
    if problems:
        shown = "\n".join(f"  {words}" for words in problems[:PROBLEMS_SHOWN])
        raise BackupError(
            f"{backup.folder}: {len(problems)} of {len(files)} files are not as they were. Use another, or make a "
            f"new one: manage.py backup {backup.root} --reread brings again what the library has whole.\n{shown}"
        )
    return manifest


def find_problem(path: Path, digest: str, size_bytes: int) -> str:
    """What is wrong with the file, in words that name it; empty if it is whole."""
    try:
        if (size := path.stat().st_size) != size_bytes:
            return f"{path} is cut off: {size:,} bytes instead of {size_bytes:,}"
        if hash_file(path, is_needed_again=False) != digest:
            return f"{path} is damaged: its content has changed"
    except FileNotFoundError:
        return f"{path} is missing"
    except OSError as error:
        return f"{path} cannot be read ({error.strerror})"
    return ""


def known_migrations() -> set[str]:
    """Those that this album has, and those that they replace."""
    migrations = MigrationLoader(None).disk_migrations or {}
    known = {*migrations, *(key for migration in migrations.values() for key in migration.replaces)}
    return {f"{app}.{name}" for app, name in known}


def next_folder(root: Path, day: str, kind: str) -> Path:
    """The name for the next one; what an interrupted one left behind is removed. Raises OSError."""
    numbers = [0]
    for path in list(root.iterdir()):
        if name := _FOLDER.fullmatch(path.name):
            numbers.append(int(name[1]))
            if name[3]:
                shutil.rmtree(path)
    return root / f"{max(numbers) + 1:06}-{day}-{kind}"


def prune(root: Path, kind: str, keep: int) -> int:
    """How many older backups of that kind were removed, and with them the contents that no other one has.

    Raises:
        BackupError: a manifest cannot be read, so nobody knows what it needs: no content was removed.
        OSError: the disk fails.
    """
    old = [backup for backup in find_backups(root) if backup.kind == kind][:-keep]
    for backup in old:
        # Without its manifest it is none any more, however far the removal comes.
        (backup.folder / NAME).unlink()
        shutil.rmtree(backup.folder)
    if old:
        sync(root)
        if kind == FULL:
            _sweep(root)
    return len(old)


def _sweep(root: Path) -> None:
    needed = {entry.stored for backup in find_backups(root) for entry in read_manifest(backup.folder).entries}
    for path in (root / POOL).glob("*/*"):
        if str(path.relative_to(root)) not in needed:
            path.unlink()
