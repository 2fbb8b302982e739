"""A library of 2,000 photos: how soon a slow device shows it, and what scrolling through all of it shows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.e2e.browser import DESKTOP, PHONE, OpenPage, Screen, complaints, wait_for_pictures
from tests.e2e.conftest import RealAlbum, installed_album
from tests.e2e.large_library import LARGEST_PAINT, MAKE_LIBRARY, OWN_FILES, SLOW_DOWN

PHOTOS = 2000
LCP_MAX_MS, OWN_MAX_BYTES = 4500, 100_000
"""The target of 1,500 ms is measured by ``scripts/bench web --only paint``. Here other tests share the cores."""
TRIES = 3
"""Other work on this machine only ever makes a page later: the best of a few tells what the page itself needs."""
TALL = Screen("tall", 1280, 2400)
STRIDE_PX, TILES_MAX = 2200, 300

IS_FILLED = """() => {
    const around = document.querySelector("[data-grid]").getBoundingClientRect(), heading = 60;
    const boxes = [...document.querySelectorAll("[data-grid] .tile")].map((tile) => tile.getBoundingClientRect());
    for (let y = Math.max(around.top, 0) + heading; y < Math.min(around.bottom, innerHeight); y += 20) {
        if (!boxes.some(({top, bottom}) => top - heading <= y && y <= bottom + heading)) return false;
    }
    return true; }"""

ALL_IDS = """async () => {
    const {grid} = document.querySelector("[data-grid]"), ids = [];
    for (let at = 0, row; (row = await grid.load(at)); at++) ids.push(row.id);
    return ids; }"""
COVERED = """() => {
    const found = [];
    for (const element of document.querySelectorAll("main :is(a, button)")) {
        const {left, right, top, bottom} = element.getBoundingClientRect(), middle = (top + bottom) / 2;
        if (right === left || middle < 100 || middle > innerHeight - 100) continue;
        const seen = document.elementFromPoint(right - 3, middle);
        if (seen?.closest(".scrubber") && !seen.closest(".scrubber-thumb")) found.push(element.outerHTML);
    }
    return found; }"""
"""Links and buttons that the bar of months takes the clicks from. On phones its thumb may lie above some."""
WITHOUT_PAUSES = """
    const soon = window.setTimeout;
    window.setTimeout = (act, wait, ...more) => (wait >= 1000 ? 0 : soon(act, wait, ...more));"""


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


@pytest.mark.parametrize("screen", [DESKTOP, Screen("tablet", 768, 1024), PHONE], ids=lambda screen: screen.name)
def test_nothing_lies_below_the_bar_of_months(
    album: RealAlbum, alice: object, open_page: OpenPage, screen: Screen
) -> None:
    page = open_page(screen, storage_state=alice)
    page.goto(album.url)
    bar = page.get_by_role("slider", name="Dates")
    expect(bar).to_be_visible()
    wait_for_pictures(page)
    assert page.evaluate(COVERED) == []
    page.evaluate("() => scrollTo({top: 500, behavior: 'instant'})")
    page.wait_for_function(IS_FILLED)
    assert page.evaluate(COVERED) == []
    thumb = bar.locator(".scrubber-thumb")
    place = thumb.bounding_box()
    assert place is not None
    before = page.evaluate("scrollY")
    page.mouse.move(place["x"] + 2, place["y"] + place["height"] / 2)
    page.mouse.down()
    page.mouse.move(place["x"] + 2, place["y"] + 250)
    page.mouse.up()
    assert page.evaluate("scrollY") > before + 2000
    months = []
    for key in ("Home", "ArrowDown", "ArrowDown", "PageDown", "ArrowDown", "PageUp"):
        bar.press(key)
        page.evaluate("() => new Promise((told) => requestAnimationFrame(() => requestAnimationFrame(told)))")
        page.wait_for_function(IS_FILLED)  # how high a month is shows when its pictures are known
        page.wait_for_load_state("networkidle")
        months.append(bar.get_attribute("aria-valuetext"))
    assert len(set(months[:5])) == 5, months
    assert months[5] == months[0], "the year before begins where the timeline does"


def test_months_that_could_not_be_fetched_are_asked_for_again_and_hide_nothing(
    album: RealAlbum, alice: object, open_page: OpenPage
) -> None:
    page, tries, is_away = open_page(storage_state=alice, service_workers="block"), [], True

    def answer(route: Route) -> None:
        tries.append(route.request.url)
        route.abort("connectionrefused") if is_away else route.continue_()

    page.route("**/timeline/months/", answer)
    page.goto(album.url)
    page.wait_for_function("() => document.querySelector('[data-grid]').grid?.count")
    page.evaluate("() => document.querySelector('[data-grid]').grid.load(250)")  # read on meanwhile
    is_away = False
    page.wait_for_function("() => document.querySelector('[data-grid]').grid.scrubber")
    assert len(tries) > 1
    expect(page.get_by_role("slider", name="Dates")).to_be_visible()
    ids = page.evaluate(ALL_IDS)
    assert ids == album.installation.ask(
        "list(MediaItem.objects.order_by('-timeline_at', '-pk').values_list('pk', flat=True))"
    )


def test_months_are_asked_for_as_soon_as_the_connection_is_back(
    album: RealAlbum, alice: object, open_page: OpenPage
) -> None:
    page, tries = open_page(storage_state=alice, service_workers="block"), []
    page.add_init_script(WITHOUT_PAUSES)

    def answer(route: Route) -> None:
        tries.append(route.request.url)
        route.abort("connectionrefused") if len(tries) == 1 else route.continue_()

    page.route("**/timeline/months/", answer)
    page.goto(album.url, wait_until="networkidle")
    page.context.set_offline(True)
    page.context.set_offline(False)
    expect(page.get_by_role("slider", name="Dates")).to_be_visible()
    assert len(tries) == 2


def test_a_tile_keeps_the_focus_when_the_months_come(album: RealAlbum, alice: object, open_page: OpenPage) -> None:
    page, waiting = open_page(storage_state=alice, service_workers="block"), list[Route]()

    def hold(route: Route) -> None:
        waiting.append(route)

    page.route("**/timeline/months/", hold)
    page.goto(album.url)
    page.locator("[data-grid] .tile a").nth(1).focus()
    page.wait_for_timeout(100)  # the request is there by now, or comes while the next line waits
    page.wait_for_function("() => document.activeElement.closest('.tile')")
    waiting[0].continue_()
    expect(page.get_by_role("slider", name="Dates")).to_be_visible()
    assert page.evaluate("[...document.querySelectorAll('.tile a')].indexOf(document.activeElement)") == 1


def test_what_was_chosen_before_the_scripts_came_stays_chosen(
    album: RealAlbum, alice: object, open_page: OpenPage
) -> None:
    made = "Album.objects.create(owner=User.objects.get(username='alice'), title='Chosen').pk"
    pk = album.installation.ask(made)
    page = open_page(storage_state=alice)
    page.goto(f"{album.url}/albums/{pk}/add/")
    first, second, third = page.evaluate(
        "[...document.querySelectorAll('.tile')].slice(0, 3).map((tile) => tile.dataset.id)"
    )
    with page.expect_navigation():  # as the button does that is there without scripts
        page.evaluate(
            """(ids) => {
                const form = document.getElementById("chosen");
                form.elements.ids.value = ids;
                form.insertAdjacentHTML("beforeend", '<input type="hidden" name="leaf">');
                form.submit(); }""",
            f"{first},{second}",
        )
    expect(page.locator("#chosen output")).to_have_text("Selected: 2")
    page.locator(f".tile[data-id='{third}'] a").click()
    expect(page.locator("#chosen output")).to_have_text("Selected: 3")
    page.locator("#chosen").get_by_role("button", name="Add").click()
    expect(page).to_have_url(f"{album.url}/albums/{pk}/")
    held = album.installation.ask(f"sorted(Album.objects.get(pk={pk}).items.values_list('pk', flat=True))")
    assert held == sorted(map(int, (first, second, third)))


def is_at_end(page: Page) -> bool:
    return bool(page.evaluate("scrollY + innerHeight >= document.documentElement.scrollHeight - 2"))
