"""A search by keyboard: what is typed is completed, found, explained, and narrowed by taking filters away."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from album.models import ItemTag, Tag
from tests.cast import Cast, make_photo
from tests.e2e.browser import DESKTOP, PHONE, Screen, SignIn, axe

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("screen", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_the_keyboard_alone_completes_and_finds(live_cast: Cast, signed_in: SignIn, screen: Screen) -> None:
    barn = make_photo(live_cast.alice, seed=1, title="Grandpa's farm", city="Bergen")
    make_photo(live_cast.alice, seed=2, city="Bergen")
    ItemTag.objects.create(item=barn, tag=Tag.objects.create(name="red barn"), source="caption")
    page = signed_in(live_cast.alice, "/search/", screen)
    page.keyboard.press("/")
    box = page.get_by_role("combobox")
    expect(box).to_be_focused()
    page.keyboard.type("place:bergen bar")
    options = page.get_by_role("option")
    expect(options).to_have_count(1)
    expect(box).to_have_attribute("aria-expanded", "true")
    page.keyboard.press("ArrowDown")
    expect(options.first).to_have_attribute("aria-selected", "true")
    axe(page)
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"q=place%3Abergen\+tag%3A%22red\+barn%22"))
    tiles = page.locator(".tile")
    expect(tiles).to_have_count(1)
    expect(tiles.first).to_contain_text("Tag: red barn · Place: Bergen")
    axe(page)
    page.get_by_role("link", name=re.compile("red barn")).first.click()
    expect(tiles).to_have_count(2)


def test_what_is_chosen_stays_so_when_a_later_answer_comes(live_cast: Cast, signed_in: SignIn) -> None:
    make_photo(live_cast.alice, seed=1, city="Bergen")
    page = signed_in(live_cast.alice, "/search/")
    options = page.get_by_role("option")
    page.get_by_role("combobox").press_sequentially("berge")
    expect(options).to_have_count(1)
    with page.expect_response(re.compile("q=bergen$")):
        page.keyboard.type("n")
        page.keyboard.press("ArrowDown")
    page.wait_for_timeout(200)  # it is shown by then
    expect(options.first).to_have_attribute("aria-selected", "true")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"q=place%3ABergen"))


def test_escape_closes_the_suggestions_and_keeps_the_text(live_cast: Cast, signed_in: SignIn) -> None:
    make_photo(live_cast.alice, seed=1, city="Bergen")
    page = signed_in(live_cast.alice, "/search/")
    box = page.get_by_role("combobox")
    box.press_sequentially("berg")
    expect(page.get_by_role("option")).to_have_count(1)
    page.keyboard.press("Escape")
    expect(page.get_by_role("listbox")).to_be_hidden()
    expect(box).to_have_value("berg")
