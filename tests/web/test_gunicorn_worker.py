"""Connections that come at once are shared by the web processes."""

from __future__ import annotations

import http.client
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path
from statistics import median

import psutil

from tests.faults.installation import Installation
from tests.faults.web import WebServer

CONNECTIONS, TIMES = 8, 5


def test_no_process_takes_all_connections_of_a_browser(tmp_path: Path) -> None:
    installation = Installation(tmp_path)
    try:
        with WebServer(installation) as server:
            fewest = [fewest_of_a_worker(server) for _ in range(TIMES)]
    finally:
        installation.end()
    assert median(fewest) >= 2, f"one process takes nearly all {CONNECTIONS}: {fewest}"


def fewest_of_a_worker(server: WebServer) -> int:
    """How many of connections that are opened at once the process with the fewest has, each after one answer."""
    with ExitStack() as stack, ThreadPoolExecutor(CONNECTIONS) as pool:
        clients = [http.client.HTTPConnection("127.0.0.1", server.port, timeout=30) for _ in range(CONNECTIONS)]
        for client in clients:
            stack.enter_context(closing(client))
        list(pool.map(ask, clients))
        ports = {client.sock.getsockname()[1] for client in clients}
        workers = psutil.Process(server.process.pid).children()
        return min(
            sum(bool(line.raddr) and line.raddr.port in ports for line in worker.net_connections("tcp"))
            for worker in workers
        )


def ask(client: http.client.HTTPConnection) -> None:
    client.request("GET", "/healthz")
    assert client.getresponse().read()
