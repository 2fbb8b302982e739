"""One preparation of a content at a time, on this machine: whoever comes second finds the work done."""

from __future__ import annotations

import fcntl
from pathlib import Path
from typing import IO

from django.conf import settings


def take_lock(sha256: str) -> IO[bytes]:
    """The lock of this content: held until it is closed or the process ends.

    There are 256 of them, by the first two digits. Wait for one only while holding no other.
    """
    file = _open(sha256)
    fcntl.flock(file, fcntl.LOCK_EX)
    return file


def try_lock(sha256: str) -> IO[bytes] | None:
    """The same, or None where it is held."""
    file = _open(sha256)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    return file


def _open(sha256: str) -> IO[bytes]:
    folder = Path(settings.VAR_DIR) / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    return (folder / sha256[:2]).open("ab")
