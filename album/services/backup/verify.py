"""Is a backup what it was when it was made, and does this album know its tables?"""

from __future__ import annotations

from pathlib import Path

from django.db.migrations.loader import MigrationLoader

from album.disk import hash_file
from album.exceptions import BackupError
from album.services.backup.collect import Progress
from album.services.backup.manifest import Manifest, album_version, read_manifest
from album.services.backup.shelf import Backup
from album.services.spool import storage_errors

PROBLEMS_SHOWN = 10


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
            f"{backup.folder}: {len(problems)} of {len(files)} files are not as they were. Use another.\n{shown}"
        )
    return manifest


def find_problem(path: Path, digest: str, size_bytes: int) -> str:
    """What is wrong with the file, in words that name it; empty if it is whole."""
    try:
        if (size := path.stat().st_size) != size_bytes:
            return f"{path} is cut off: {size:,} bytes instead of {size_bytes:,}"
        return (
            ""
            if hash_file(path, is_needed_again=False) == digest
            else f"{path} is damaged: its content has changed"
        )
    except FileNotFoundError:
        return f"{path} is missing"
    except OSError as error:
        return f"{path} cannot be read ({error.strerror})"


def known_migrations() -> set[str]:
    """Those that this album has, and those that they replace."""
    migrations = MigrationLoader(None).disk_migrations or {}
    known = {*migrations, *(key for migration in migrations.values() for key in migration.replaces)}
    return {f"{app}.{name}" for app, name in known}
