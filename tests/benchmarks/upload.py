"""The upload endpoint against a bare loop that writes and syncs the same bytes, and against a bare receiver."""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event
from typing import Any

import psutil

from tests.benchmarks.measuring import Figure, in_turns, median_ratio, pss_mib
from tests.benchmarks.parts import installed
from tests.faults.web import WebServer, make_alice

FILES, FILE_BYTES, CLIENTS, ROUNDS = 200, 4_000_000, 4, 5
LARGE_BYTES = 800_000_000
CHUNK_BYTES = 1_000_000
SINK_BYTES = 256 * 1024
SAMPLE_S = 0.02
NOISE = b"\xff\xd8\xff" + secrets.token_bytes(CHUNK_BYTES - 3)
"""A chunk of something that begins like a JPEG; nothing in it can be compressed or shared."""


def figures() -> Iterator[Figure]:
    """Throughput and memory of ``/upload/``, served as scripts/run serves it."""
    with _server() as server:
        clients = [server.alice() for _ in range(CLIENTS)]
        media = server.log.parent / "var" / "media"
        bare, four, sunk, taken = in_turns(
            ROUNDS,
            lambda: _throughput(server.log.parent / "bare", _write, 1),
            lambda: _throughput(server.log.parent / "bare", _write),
            lambda: _throughput(server.log.parent / "bare", _sink),
            lambda: _throughput(
                media / "originals", lambda _, number: _upload(clients[number % CLIENTS], *_pieces(FILE_BYTES))
            ),
        )
        note = f"{max(taken):.0f} of {max(bare):.0f} MB/s at best"
        ratio = median_ratio(taken, bare)
        yield Figure(f"Upload: {FILES} files of 4 MB from {CLIENTS} clients", ratio, "x", least=0.70, note=note)
        ratio, note = median_ratio(taken, four), f"{max(four):.0f} MB/s at best"
        yield Figure("the same against four bare loops at once", ratio, "x", note=note)
        ratio, note = median_ratio(taken, sunk), f"{max(sunk):.0f} MB/s at best"
        yield Figure("the same against a bare sink: socket, SHA-256, write, sync", ratio, "x", note=note)

        idle_mib = pss_mib(server.process.pid)
        with _sampled(lambda: pss_mib(server.process.pid)) as sampled:
            _upload(clients[0], *_pieces(LARGE_BYTES))
        grown = (max(sampled) - idle_mib) * 2**20 / 1e6
        yield Figure("Upload of 800 MB: memory above idle", grown, "MB", most=20, note=f"idle {idle_mib:.0f} MiB")


@contextmanager
def _server() -> Iterator[WebServer]:
    with installed(CELERY_BROKER_URL="filesystem://localhost") as installation:
        make_alice(installation)
        with WebServer(installation) as server:
            yield server


def _pieces(size_bytes: int) -> tuple[bytes, ...]:
    """The chunks of a file that was never there before."""
    return (NOISE[:-32] + secrets.token_bytes(32), *[NOISE] * (size_bytes // CHUNK_BYTES - 1))


def _throughput(folder: Path, store: Callable[[Path, int], None], clients: int = CLIENTS) -> float:
    """MB/s of storing all files from all clients at once. ``folder`` is empty again afterwards."""
    folder.mkdir(parents=True, exist_ok=True)
    os.sync()
    started = time.monotonic()
    with ThreadPoolExecutor(clients) as pool:
        list(pool.map(store, [folder] * FILES, range(FILES)))
    seconds = time.monotonic() - started
    shutil.rmtree(folder)
    return FILES * FILE_BYTES / 1e6 / seconds


def _write(folder: Path, number: int) -> None:
    with (folder / str(number)).open("wb", buffering=0) as file:
        for piece in _pieces(FILE_BYTES):
            file.write(piece)
        os.fsync(file.fileno())


def _sink(folder: Path, number: int) -> None:
    """What no receiver can do without: a socket, the hash, the disk. No HTTP, no form, no login, no row."""
    here, there = socket.socketpair()
    digest, buffer = hashlib.sha256(), bytearray(SINK_BYTES)
    with ThreadPoolExecutor(1) as pool, here, there, (folder / str(number)).open("wb", buffering=0) as file:
        sent = pool.submit(here.sendall, b"".join(_pieces(FILE_BYTES)))
        missing = FILE_BYTES
        while missing:
            piece = memoryview(buffer)[: there.recv_into(buffer)]
            digest.update(piece)
            file.write(piece)
            missing -= len(piece)
        os.fsync(file.fileno())
        sent.result()


def _upload(client: Any, *pieces: bytes) -> None:
    status, answer = client.upload_raw("a.jpg", *pieces)
    if status != 201:
        raise RuntimeError(f"the upload was answered with {status}: {answer}")


@contextmanager
def _sampled(value: Callable[[], float]) -> Iterator[list[float]]:
    """The values that it had during the block."""
    ended, samples = Event(), [value()]

    def sample() -> None:
        while not ended.wait(SAMPLE_S):
            with suppress(psutil.Error):
                samples.append(value())

    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(sample)
        try:
            yield samples
        finally:
            ended.set()
            done.result()
