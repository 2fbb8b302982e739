"""What a small picture costs the web processes behind nginx, and what Django's whole rule costs instead."""

from __future__ import annotations

import http.client
import json
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from statistics import quantiles

import psutil

from tests.benchmarks.measuring import Figure
from tests.benchmarks.parts import installed
from tests.faults.installation import Installation
from tests.faults.web import Member, WebServer, make_alice
from tests.web.nginx import PREFIX, Nginx

CLIENTS, REQUESTS = 8, 4000
MAKE_PHOTO = """
    import io
    from django.contrib.auth.models import User
    from album.preparation.prepare import prepare_item
    from album.services.ingest import ingest_upload
    from tests.cast import scene_bytes
    photo = io.BytesIO(scene_bytes(size_px=(2000, 1500)))
    prepare_item(ingest_upload(owner=User.objects.get(), file=photo, name="a.jpg").item)
"""


def figures() -> Iterator[Figure]:
    """CPU of the web processes and waiting time of the clients, for each way to have a thumbnail."""
    yield from _with_nginx()
    yield from _alone()


def _with_nginx() -> Iterator[Figure]:
    with (
        _with_a_photo(X_ACCEL_REDIRECT_PREFIX=PREFIX) as installation,
        WebServer(installation) as server,
        Nginx(installation.folder / "site", server.port, installation.folder / "var" / "media") as nginx,
    ):
        member, granted = _signed_in(nginx.port)
        yield _figure("Thumbnail behind nginx, by grant", server, member, granted, most=0.3)
        plain = granted.split("&g=")[0]
        yield _figure("the same by session and the whole rule", server, member, plain)


def _alone() -> Iterator[Figure]:
    with _with_a_photo() as installation, WebServer(installation) as server:
        member, granted = _signed_in(server.port)
        yield _figure("Thumbnail without nginx, by grant", server, member, granted)


@contextmanager
def _with_a_photo(**env: str) -> Iterator[Installation]:
    with installed(CELERY_BROKER_URL="filesystem://localhost", **env) as installation:
        make_alice(installation)
        installation.python(MAKE_PHOTO)
        yield installation


def _signed_in(port: int) -> tuple[Member, str]:
    member = Member(port).sign_in()
    return member, str(json.loads(member.get("/timeline/items/")[1])["rows"][0]["picture"])


def _figure(name: str, server: WebServer, member: Member, address: str, most: float | None = None) -> Figure:
    _load(member, address, REQUESTS // 10)
    before = _cpu_s(server.process.pid)
    waits_ms = _load(member, address, REQUESTS)
    cpu_ms = (_cpu_s(server.process.pid) - before) * 1000 / len(waits_ms)
    p95 = quantiles(waits_ms, n=20)[-1]
    return Figure(name, cpu_ms, "ms", most=most, note=f"CPU; p95 {p95:.1f} ms with {CLIENTS} clients")


def _load(member: Member, address: str, count: int) -> list[float]:
    """How long each of ``count`` requests took, in milliseconds, over connections that stay open."""
    headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in member.cookies.items())}

    def ask(number: int) -> list[float]:
        waits = []
        connection = http.client.HTTPConnection("127.0.0.1", member.port, timeout=30)
        for _ in range(number):
            started = time.perf_counter()
            connection.request("GET", address, headers=headers)
            answer = connection.getresponse()
            if answer.status != 200 or not answer.read():
                raise RuntimeError(f"{address} was answered with {answer.status}")
            waits.append((time.perf_counter() - started) * 1000)
        connection.close()
        return waits

    with ThreadPoolExecutor(CLIENTS) as pool:
        return [wait for waits in pool.map(ask, [count // CLIENTS] * CLIENTS) for wait in waits]


def _cpu_s(pid: int) -> float:
    """CPU seconds of a process and its children so far, in user and kernel."""
    parent = psutil.Process(pid)
    return sum(sum(process.cpu_times()[:2]) for process in (parent, *parent.children(recursive=True)))


if __name__ == "__main__":
    for figure in figures():
        sys.stdout.write(f"{figure}\n")
