"""Which machine a run works on. Light: the worker imports it."""

from __future__ import annotations

import hashlib
import socket
from functools import cache
from pathlib import Path

MACHINE_ID = Path("/etc/machine-id")
"""Source: machine-id(5). Its page asks to show nobody the id itself, hence a hash."""


@cache
def this_host() -> str:
    """A name that no other machine has, such as ``gpu-3f2a91c0``.

    Host names alone repeat: two small computers that are both called ``raspberrypi`` would each take the runs of
    the other for dead, because there is no such process here. Containers have names of their own, and often no id.
    """
    try:
        machine_id = MACHINE_ID.read_bytes().strip()
    except OSError:
        machine_id = b""
    name = socket.gethostname()
    return f"{name}-{hashlib.sha256(b'photo-album ' + machine_id).hexdigest()[:8]}" if machine_id else name
