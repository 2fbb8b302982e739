"""When a slow device has painted the largest picture of the timeline: a real Chromium, real files."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from statistics import median

from playwright.sync_api import Browser, sync_playwright

from tests.benchmarks.measuring import Figure
from tests.benchmarks.parts import installed
from tests.e2e.large_library import CHROMIUM_FLAGS, LARGEST_PAINT, MAKE_LIBRARY, OWN_FILES, SLOW_DOWN
from tests.faults.web import WebServer, make_alice

PHOTOS, TRIES = 2000, 15
SETTLED_MS = 1000


def figures() -> Iterator[Figure]:
    """When the largest picture is painted, and how much of our own is fetched for it. All share the same cores."""
    with installed(CELERY_BROKER_URL="filesystem://localhost") as installation:
        make_alice(installation)
        installation.manage("collectstatic", "--no-input", "--verbosity", "0")
        installation.python(MAKE_LIBRARY.format(count=PHOTOS))
        with WebServer(installation) as server, sync_playwright() as playwright:
            chromium = playwright.chromium.launch(
                executable_path=shutil.which("chromium"), args=list(CHROMIUM_FLAGS)
            )
            cookies = server.alice().cookies
            seen = [_look(chromium, f"http://127.0.0.1:{server.port}/", cookies) for _ in range(TRIES)]
    paints_ms, own_bytes = zip(*seen, strict=True)
    note = f"median of {TRIES}, {min(paints_ms):.0f} to {max(paints_ms):.0f}"
    yield Figure(f"Largest paint, {SLOW_DOWN} times slower", median(paints_ms), "ms", most=1500, note=note)
    yield Figure("Scripts and styles of our own, compressed", max(own_bytes) / 1000, "kB", most=100)


def _look(chromium: Browser, address: str, cookies: dict[str, str]) -> tuple[float, int]:
    """When the largest picture was painted, in ms, and the bytes of our scripts and styles; nothing was cached."""
    context = chromium.new_context(viewport={"width": 1280, "height": 800})
    try:
        context.add_cookies([{"name": name, "value": value, "url": address} for name, value in cookies.items()])
        page = context.new_page()
        context.new_cdp_session(page).send("Emulation.setCPUThrottlingRate", {"rate": SLOW_DOWN})
        page.goto(address, wait_until="networkidle")
        page.wait_for_timeout(SETTLED_MS)
        painted_ms, picture = page.evaluate(LARGEST_PAINT)
        if "/thumbnail/" not in picture:
            raise RuntimeError(f"the largest paint is no picture but {picture!r}")
        return float(painted_ms), sum(size for _, size in page.evaluate(OWN_FILES))
    finally:
        context.close()
