"""One preparation of a content at a time, on this machine: whoever comes second finds the work done."""

from __future__ import annotations

import fcntl
import time
from pathlib import Path
from typing import IO

from django.conf import settings

LOOK_AGAIN_S = 0.05


def take_lock(name: str) -> IO[bytes]:
    """The lock of this name: held until it is closed or the process ends.

    One is named after the first two digits of the content, so there are 256. Wait only while holding no other.
    """
    file = _open(name)
    fcntl.flock(file, fcntl.LOCK_EX)
    return file


def try_lock(name: str, wait_s: float = 0) -> IO[bytes] | None:
    """The same, or None where it is held for so long."""
    file, until = _open(name), time.monotonic() + wait_s
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= until:
                file.close()
                return None
            time.sleep(LOOK_AGAIN_S)
        else:
            return file


def _open(name: str) -> IO[bytes]:
    path = Path(settings.VAR_DIR) / "locks" / name
    try:
        return path.open("ab")
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("ab")
