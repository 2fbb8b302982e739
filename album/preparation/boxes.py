"""The sandboxes of this installation, with the limits of its settings."""

from __future__ import annotations

import os

from django.conf import settings

from album.media.sandbox import Sandbox

_shared: dict[int, Sandbox] = {}


def make_box(workers: int = 1, *, at_least_s: float = 0) -> Sandbox:
    """A sandbox for a piece of work; close it afterwards. No call of ``at_least_s`` seconds is ended."""
    timeout_s = max(at_least_s, settings.DECODE_TIMEOUT_S)
    return Sandbox(workers, memory_mb=settings.DECODE_MEMORY_MB, timeout_s=timeout_s)


def shared_box() -> Sandbox:
    """The one of this process: made at first use, at rest without a child."""
    pid = os.getpid()  # what a parent had before it forked is not ours
    return _shared.get(pid) or _shared.setdefault(pid, make_box())
