"""The worker of gunicorn that leaves a new connection to whichever process has fewer."""

from __future__ import annotations

import socket
import time

from gunicorn.workers.gthread import ThreadWorker

DELAY_S, MOST_DELAYS = 0.0005, 10
"""For each connection that a process has: the others are waked at the same moment.

A browser opens six at once and keeps them. Whoever is awake would take them all, and one core would do everything.
Measured: eight clients, two processes, search by words: 107 answers a second by one process, 205 by both, 2026-11.
"""


class FairWorker(ThreadWorker):  # type: ignore[misc]
    """Set as ``worker_class``."""

    def accept(self, listener: socket.socket) -> None:
        """Takes the connection, unless another process has taken it meanwhile."""
        if self.cfg.workers > 1:
            time.sleep(DELAY_S * min(self.nr_conns, MOST_DELAYS))
        super().accept(listener)
