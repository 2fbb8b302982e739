"""The worker of the album: ``python -m photo_album.celery_worker``.

Two queues must not wait for one another: ``media`` (previews, jobs, housekeeping) and ``ai`` (what takes long).
Each has a Celery worker of its own, a *lane*. Both are forked from this process once it has imported everything, so
that they share that memory: see docs/decisions/0017-units.md. It does nothing itself but pass signals on, start a
lane again that was killed, and tell systemd what both say.
"""

from __future__ import annotations

import ctypes
import gc
import os
import selectors
import shutil
import signal
import socket
import sys
import tempfile
import time
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import FrameType

import django
from celery.app.backends import by_url
from django.conf import settings

from photo_album.celery import app
from photo_album.systemd import notify

PR_SET_PDEATHSIG = 1
"""Source: prctl(2)."""
SHORT_LIFE_S = 10
"""A lane that ends sooner would end again: then the unit ends, and systemd says so."""
HEARTBEAT_S = 30
"""How often who watches the events (Flower) hears of a lane."""


@dataclass(eq=False)
class Lane:
    """The worker of one queue, seen from here; ``ear`` is where it and its children speak instead of to systemd."""

    queue: str
    ear: socket.socket
    address: str
    pid: int = 0
    started_at: float = 0.0
    is_ready: bool = False
    has_pinged: bool = False
    status: str = "starting"

    @classmethod
    def open(cls, queue: str, folder: Path) -> Lane:
        ear = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        address = str(folder / f"{queue}.socket")
        Path(address).unlink(missing_ok=True)
        ear.bind(address)
        return cls(queue, ear, address)

    def start(self) -> None:
        """Forks. The child never returns from here."""
        self.started_at, parent = time.monotonic(), os.getpid()
        self.pid = os.fork()
        if self.pid == 0:
            os.setsid()  # Ctrl-C in a terminal reaches the parent, which passes it on, once
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
            if os.getppid() != parent:
                os._exit(1)
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
                signal.signal(number, signal.SIG_DFL)
            if "NOTIFY_SOCKET" in os.environ:
                os.environ["NOTIFY_SOCKET"] = self.address
            sys.exit(self._work())

    def _work(self) -> int:
        """What ``celery worker`` does, without what Celery loads to read its command line: 9 MB."""
        name = "celery" if self.queue == settings.WORKER_QUEUES[0] else self.queue
        worker = app.Worker(
            hostname=f"{name}@{socket.gethostname()}",
            queues=[self.queue],
            concurrency=1 if self.queue == "ai" else settings.CELERY_WORKER_CONCURRENCY,
            loglevel="WARNING",
            quiet=True,
            without_gossip=True,
            without_mingle=True,
            heartbeat_interval=HEARTBEAT_S,
        )
        worker.start()
        return int(worker.exitcode or 0)

    def hear(self) -> list[str]:
        """What it said since, one assignment each."""
        try:
            return self.ear.recv(4096).decode("utf-8", "replace").splitlines()
        except BlockingIOError:
            return []


class Lanes:
    """All of them, for as long as this process lives."""

    def __init__(self, lanes: list[Lane]) -> None:
        self.lanes = lanes
        self.is_stopping = False
        self.exit_status = 0

    def run(self) -> int:
        """The exit status, once every lane has ended."""
        selector = selectors.DefaultSelector()
        wakeup, theirs = socket.socketpair()
        for end in (wakeup, theirs):
            end.setblocking(False)
        signal.set_wakeup_fd(theirs.fileno())  # a signal ends the wait below
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        selector.register(wakeup, selectors.EVENT_READ)
        for lane in self.lanes:
            selector.register(lane.ear, selectors.EVENT_READ, lane)
            lane.start()
        while any(lane.pid for lane in self.lanes):
            for key, _ in selector.select():
                if key.data is None:
                    wakeup.recv(4096)
                else:
                    self._pass_on(key.data)
            self._reap()
        return self.exit_status

    def _stop(self, _number: int = 0, _frame: FrameType | None = None) -> None:
        """Asks every lane to end what it does; asked again, to end at once."""
        if not self.is_stopping:
            notify("STOPPING=1")
        self.is_stopping = True
        for lane in self.lanes:
            if lane.pid:
                os.kill(lane.pid, signal.SIGTERM)

    def _reap(self) -> None:
        for lane in self.lanes:
            if not lane.pid or os.waitpid(lane.pid, os.WNOHANG) == (0, 0):
                continue
            lane.pid, lane.is_ready = 0, False
            if self.is_stopping:
                continue
            print(f"the worker of the queue {lane.queue} has ended unasked", file=sys.stderr)
            if time.monotonic() - lane.started_at > SHORT_LIFE_S:
                lane.start()
            else:
                self.exit_status = 1
                self._stop()

    def _pass_on(self, lane: Lane) -> None:
        """Of each assignment what is true of the whole: ready and alive is the unit when every lane is."""
        for assignment in lane.hear():
            if assignment == "READY=1":
                lane.is_ready = True
                if all(each.is_ready for each in self.lanes):
                    notify("READY=1")
            elif assignment == "WATCHDOG=1":
                self._ping(lane)
            elif assignment.startswith("STATUS="):
                lane.status = assignment.removeprefix("STATUS=")
                notify("STATUS=" + "; ".join(f"{each.queue}: {each.status}" for each in self.lanes))
            elif assignment.startswith("EXTEND_TIMEOUT_USEC="):
                notify(assignment)

    def _ping(self, lane: Lane) -> None:
        """A ping for systemd once each lane has sent one, so that one that hangs is missed."""
        lane.has_pinged = True
        if all(each.has_pinged or not each.pid for each in self.lanes):
            notify("WATCHDOG=1")
            for each in self.lanes:
                each.has_pinged = False


def main() -> int:
    """Runs the lanes of ``WORKER_QUEUES``. Returns the exit status."""
    _load_everything()
    folder, parent = tempfile.mkdtemp(prefix="worker-", dir=os.environ.get("RUNTIME_DIRECTORY")), os.getpid()
    try:
        return Lanes([Lane.open(queue, Path(folder)) for queue in settings.WORKER_QUEUES]).run()
    finally:
        if os.getpid() == parent:  # a lane that ends comes by here, too, and the others still speak there
            shutil.rmtree(folder, ignore_errors=True)


def _load_everything() -> None:
    """What is loaded here is shared by all lanes; what each would load later, it would have for itself."""
    django.setup()
    app.loader.import_default_modules()
    app.finalize()
    for module in ("celery.apps.worker", "celery.concurrency.prefork", "photo_album.celery_consumer"):
        import_module(module)
    by_url(app.conf.result_backend, app.loader)
    with app.connection_for_read() as connection:
        _ = connection.transport  # the client of Redis; it connects later
    gc.collect()
    gc.freeze()  # their garbage collectors need not look at it


if __name__ == "__main__":
    sys.exit(main())
