"""Named places at which a test can kill the process, to prove that nothing is lost there."""

from __future__ import annotations

import os
import signal

from django.conf import settings

_hits: dict[str, int] = {}


def failpoint(name: str) -> None:
    """Does nothing, unless ``PHOTO_ALBUM_FAILPOINT`` is ``name`` or ``name:N``: then kill -9 at the N-th pass."""
    if not settings.FAILPOINT:
        return
    wanted, _, count = settings.FAILPOINT.partition(":")
    if wanted != name:
        return
    _hits[name] = _hits.get(name, 0) + 1
    if _hits[name] == int(count or 1):
        os.kill(os.getpid(), signal.SIGKILL)
