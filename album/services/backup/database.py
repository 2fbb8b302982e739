"""A consistent copy of the database while others write, and what is in it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from django.db import DatabaseError, connection

from album.exceptions import BackupError, StorageFull
from album.failpoints import failpoint
from album.services.backup.manifest import Contents
from album.services.backup.postgresql import dump

SQLITE, POSTGRESQL = "sqlite", "postgresql"
NAMES = {SQLITE: "database.sqlite3", POSTGRESQL: "database.sql.gz"}


def size_bytes() -> int:
    """An upper limit of what a copy needs. Raises DatabaseError."""
    sizes = {
        SQLITE: "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()",
        POSTGRESQL: "SELECT pg_database_size(current_database())",
    }
    with connection.cursor() as cursor:
        cursor.execute(sizes[connection.vendor])
        return int(cursor.fetchone()[0])


def copy_database(target: Path) -> Contents:
    """What is in the copy, which shows one moment and is not synced yet.

    Raises:
        BackupError: the database is damaged, or the programs of PostgreSQL are missing or too old.
        StorageFull: no space for it.
        OSError, DatabaseError: disk or database failed.
    """
    if connection.vendor == POSTGRESQL:
        return dump(target)
    try:
        _copy_sqlite(target)
    except sqlite3.DatabaseError as error:
        code = getattr(error, "sqlite_errorcode", None)
        if code == sqlite3.SQLITE_FULL:
            raise StorageFull(f"{target}: storage full, no backup was made. Free some space and retry.") from error
        if isinstance(error, sqlite3.OperationalError):
            raise DatabaseError(str(error)) from error
        raise BackupError(
            f"the database is damaged ({error}), no backup was made. Restore the last one."
        ) from error
    return contents_of(target)


def contents_of(path: Path) -> Contents:
    """What the SQLite file holds, after its pages and indexes were checked.

    Raises:
        BackupError: it is damaged.
    """
    try:
        with closing(sqlite3.connect(path)) as copy:
            problems = [line for (line,) in copy.execute("PRAGMA integrity_check(3)")]
            if problems != ["ok"]:
                raise sqlite3.DatabaseError("; ".join(problems))
            names = [name for (name,) in copy.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            return Contents.read(copy.cursor(), names)
    except sqlite3.DatabaseError as error:
        raise BackupError(f"{path}: the database is damaged ({error}). Restore the last good backup.") from error


def _copy_sqlite(target: Path) -> None:
    connection.ensure_connection()
    with closing(sqlite3.connect(target)) as copy:
        copy.execute("PRAGMA synchronous=OFF")  # it is synced as a whole, later
        connection.connection.backup(copy)  # in one step: it shows one moment, and nobody who writes has to wait
        failpoint("backup-database")
        copy.execute("PRAGMA journal_mode=DELETE")  # one file, without a log beside it
