"""Long work that nobody waits for stands back behind what people do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psutil


@contextmanager
def polite() -> Iterator[None]:
    """Within it this process reads from the disk only when nobody else does."""
    process, before = psutil.Process(), None
    # A sandbox may refuse this; politeness is no reason not to work.
    with suppress(OSError, psutil.Error):
        before = process.ionice()
        process.ionice(psutil.IOPRIO_CLASS_IDLE)
    try:
        yield
    finally:
        if before is not None:
            with suppress(OSError, psutil.Error, ValueError):
                process.ionice(before.ioclass, before.value)
