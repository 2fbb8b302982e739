"""What a disk really holds: contents by their hash, names and contents that outlive a power cut."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import MAXYEAR, MINYEAR, UTC, datetime
from hashlib import file_digest
from pathlib import Path


def hash_file(path: Path, *, is_needed_again: bool = True) -> str:
    """The SHA-256 of its content. Raises OSError.

    Whoever reads a whole library for its hashes alone says so with ``is_needed_again``: it leaves the
    memory, which others want for what people look at.
    """
    with path.open("rb") as file:
        digest = file_digest(file, "sha256").hexdigest()
        if not is_needed_again:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    return digest


def sync(path: Path) -> None:
    """Returns when a file, or the names in a folder, are on the disk itself. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def moment_of_file(modified_ns: int) -> datetime | None:
    """When a file was modified; None for a time that is a day of the calendar in no or not in every time zone."""
    try:
        moment = datetime.fromtimestamp(modified_ns / 1e9, UTC)
    except (ValueError, OverflowError, OSError):  # disks keep times far beyond the year 9999
        return None
    return moment if MINYEAR < moment.year < MAXYEAR else None


def printable(path: Path) -> str:
    """The path for a terminal or a log: file names may hold line ends, control codes and broken UTF-8."""
    return "".join(character if character.isprintable() else "?" for character in str(path))


@contextmanager
def written_whole(target: Path) -> Iterator[Path]:
    """The path of a new file beside ``target`` to write to; at the end it takes that name, also before a power cut.

    Its mode is that of any new file. Whatever is raised inside leaves ``target`` as it was.

    Raises:
        OSError: the folder cannot be made, or the disk is full or broken.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f"{target.name}.{secrets.token_hex(4)}.part")
    try:
        yield part
        sync(part)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
