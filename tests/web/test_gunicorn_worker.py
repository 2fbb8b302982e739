"""Connections that come at once are shared by the web processes."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path
from statistics import median

import psutil
import pytest

from photo_album.gunicorn import child_exit
from photo_album.gunicorn_worker import GONE, PLACES, FairWorker
from tests.faults.installation import Installation, wait_until
from tests.faults.web import WebServer

CONNECTIONS, TIMES = 8, 5


@pytest.fixture
def server(tmp_path: Path) -> Iterator[WebServer]:
    installation = Installation(tmp_path)
    try:
        with WebServer(installation) as server:
            wait_until(lambda: len(workers_of(server)) == 2, 30, "both are there")
            yield server
    finally:
        installation.end()


def test_the_processes_share_the_connections_of_a_browser(server: WebServer) -> None:
    fewest = [fewest_of_a_worker(server) for _ in range(TIMES)]
    # Not each time: where both cores are busy, a process may sleep for longer than the others wait for it.
    assert max(fewest) == CONNECTIONS // 2, fewest
    assert median(fewest) >= 2, f"one process takes nearly all {CONNECTIONS}: {fewest}"


def test_nothing_is_left_to_a_process_that_was_killed(server: WebServer) -> None:
    killed, _ = workers_of(server)
    killed.kill()
    wait_until(lambda: len(workers_of(server)) == 2 and killed not in workers_of(server), 30, "another one")
    assert max(fewest_of_a_worker(server) for _ in range(TIMES)) >= 2
    worker = FairWorker.__new__(FairWorker)
    worker.age, worker.nr_conns = PLACES + 7, 3
    assert min(FairWorker.held) == worker.nr_conns == 3
    child_exit(None, worker)
    assert min(FairWorker.held) == GONE


def fewest_of_a_worker(server: WebServer) -> int:
    """How many of connections that are opened at once the process with the fewest has, each after one answer."""
    with ExitStack() as stack, ThreadPoolExecutor(CONNECTIONS) as pool:
        clients = [http.client.HTTPConnection("127.0.0.1", server.port, timeout=30) for _ in range(CONNECTIONS)]
        for client in clients:
            stack.enter_context(closing(client))
        list(pool.map(ask, clients))
        ports = {client.sock.getsockname()[1] for client in clients}
        fewest = min(
            sum(bool(line.raddr) and line.raddr.port in ports for line in worker.net_connections("tcp"))
            for worker in workers_of(server)
        )
    wait_until(lambda: not any(map(established, workers_of(server))), 10, "all are closed")
    return fewest


def workers_of(server: WebServer) -> list[psutil.Process]:
    return psutil.Process(server.process.pid).children()


def established(worker: psutil.Process) -> bool:
    return any(line.status == psutil.CONN_ESTABLISHED for line in worker.net_connections("tcp"))


def ask(client: http.client.HTTPConnection) -> None:
    client.request("GET", "/healthz")
    assert client.getresponse().read()
