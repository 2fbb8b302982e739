"""Telling systemd how a service is: ready, alive, and what it does."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

from sdnotify import SystemdNotifier

PING_S = 30.0
"""How often a service says that it is alive, unless its WatchdogSec asks for more."""
PATIENCE = "EXTEND_TIMEOUT_USEC=90000000"
"""A start that waits for Redis is no start that hangs."""


def notify(*assignments: str) -> None:
    """Sends such as ``READY=1`` to whoever started this process; to nobody where none asked for it."""
    if address := os.environ.get("NOTIFY_SOCKET"):
        _notifier(address).notify("\n".join(assignments))


@lru_cache(maxsize=1)
def _notifier(_address: str) -> SystemdNotifier:
    return SystemdNotifier()


def ping_interval_s() -> float:
    """Seconds between two pings: a quarter of the time after which systemd would end the service."""
    watchdog_s = int(os.environ.get("WATCHDOG_USEC") or 0) / 1_000_000
    return min(PING_S, watchdog_s / 4) if watchdog_s else PING_S


@contextmanager
def pinging(status: str) -> Iterator[None]:
    """Within it a thread says that the service is alive: for a wait that is bounded elsewhere."""
    is_over = threading.Event()

    def ping() -> None:
        notify(f"STATUS={status}")
        while True:
            notify("WATCHDOG=1", PATIENCE)
            if is_over.wait(ping_interval_s()):
                return

    threading.Thread(target=ping, name="watchdog", daemon=True).start()
    try:
        yield
    finally:
        is_over.set()
