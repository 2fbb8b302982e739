"""Going on after an import: what is put into the folder is taken as soon as it is complete."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from django.db import DatabaseError, close_old_connections

from album.exceptions import AlbumError, StorageError
from album.media.sidecars import is_sidecar
from album.services.folders import Folder, check_folder
from album.services.imports import ImportOptions, ImportTotals, import_files, import_folder

STABLE_S = 2.0
"""A file is complete when its size and time have not changed for so long."""
TICK_MS, POLL_MS = 500, 5000
RETRY_S = 5.0
FULL_PASS_S = 3600.0
"""After so long everything is looked at again: events get lost where too many come at once."""
UNTOLD = ("nfs", "cifs", "smb", "9p", "vboxsf", "fuse", "afs", "ceph")
"""File systems whose changes are made elsewhere, so that this machine is not told of them."""


@dataclass(slots=True)
class Waiting:
    """Files that may still be being written, each with its size and time and since when those are the same."""

    files: dict[Path, tuple[tuple[int, int], float]] = field(default_factory=dict)

    def is_complete(self, path: Path) -> bool:
        """Whether the file was last written a while ago; if not, it waits."""
        try:
            age_s = time.time() - path.stat().st_mtime
        except OSError:
            return True  # whoever reads it says what is wrong
        if age_s < STABLE_S:
            self.add(path)
        return age_s >= STABLE_S

    def add(self, path: Path) -> None:
        if (state := _state(path)) is not None and self.files.get(path, (None,))[0] != state:
            self.files[path] = (state, time.monotonic())

    def take_complete(self) -> list[Path]:
        """The files that are complete now; they wait no longer."""
        for path in list(self.files):
            if _state(path) is None:
                del self.files[path]
            else:
                self.add(path)
        now = time.monotonic()
        complete = [path for path, (_, since) in self.files.items() if now - since >= STABLE_S]
        for path in complete:
            del self.files[path]
        return complete


def watch_folder(
    options: ImportOptions,
    report: Callable[[ImportTotals | str], None],
    force_polling: bool | None = None,
) -> None:
    """Returns when ``options.stop`` is set. A disk or database that goes away is waited for and reported once.

    Raises:
        AlbumError: there is no such folder at the start.
    """
    from watchfiles._rust_notify import WatchfilesRustInternalError as CannotTell

    problem, has_begun = "", False

    def tell(totals: ImportTotals) -> None:
        nonlocal has_begun
        has_begun = True
        report(totals)

    while not options.stop.is_set():
        try:
            _watch(options, tell, force_polling)
            problem = ""
        except (AlbumError, OSError, DatabaseError, CannotTell) as error:
            if isinstance(error, CannotTell):  # of a name that is no UTF-8; polling meets it once a change
                force_polling = True
            if not has_begun and isinstance(error, AlbumError) and not isinstance(error, StorageError):
                raise
            close_old_connections()
            if str(error) != problem:
                report(problem := str(error))
            options.stop.wait(RETRY_S)


def _watch(
    options: ImportOptions,
    report: Callable[[ImportTotals], None],
    force_polling: bool | None,
) -> None:
    """Returns when it is to be stopped, or all is to be looked at again."""
    from watchfiles import watch

    folder, waiting, identity, begun = Folder(options.folder), Waiting(), None, time.monotonic()
    for changes in watch(
        check_folder(options.folder),
        watch_filter=None,
        stop_event=options.stop,
        rust_timeout=TICK_MS,
        yield_on_timeout=True,
        raise_interrupt=False,
        force_polling=_needs_polling(options.folder) or force_polling,
        poll_delay_ms=POLL_MS,
        ignore_permission_denied=True,
    ):
        if identity is None:  # changes are collected from now on: none is lost between the two
            identity = _identity(options.folder)
            report(import_folder(options, is_ready=waiting.is_complete))
        if _identity(options.folder) != identity:
            raise StorageError(f"{options.folder}: storage missing: it went away. Nothing was changed.")
        for _, name in changes:
            _note(folder, Path(name), waiting)
        files = [found for path in waiting.take_complete() if (found := folder.find(path)) is not None]
        if files:
            report(import_files(options, files))
        if not waiting.files and time.monotonic() - begun > FULL_PASS_S:
            return


def _note(folder: Folder, path: Path, waiting: Waiting) -> None:
    """Lets wait what changed: a file, those of a new folder, or those that a sidecar is about."""
    if path.is_dir():
        for found in folder.below(path):
            waiting.add(found.path)
    elif is_sidecar(path.name):
        for sibling in path.parent.iterdir() if path.is_file() else ():
            if path.name.startswith(sibling.stem) and not is_sidecar(sibling.name):
                waiting.add(sibling)
    else:
        waiting.add(path)


def _state(path: Path) -> tuple[int, int] | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_size, stat.st_mtime_ns


def _identity(folder: Path) -> tuple[int, int] | None:
    """Tells one disk from another that is mounted in its place; None where there is none."""
    try:
        stat = folder.stat()
    except OSError:
        return None
    return stat.st_dev, stat.st_ino


def _needs_polling(folder: Path) -> bool:
    """Whether the folder lies on a file system of another machine."""
    mounts = (one for one in psutil.disk_partitions(all=True) if folder.is_relative_to(one.mountpoint))
    nearest = max(mounts, key=lambda one: len(one.mountpoint), default=None)
    return nearest is not None and nearest.fstype.startswith(UNTOLD)
