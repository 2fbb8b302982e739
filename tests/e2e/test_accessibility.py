"""Every main page, on a desktop and on a phone, light and dark: axe, no sideways scrolling, keyboard."""

from __future__ import annotations

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect

from album.models import Album, Favourite, MediaItem, StageResult
from tests.cast import Cast, make_photo
from tests.e2e.browser import DESKTOP, KEPT, PHONE, Screen, SignIn, complaints, overflow_px, violations

pytestmark = pytest.mark.django_db(transaction=True)

MAIN = (
    *("timeline", "albums", "album", "photo_detail", "favourites", "archive", "trash", "search", "map"),
    *("memories", "people", "statistics", "upload", "account", "process_photos_ai", "process_videos_ai"),
    *("ai_settings", "status"),
)
"""Pages of members and of administrators; those of visitors without an account follow below."""


@pytest.fixture
def library(live_cast: Cast) -> Cast:
    """Some of everything, in the hands of a site administrator, who sees all pages."""
    owner = live_cast.admin
    places = {"latitude_deg": 47.4, "longitude_deg": 9.2, "country": "Switzerland", "city": "Appenzell"}
    album = Album.objects.create(title="Holiday in the mountains", owner=owner)
    items = [make_photo(owner, seed=seed, album=album if seed < 5 else None) for seed in range(8)]
    MediaItem.objects.filter(pk=items[0].pk).update(
        ai_description="two red circles on a blue background", ai_weights="tiny-blip", **places
    )
    MediaItem.objects.filter(pk=items[1].pk).update(processing_status="failed")
    StageResult.objects.create(item=items[1], stage="caption", state="failed", attempts=3, error="It is damaged.")
    Favourite.objects.create(user=owner, item=items[0])
    return live_cast


def address(name: str) -> str:
    if name == "album":
        return reverse("album:album", args=[Album.objects.latest("pk").pk])
    if name == "photo_detail":
        return reverse("album:photo_detail", args=[MediaItem.objects.earliest("pk").pk])
    return reverse(f"album:{name}")


def faults(page: Page, name: str, screen: Screen, theme: str) -> list[str]:
    """What is wrong with the open page, in words: width, axe, console. A picture of it is kept."""
    page.wait_for_load_state("networkidle")
    KEPT.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=KEPT / f"page-{name}-{screen.name}-{theme}.png")
    wide = overflow_px(page)
    found = [f"{wide} px wider than the screen"] if wide > 0 else []
    return [f"{name}: {fault}" for fault in (*found, *violations(page), *complaints(page))]


@pytest.mark.parametrize("screen", [DESKTOP, PHONE], ids=lambda screen: screen.name)
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_main_pages_are_accessible(
    library: Cast, signed_in: SignIn, live_server, screen: Screen, theme: str
) -> None:
    found = []
    for name in MAIN:
        page = signed_in(library.admin, address(name), screen, dark=theme == "dark")
        found += faults(page, name, screen, theme)
        page.context.close()
    assert found == [], "\n".join(found)


@pytest.mark.parametrize("screen", [DESKTOP, PHONE], ids=lambda screen: screen.name)
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_sign_in_page_is_accessible(
    live_cast: Cast, open_page, live_server, screen: Screen, theme: str
) -> None:
    page = open_page(screen, dark=theme == "dark")
    page.goto(live_server.url)
    assert faults(page, "login", screen, theme) == []


def test_everything_on_the_timeline_is_reached_by_tab(library: Cast, signed_in: SignIn) -> None:
    page = signed_in(library.admin)
    page.wait_for_load_state("networkidle")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "content"
    reached = set()
    for _ in range(40):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.closest('header, nav, main')?.tagName ?? ''"))
    assert "MAIN" in reached
    page.reload()
    for _ in range(12):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.closest('header, nav, main')?.tagName ?? ''"))
    assert {"HEADER", "NAV", "MAIN"} <= reached


def test_the_drawer_of_a_phone_opens_closes_and_gives_the_focus_back(library: Cast, signed_in: SignIn) -> None:
    page = signed_in(library.admin, "/", PHONE)
    menu, button = page.locator("#menu"), page.locator(".menu-button")
    expect(menu).to_be_hidden()
    button.focus()
    page.keyboard.press("Enter")
    expect(menu).to_be_visible()
    page.keyboard.press("Tab")
    assert page.evaluate("document.getElementById('menu').contains(document.activeElement)")
    page.keyboard.press("Escape")
    expect(menu).to_be_hidden()
    expect(button).to_be_focused()
