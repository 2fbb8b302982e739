"""Telling an empty storage from one that is not there: a marker file, written once, lies beside the originals.

An unmounted disk leaves an empty folder behind. Read as a storage, it would take uploads that vanish under the next
mount, and every photo of the library would count as missing.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from album.exceptions import StorageError

MARKER = ".photo-album"
LOCKS = ".locks"


def is_marked(root: Path) -> bool:
    """True when this folder is the storage and not the place where it should be mounted."""
    return (root / MARKER).is_file()


def require_mark(root: Path) -> None:
    """Returns if this folder is the storage.

    Raises:
        StorageError: it is not; nothing may be concluded from what is missing in it.
    """
    if not is_marked(root):
        raise StorageError(f"storage missing: {root} is not mounted, nothing was changed. Mount it and retry.")


def mark(root: Path) -> None:
    """Makes the folder the storage."""
    root.mkdir(parents=True, exist_ok=True)
    (root / MARKER).touch()


@contextmanager
def content_lock(root: Path, sha256: str) -> Iterator[None]:
    """Held while the file of this content is placed below ``root``, or removed from there.

    Threads, processes and, on a shared storage, machines wait for each other. The lock ends with its process.
    There are 256 of them, by the first two digits: hold one briefly, and never two.
    """
    folder = root / LOCKS
    folder.mkdir(exist_ok=True)
    with (folder / sha256[:2]).open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
