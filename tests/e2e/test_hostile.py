"""Hostile texts in a browser: what scripts draw of them is text, and 300 letters without a space fit on a phone."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.cast import Cast
from tests.e2e.browser import PHONE, SignIn, complaints, overflow_px
from tests.web.everybody import TOKEN
from tests.web.test_hostile import MARK, make_hostile_world

PAGES = (
    *("", "albums/", "albums/{album}/", "albums/{album}/edit/", "albums/{album}/people/", "albums/{album}/links/"),
    *(
        "media/{item}/",
        "people/",
        "people/{person}/",
        "map/",
        "memories/",
        "search/?q=WWW",
        "statistics/",
        "trash/",
    ),
    *("links/", "account/", "upload/?album={album}", "process-photos-ai/", f"s/{TOKEN}/"),
)


def faults(page: Page, path: str) -> list[str]:
    found = [f"{path}: became an element"] if page.locator(MARK).count() else []
    return found + ([f"{path}: {wide} px wider than the screen"] if (wide := overflow_px(page)) > 0 else [])


@pytest.mark.django_db(transaction=True)
def test_hostile_texts_are_drawn_as_texts_and_fit_on_a_phone(
    live_cast: Cast, signed_in: SignIn, live_server, tmp_path: Path
) -> None:
    world = make_hostile_world(live_cast, tmp_path)
    page, found = signed_in(live_cast.alice, "/account/", PHONE), []
    values = {"album": live_cast.shared.pk, "item": world.photo.pk, "person": world.things["people/"]}
    for path in PAGES:
        page.goto(f"{live_server.url}/{path.format(**values)}", wait_until="networkidle")
        found += faults(page, path)
    page.goto(live_server.url)
    page.locator("[data-grid] .tile a").last.tap()
    page.locator(".pswp__button--info").tap()
    expect(page.locator(".lightbox-panel .info")).to_be_visible()
    found += faults(page, "the lightbox")
    page.goto(f"{live_server.url}/search/")
    page.locator("#q").press_sequentially("WW")
    expect(page.get_by_role("option").first).to_be_visible()
    found += faults(page, "suggestions")
    assert found == [], "\n".join(found)
    assert complaints(page) == []
