"""The worker of gunicorn that leaves a new connection to whichever process has fewest."""

from __future__ import annotations

import mmap
import socket
import time
from array import array

from gunicorn.workers.gthread import ThreadWorker

PLACES, GONE = 64, 1 << 40
PATIENCE_S, PAUSE_S = 0.02, 0.0005
"""So long a connection is left to a process that has fewer, which may be starting, or hang."""


class FairWorker(ThreadWorker):  # type: ignore[misc]
    """Set as ``worker_class``.

    A browser opens six connections at once and keeps them. Whoever is awake would take them all, and one core would
    do everything. Measured: eight clients, two processes, search by words: 107 answers a second by one process, 220
    where five lay at one of them, 277 by both alike, 2026-11.
    """

    held = memoryview(mmap.mmap(-1, PLACES * 8)).cast("q")
    """The connections of each process, in memory that they all share: made before the first is forked."""
    held[:] = memoryview(array("q", [GONE] * PLACES))

    @property
    def nr_conns(self) -> int:
        """How many connections this process has, as gunicorn counts them."""
        return int(self.held[self.age % PLACES])

    @nr_conns.setter
    def nr_conns(self, count: int) -> None:
        self.held[self.age % PLACES] = count

    def accept(self, listener: socket.socket) -> None:
        """Takes the connection, unless another process has taken it meanwhile."""
        until = time.monotonic() + PATIENCE_S
        while self.nr_conns > min(self.held) and time.monotonic() < until:
            time.sleep(PAUSE_S)
        super().accept(listener)
