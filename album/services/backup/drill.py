"""Restoring a backup beside the library, to see that it can be done; then it is removed again."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from django.contrib.auth.models import User
from django.db import DatabaseError, connection

from album.exceptions import AlbumError, BackupError
from album.models import MediaItem
from album.services.backup import shelf, status
from album.services.backup.child import run_manage, settings_below
from album.services.backup.database import POSTGRESQL
from album.services.backup.manifest import Manifest, read_manifest
from album.services.backup.shelf import Backup, find_problem
from album.services.backup.transfer import make_folder
from album.services.spool import ORIGINALS, storage_errors

SCRATCH = "drill"
SAMPLE = 20
URL_OPTIONS = ("sslmode", "sslrootcert", "sslcert", "sslkey", "service", "passfile")


@dataclass(slots=True)
class DrillReport:
    """``steps``: what was done, what came of it, and how many seconds it took."""

    backup: Backup
    steps: list[tuple[str, str, float]] = field(default_factory=list)

    def take(self, step: str, work: Callable[[], str]) -> None:
        started = time.monotonic()
        result = work()
        self.steps.append((step, result, time.monotonic() - started))


def run_drill(folder: Path, *, scratch: Path | None = None, sample: int = SAMPLE) -> DrillReport:
    """How it went, step by step. The library of this installation is not touched; only the result is kept.

    ``scratch``: where there is space for a library; by default beside the backups, where files need none again.

    Raises:
        BackupError: the backup cannot be restored.
        StorageError: disk or database failed.
    """
    try:
        backup = shelf.find_backup(folder)
        with storage_errors(str(folder), "the drill was ended"), shelf.locked(backup.root):
            report = _drill(backup, (scratch or backup.root).absolute() / SCRATCH, sample)
    except AlbumError as error:
        status.note_drill(folder=str(folder), is_passed=False, problem=str(error))
        raise
    status.note_drill(folder=str(backup.folder), is_passed=True, problem="")
    return report


def open_library(sample: int) -> dict[str, int]:
    """What the album's own code finds here: items, accounts, and how many of some originals are whole."""
    some = list(MediaItem.objects.exclude(original="").order_by("?")[:sample])
    whole = sum(not find_problem(item.path, item.sha256, item.size_bytes) for item in some)
    counts = {"items": MediaItem.objects.count(), "accounts": User.objects.count()}
    return counts | {"read": len(some), "whole": whole}


def _drill(backup: Backup, scratch: Path, sample: int) -> DrillReport:
    manifest, report = read_manifest(backup.folder), DrillReport(backup)
    shutil.rmtree(scratch, ignore_errors=True)  # of a drill that was killed
    make_folder(scratch)
    try:
        with _scratch_database() as url:
            there = settings_below(scratch, url)
            report.take("restored", lambda: _restore(backup, manifest, there))
            report.take("checked", lambda: _check(there))
            report.take("opened", lambda: _open(manifest, sample, there))
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return report


def _restore(backup: Backup, manifest: Manifest, there: dict[str, str]) -> str:
    run_manage("restore", str(backup.folder), "--no-progress", failure="It could not be restored", **there)
    tables = len(manifest.header.tables)
    return f"{len(manifest.entries):,} files and {tables} tables, all hashes and counts of rows as in the manifest"


def _check(there: dict[str, str]) -> str:
    run_manage("check", failure="The restored library does not pass the album's checks", **there)
    run_manage("migrate", "--check", failure="The restored database misses migrations", **there)
    return "no problems, all migrations are applied"


def _open(manifest: Manifest, sample: int, there: dict[str, str]) -> str:
    saved = manifest.header.tables[MediaItem._meta.db_table]
    sample = sample if ORIGINALS in manifest.header.folders else 0
    said = run_manage("restore_drill", "--open", str(sample), failure="It cannot be opened", **there)
    found: dict[str, Any] = json.loads(said.splitlines()[-1])
    if found["items"] != saved:
        raise BackupError(f"{found['items']} items are found, {saved} were saved.")
    if found["whole"] != found["read"]:
        raise BackupError(f"{found['read'] - found['whole']} of {found['read']} originals are missing or damaged.")
    originals = f"{found['read']} originals read and whole" if sample else "originals are not in this backup"
    return f"{found['items']:,} items of {found['accounts']} accounts; {originals}"


@contextmanager
def _scratch_database() -> Iterator[str]:
    """The URL of an empty database, removed at the end; none where the database is a file of the library."""
    if connection.vendor != POSTGRESQL:
        yield ""
        return
    name = f"{connection.settings_dict['NAME']}_drill"
    drop = f'DROP DATABASE IF EXISTS "{name}"'
    try:
        _execute(drop)  # of a drill that was killed
        _execute(f'CREATE DATABASE "{name}" TEMPLATE template0')
    except DatabaseError as error:
        raise BackupError(
            f"no scratch database could be made ({str(error).strip()}). Allow it once: ALTER ROLE "
            f'"{connection.settings_dict["USER"]}" CREATEDB'
        ) from error
    try:
        yield _url(name)
    finally:
        _execute(drop)


def _execute(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


def _url(name: str) -> str:
    """This installation's DATABASE_URL, with another name of the database."""
    known = connection.settings_dict
    user, password, host = (quote(str(known[key] or ""), safe="") for key in ("USER", "PASSWORD", "HOST"))
    access = f"{user}:{password}" if password else user
    options = {key: value for key, value in known["OPTIONS"].items() if key in URL_OPTIONS}
    port = f":{known['PORT']}" if known["PORT"] else ""
    return f"postgres://{access}@{host}{port}/{name}" + (f"?{urlencode(options)}" if options else "")
