"""Bringing one file from here to there: a second name for it where the file system can, else a durable copy."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

from album.disk import hash_file, sync
from album.exceptions import StorageFull

Progress = Callable[[int], object]
"""Is told the size of each file that is done, in bytes."""
CHUNK_BYTES = 1 << 20
READ_ONLY = 0o440
PRIVATE = 0o700
SPARE_BYTES = 64 << 20
"""What stays free on a disk: the album may live there, too, and must be able to write."""


def fetch(source: Path, folder: Path, *, known: str = "", may_link: bool = True) -> tuple[str, Path]:
    """The SHA-256 of ``source``, and a durable file in ``folder`` with its content that has no name yet.

    With its content ``known`` already a linked file is not read again. Raises OSError, and leaves nothing then.
    """
    make_folder(folder)
    part = folder / f"{secrets.token_hex(8)}.part"
    try:
        if may_link and _is_linked(source, part):
            return known or hash_file(part, is_needed_again=False), part
        digest = _copied(source, part)
        own_like(part, folder)
        return digest, part
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def settle(part: Path, target: Path) -> None:
    """Gives what was fetched its name; the folder is not synced yet. Raises OSError."""
    try:
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)  # where both are one file, a rename does nothing


def make_folder(folder: Path) -> None:
    """Returns when the folder is there, private if it is new, and owned like the one it lies in. Raises OSError."""
    if not folder.is_dir():
        make_folder(folder.parent)
        folder.mkdir(mode=PRIVATE, exist_ok=True)
        own_like(folder, folder.parent)
        sync(folder.parent)


def require_space(folder: Path, size_bytes: int) -> None:
    """Returns when so much fits. Raises StorageFull."""
    free = shutil.disk_usage(folder).free
    if size_bytes + SPARE_BYTES > free:
        needed, there = (f"{number / 1e6:,.0f} MB" for number in (size_bytes + SPARE_BYTES, free))
        raise StorageFull(f"{folder}: storage full, {needed} are needed and {there} free. Nothing was written.")


def own_like(path: Path, other: Path) -> None:
    """What root makes belongs to whom the folder around it belongs: the album's services shall read it."""
    if os.geteuid() == 0:
        stat = other.stat()
        os.chown(path, stat.st_uid, stat.st_gid, follow_symlinks=False)


def _copied(source: Path, target: Path) -> str:
    """The SHA-256 of what was read, written and synced; neither file stays in memory, which others want."""
    digest = sha256()
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, READ_ONLY)
    with os.fdopen(descriptor, "wb") as written, source.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
            written.write(chunk)
        written.flush()
        os.fsync(written.fileno())
        for done in (written, file):
            os.posix_fadvise(done.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    return digest.hexdigest()


def _is_linked(source: Path, target: Path) -> bool:
    try:
        target.hardlink_to(source)
    except FileNotFoundError:
        raise
    except OSError:  # another file system, one without links, too many of them, or not allowed
        return False
    return True
