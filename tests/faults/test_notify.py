"""What worker, beat and web server tell systemd: ready, alive, what they do. Real processes, a socket of ours."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.faults.installation import Installation, wait_until
from tests.faults.servers import Redis, free_port

WORKER = ("-m", "photo_album.celery_worker")
PING_S = 0.5
"""A quarter of the WATCHDOG_USEC that the processes are given."""


class FakeSystemd:
    """What arrived at the socket that systemd would listen at, each assignment with its time."""

    def __init__(self, folder: Path) -> None:
        self.address = str(folder / "notify")
        self.heard: list[tuple[float, str]] = []
        self._ear = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._ear.bind(self.address)
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()
        self.env = {"NOTIFY_SOCKET": self.address, "WATCHDOG_USEC": str(int(PING_S * 4_000_000))}

    def _listen(self) -> None:
        while message := self._ear.recv(4096):
            now = time.monotonic()
            self.heard += [(now, line) for line in message.decode().splitlines()]

    def says(self, text: str, since: float = 0.0) -> bool:
        return any(text in line for at, line in list(self.heard) if at >= since)

    def pings(self, seconds: float) -> int:
        """How many came within the next ``seconds``."""
        since = time.monotonic()
        time.sleep(seconds)
        return sum(line == "WATCHDOG=1" for at, line in list(self.heard) if at >= since)

    def status(self) -> str:
        return next((line for _, line in reversed(self.heard) if line.startswith("STATUS=")), "")

    def close(self) -> None:
        self._ear.shutdown(socket.SHUT_RD)
        self._thread.join(5)
        self._ear.close()


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    made = Installation(tmp_path_factory.mktemp("installation"))
    yield made
    made.end()


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[FakeSystemd]:
    fake = FakeSystemd(tmp_path)
    yield fake
    fake.close()


@pytest.fixture
def start(
    installation: Installation, redis: Redis, systemd: FakeSystemd
) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    installation.env |= {"CELERY_BROKER_URL": redis.url, "CELERY_RESULT_BACKEND": redis.url}
    yield lambda *command: installation.start(*command, **systemd.env)
    installation.end()
    installation.processes.clear()


def lanes_of(process: subprocess.Popen[str]) -> list[psutil.Process]:
    return sorted(psutil.Process(process.pid).children(), key=lambda lane: lane.pid)


def test_worker_is_alive_while_redis_is_away(redis, systemd, start) -> None:
    redis.stop()
    start(*WORKER)
    wait_until(lambda: "waits for Redis" in systemd.status(), 30, "word that Redis is missed")
    assert systemd.pings(2) >= 2
    assert systemd.says("EXTEND_TIMEOUT_USEC=")
    assert not systemd.says("READY=1")
    redis.start()
    wait_until(lambda: systemd.says("READY=1"), 30, "ready once Redis is there")
    wait_until(lambda: systemd.status() == "STATUS=media: ready; ai: ready", 20, "both lanes ready")
    redis.stop()
    wait_until(lambda: "waits for Redis" in systemd.status(), 30, "word that Redis went away")
    assert systemd.pings(3) >= 3
    redis.start()
    wait_until(lambda: systemd.status() == "STATUS=media: ready; ai: ready", 40, "both lanes ready again")


def test_batch_tells_how_far_it_is_and_a_stop_that_waits_for_it_is_alive(installation, systemd, start) -> None:
    installation.make_rows(1000)
    worker = start(*WORKER)
    wait_until(lambda: systemd.says("READY=1"), 30, "ready")
    ring = "from album.tasks.ai import process_pending_photos_batch as task; task.apply_async(ignore_result=True)"
    installation.python(ring)
    wait_until(lambda: "s each" in systemd.status(), 60, "the progress of the batch")
    assert systemd.status().startswith("STATUS=media: ready; ai: described "), systemd.status()
    batch = next(
        child
        for child in psutil.Process(worker.pid).children(recursive=True)
        if "analyze_photos" in child.cmdline()
    )
    batch.send_signal(signal.SIGSTOP)
    worker.terminate()
    wait_until(lambda: systemd.says("STOPPING=1"), 10, "word that it stops")
    assert systemd.pings(3) >= 3
    assert worker.poll() is None
    batch.send_signal(signal.SIGCONT)
    output, _ = worker.communicate(timeout=60)
    assert worker.returncode == 0, output
    assert installation.ask("list(BatchRun.objects.values_list('state', flat=True))") == ["interrupted"]


def test_worker_misses_a_lane_that_hangs_and_replaces_one_that_died(systemd, start) -> None:
    worker = start(*WORKER)
    wait_until(lambda: systemd.says("READY=1"), 30, "ready")
    media, ai = lanes_of(worker)
    ai.send_signal(signal.SIGSTOP)
    time.sleep(3 * PING_S)  # what was under way has arrived
    assert systemd.pings(4 * PING_S) == 0
    ai.send_signal(signal.SIGCONT)
    assert systemd.pings(6 * PING_S) >= 2
    time.sleep(max(0.0, ai.create_time() + 11 - time.time()))  # one that ends sooner would end again
    ai.terminate()  # as `celery control shutdown` does; it must not take along where the other one speaks
    killed_at = time.monotonic()
    wait_until(lambda: systemd.says("READY=1", killed_at), 15, "the lane again")
    assert lanes_of(worker)[0] == media
    lanes_of(worker)[1].kill()
    worker.communicate(timeout=30)
    assert worker.returncode == 1


def test_beat_is_alive_while_redis_is_away(redis, systemd, start) -> None:
    redis.stop()
    beat = start("-m", "photo_album.celery_beat")
    wait_until(lambda: systemd.says("READY=1"), 30, "ready")
    assert systemd.pings(6) >= 1  # it looks every five seconds
    beat.terminate()
    beat.communicate(timeout=20)


def test_web_server_is_ready_and_alive(systemd, start) -> None:
    bind = f"127.0.0.1:{free_port()}"
    web = start("-m", "gunicorn", "--config", "python:photo_album.gunicorn", "--bind", bind, "photo_album.wsgi")
    wait_until(lambda: systemd.says("READY=1"), 30, "ready")
    wait_until(lambda: systemd.says("WATCHDOG=1"), 30, "everything loaded")
    assert systemd.pings(2) >= 3
    assert systemd.status() == f"STATUS=answers at http://{bind}"
    os.kill(web.pid, signal.SIGTERM)
    web.communicate(timeout=30)
    assert web.returncode == 0
