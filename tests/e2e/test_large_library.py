"""A library of 2,000 photos: how soon a slow device shows it, and what scrolling through all of it shows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.browser import OpenPage, Screen, complaints, wait_for_pictures
from tests.e2e.conftest import RealAlbum, installed_album

PHOTOS = 2000
LCP_MAX_MS, OWN_MAX_BYTES = 4500, 100_000
"""Measured: 1260 to 1710 ms on a quiet machine of two cores, 2026-11. Here other tests share them."""
SLOW_DOWN = 4
TRIES = 3
"""Other work on this machine only ever makes a page later: the best of a few tells what the page itself needs."""
TALL = Screen("tall", 1280, 2400)
STRIDE_PX, TILES_MAX = 2200, 300

MAKE_LIBRARY = """
    import os, random, shutil
    from datetime import UTC, datetime, timedelta
    from django.contrib.auth.models import User
    from album.models import MediaItem
    from album.preparation.paths import rendition_path
    from tests.cast import make_photo, scene_bytes
    alice, dice, at = User.objects.get(username="alice"), random.Random(1), datetime(2026, 11, 1, 18, tzinfo=UTC)
    shapes = ((1200, 900), (900, 1200), (1600, 900), (1000, 1000))
    drawn = [make_photo(alice, content=scene_bytes(seed=n, size_px=shapes[n % 4])) for n in range(24)]
    same = "kind mime_type size_bytes width_px height_px placeholder preview_status prepared_at".split()
    rows = []
    for n in range({count} - len(drawn)):
        at -= timedelta(minutes=dice.choice((1, 2, 5, 120)) if dice.random() < .9 else 5000)
        values = {{name: getattr(drawn[n % 24], name) for name in same}}
        rows.append(MediaItem(owner=alice, original=drawn[n % 24].original.name, original_name=f"IMG_{{n:04}}.jpg",
                              sha256=f"{{n:064x}}", timeline_at=at, **values))
        shutil.copytree(rendition_path(drawn[n % 24], ""), rendition_path(rows[n], ""), copy_function=os.link)
    MediaItem.objects.bulk_create(rows)
"""
LARGEST_PAINT = """() => new Promise((told) => new PerformanceObserver((list) => {
    const last = list.getEntries().at(-1); told([last.startTime, last.url, last.size]);
}).observe({type: "largest-contentful-paint", buffered: true}))"""
OWN_FILES = """() => performance.getEntriesByType("resource")
    .filter(({name}) => /\\/static\\/album\\/.*\\.(js|css)$/.test(name))
    .map(({name, encodedBodySize}) => [name.split("/").at(-1), encodedBodySize])"""

IS_FILLED = """() => {
    const around = document.querySelector("[data-grid]").getBoundingClientRect(), heading = 60;
    const boxes = [...document.querySelectorAll("[data-grid] .tile")].map((tile) => tile.getBoundingClientRect());
    for (let y = Math.max(around.top, 0) + heading; y < Math.min(around.bottom, innerHeight); y += 20) {
        if (!boxes.some(({top, bottom}) => top - heading <= y && y <= bottom + heading)) return false;
    }
    return true; }"""


@pytest.fixture(scope="module")
def album(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealAlbum]:
    folder: Path = tmp_path_factory.mktemp("large")
    with installed_album(folder, CELERY_BROKER_URL="filesystem://localhost") as album:
        album.python(MAKE_LIBRARY.format(count=PHOTOS))
        yield album


@pytest.fixture(scope="module")
def alice(album: RealAlbum, chromium: Browser) -> object:
    """Her cookies, for sessions that have nothing else yet."""
    context = chromium.new_context()
    state = album.sign_in(context.new_page(), "alice").context.storage_state()
    context.close()
    return state


def test_the_first_photos_are_seen_early_on_a_slow_device(
    album: RealAlbum, alice: object, open_page: OpenPage
) -> None:
    tries = []
    for _ in range(TRIES):
        page = open_page(storage_state=alice)
        page.context.new_cdp_session(page).send("Emulation.setCPUThrottlingRate", {"rate": SLOW_DOWN})
        page.goto(album.url, wait_until="networkidle")
        page.wait_for_timeout(1000)
        tries.append(page.evaluate(LARGEST_PAINT))
        page.context.close()
    assert "/thumbnail/" in min(tries)[1], tries
    assert min(tries)[0] <= LCP_MAX_MS, tries


def test_what_the_timeline_fetches_of_our_own_is_small(
    album: RealAlbum, alice: object, open_page: OpenPage
) -> None:
    page = open_page(storage_state=alice)
    page.goto(album.url, wait_until="networkidle")
    page.locator("[data-grid] .tile a").first.click()
    expect(page.locator(".pswp--open")).to_be_visible()
    sizes = dict(page.evaluate(OWN_FILES))
    assert {name.partition(".")[0] for name in sizes} >= {"album", "app", "grid", "lightbox"}
    assert 10_000 < sum(sizes.values()) <= OWN_MAX_BYTES, sizes


def test_scrolling_shows_every_photo_and_keeps_few_elements(
    album: RealAlbum, alice: object, open_page: OpenPage
) -> None:
    page = open_page(TALL, storage_state=alice)
    page.goto(album.url)
    page.wait_for_function("() => document.querySelector('[data-grid]').grid?.scrubber")  # it knows how long it is
    seen: dict[int, None] = {}
    while True:
        page.wait_for_function(IS_FILLED)
        wait_for_pictures(page)
        ids = page.evaluate("[...document.querySelectorAll('[data-grid] .tile')].map((tile) => +tile.dataset.id)")
        assert 0 < len(ids) <= TILES_MAX
        seen |= dict.fromkeys(ids)
        if is_at_end(page):
            break
        # At once: of a wheel that turns again before the page stands still, nobody knows where it stops.
        page.evaluate("(stride) => scrollBy({top: stride, behavior: 'instant'})", STRIDE_PX)
        page.evaluate("() => new Promise((told) => requestAnimationFrame(() => requestAnimationFrame(told)))")
    wanted = album.installation.ask("list(MediaItem.objects.values_list('pk', flat=True))")
    assert len(wanted) == PHOTOS
    assert sorted(seen) == sorted(wanted)
    assert complaints(page) == []


def is_at_end(page: Page) -> bool:
    return bool(page.evaluate("scrollY + innerHeight >= document.documentElement.scrollHeight - 2"))
