"""``scripts/bench web``: what pages cost with 100,000 items in SQLite, two web processes and eight clients.

Ends with status 1 where a target is missed. Server and clients share the cores of one machine, over loopback.
"""

from __future__ import annotations

import json
import re
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from statistics import quantiles
from typing import Any

import psutil

from tests.benchmarks import web_files, web_paint, web_search
from tests.benchmarks.command import Part, run_parts
from tests.benchmarks.measuring import MB, Figure
from tests.benchmarks.parts import installed
from tests.faults.installation import Installation
from tests.faults.web import Member, WebServer, make_alice

CLIENTS, WORKERS = 8, 2
ROWS = "100"
RECEIVE_BYTES = 1 << 20
LIMIT_MS = 1.3
"""What a plain view cost on the machine for which the targets in milliseconds were set."""
MAKE_LIBRARY = """
    import random
    from datetime import UTC, datetime, timedelta
    from django.contrib.auth.models import User
    from album.models import Favourite, MediaItem
    alice, at, dice = User.objects.get(username="alice"), datetime(2026, 11, 1, 18, tzinfo=UTC), random.Random(1)
    things = "a dog|two people|an old house|a red car|a child|a boat|some flowers|a table with food".split("|")
    places = "on a beach|in a garden|in the snow|at night|by a lake|in a street|on a mountain".split("|")
    for start in range(0, {count}, 5000):
        rows = []
        for n in range(start, min(start + 5000, {count})):
            at -= timedelta(minutes=dice.choice((1, 2, 5, 120)) if dice.random() < .9 else 900)
            rows.append(MediaItem(
                owner=alice, kind="video" if n % 20 == 0 else "photo", duration_s=12.5 if n % 20 == 0 else None,
                sha256=f"{{n:064x}}", original=f"originals/{{n:064x}}.jpg", original_name=f"IMG_{{n}}.jpg",
                size_bytes=3_000_000, mime_type="image/jpeg", width_px=4032, height_px=3024, timeline_at=at,
                preview_status="ready", placeholder="LGF5?xYk^6#M@-5c,1J5@[or[Q6.", processing_status="completed",
                ai_description=f"{{dice.choice(things)}} {{dice.choice(places)}}",
            ))
        MediaItem.objects.bulk_create(rows)
    liked = MediaItem.objects.filter(pk__in=range(1, {count}, 20)).values_list("pk", flat=True)
    Favourite.objects.bulk_create(Favourite(user=alice, item_id=pk) for pk in liked)
"""
COUNT_QUERIES = """
    import json
    from django.contrib.auth.models import User
    from django.db import connection
    from django.test import Client
    from django.test.utils import CaptureQueriesContext
    client = Client(HTTP_HOST="127.0.0.1")
    client.force_login(User.objects.get(username="alice"))
    counts = []
    for address in {addresses}:
        with CaptureQueriesContext(connection) as queries:
            assert client.get(address).status_code == 200
        counts.append(len(queries))
    print(json.dumps(counts))
"""


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured."""

    rows: int
    requests: int


@dataclass(frozen=True, slots=True)
class Load:
    """What a number of requests took: CPU of all web processes for each, waiting time of 95 in 100 clients."""

    cpu_ms: float
    p95_ms: float
    per_second: float

    @property
    def note(self) -> str:
        return f"{self.per_second:.0f} requests/s"


@contextmanager
def library(rows: int) -> Iterator[Installation]:
    """An installation in which alice has ``rows`` items without files, and its web server is yet to be started."""
    with installed(CELERY_BROKER_URL="filesystem://localhost") as installation:
        make_alice(installation)
        installation.python(MAKE_LIBRARY.format(count=rows))
        yield installation


def load(server: WebServer, member: Member, addresses: Sequence[str], requests: int) -> Load:
    """The addresses in turn, asked for by ``CLIENTS`` at once, each over one connection, as browsers do."""
    processes = family(server)
    before, started = sum(map(_cpu_s, processes)), time.monotonic()
    each = [addresses[n % len(addresses)] for n in range(requests)]
    with ThreadPoolExecutor(CLIENTS) as pool:
        waited = pool.map(lambda place: _ask(server.port, member, each[place::CLIENTS]), range(CLIENTS))
        waits_ms = [wait for waits in waited for wait in waits]
    wall_s, cpu_s = time.monotonic() - started, sum(map(_cpu_s, processes)) - before
    return Load(cpu_s / requests * 1000, quantiles(waits_ms, n=20)[-1], requests / wall_s)


def family(server: WebServer) -> list[psutil.Process]:
    """The web processes and the one that watches over them."""
    main = psutil.Process(server.process.pid)
    return [main, *main.children(recursive=True)]


def largest_mb(server: WebServer) -> float:
    """The memory of the largest web process, what it shares counted in part (PSS)."""
    return float(max(process.memory_full_info().pss for process in family(server))) / MB


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _ask(port: int, member: Member, addresses: Sequence[str]) -> list[float]:
    """By hand: ``http.client`` would take much of the cores that the server is measured on."""
    cookies = "; ".join(f"{name}={value}" for name, value in member.cookies.items())
    waits_ms = []
    with socket.create_connection(("127.0.0.1", port), timeout=60) as line:
        for address in addresses:
            started = time.perf_counter()
            line.sendall(f"GET {address} HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: {cookies}\r\n\r\n".encode())
            head, body = _answer(line)
            waits_ms.append((time.perf_counter() - started) * 1000)
            if not head.startswith(b"HTTP/1.1 200 "):
                raise RuntimeError(f"{address} was answered with {head[:300]!r} {body[:300]!r}")
    return waits_ms


def _answer(line: socket.socket) -> tuple[bytes, bytes]:
    """Head and body of an answer that tells its length."""
    data = b""
    while b"\r\n\r\n" not in data:
        if not (piece := line.recv(RECEIVE_BYTES)):
            raise RuntimeError(f"the server hung up after {data[:300]!r}")
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
    if length is None:
        raise RuntimeError(f"an answer of unknown length: {head!r}")
    while len(body) < int(length[1]):
        if not (piece := line.recv(RECEIVE_BYTES)):
            raise RuntimeError(f"the server hung up within {head!r}")
        body += piece
    return head, body


def timeline(size: Size) -> Iterator[Figure]:
    """Pages and pieces of the timeline, at its beginning and deep in it."""
    rest = f"of {size.rows:,} items"
    with library(size.rows) as installation, WebServer(installation, workers=WORKERS) as server:
        member = server.alice()
        yield Figure("web process at rest", largest_mb(server), "MB", most=100, note="the largest, PSS")
        first = f"/timeline/items/?limit={ROWS}"
        deep = f"{first}&before={_place(member, size.rows * 9 // 10)}"
        found = installation.python(COUNT_QUERIES.format(addresses=[first, deep, "/", "/timeline/months/"]))
        for name, count in zip(
            ("JSON", "deep JSON", "page", "months"), json.loads(found.splitlines()[-1]), strict=True
        ):
            yield Figure(f"queries of the {name}", count, most=6)
        load(server, member, [first, deep, "/"], 200)  # warm
        shallow, far = (load(server, member, [address], size.requests) for address in (first, deep))
        yield Figure(f"JSON of {ROWS} rows, CPU", shallow.cpu_ms, "ms", most=2, note=shallow.note)
        yield Figure(f"JSON of {ROWS} rows, p95", shallow.p95_ms, "ms", most=40)
        limit = _limit(installation, member, size.requests)
        ratio, note = shallow.cpu_ms / limit.cpu_ms, f"which take {limit.cpu_ms:.2f} ms here"
        yield Figure(
            "the same / a plain Django view of the same rows, CPU", ratio, "x", most=2 / LIMIT_MS, note=note
        )
        yield Figure(
            f"the same at nine tenths {rest} / at the first, CPU", far.cpu_ms / shallow.cpu_ms, "x", most=1.15
        )
        yield Figure("the same, p95", far.p95_ms, "ms", most=40, note=far.note)
        page = load(server, member, ["/"], size.requests // 2)
        yield Figure("first page, p95", page.p95_ms, "ms", most=60, note=page.note)
        yield Figure("first page, CPU", page.cpu_ms, "ms")
        months = load(server, member, ["/timeline/months/"], size.requests // 8)
        yield Figure(f"months {rest}, CPU", months.cpu_ms, "ms", note=f"p95 {months.p95_ms:.0f} ms")
        yield Figure("web process after that", largest_mb(server), "MB", most=150, note="the largest, PSS")


def _limit(installation: Installation, member: Member, requests: int) -> Load:
    """The same load on ``web_limit``, with the session of ``member``."""
    application, settings = "django.core.wsgi:get_wsgi_application()", "tests.benchmarks.web_limit"
    with WebServer(
        installation, application=application, workers=WORKERS, DJANGO_SETTINGS_MODULE=settings
    ) as server:
        asked = replace(member, port=server.port)
        load(server, asked, ["/timeline/items/"], 200)
        return load(server, asked, ["/timeline/items/"], requests)


def _place(member: Member, depth: int) -> str:
    """The cursor of an item about so deep in the timeline, found by its month."""
    months: list[Any] = json.loads(member.get("/timeline/months/")[1])
    passed = 0
    for month, count in months:
        passed += count
        if passed >= depth:
            answer = json.loads(member.get(f"/timeline/items/?month={month}&limit=50")[1])
            return str(answer["next"])
    raise RuntimeError(f"the timeline is not {depth} deep")


def search(size: Size) -> Iterator[Figure]:
    with library(size.rows) as installation:
        yield from web_search.figures(size, installation)


PARTS: dict[str, Part[Size]] = {
    "timeline": ("Timeline", timeline),
    "search": ("Search", search),
    "files": ("Thumbnails", lambda size: web_files.figures()),
    "paint": ("Timeline in a browser", lambda size: web_paint.figures()),
}


def main(arguments: list[str]) -> int:
    return run_parts(
        PARTS,
        arguments,
        about="scripts/bench web: what pages cost with 100,000 items in SQLite, 2 web processes and 8 clients",
        sizes=(Size(100_000, 2000), Size(20_000, 400)),
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
