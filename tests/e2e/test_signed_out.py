"""A tab whose session has ended: it says so, keeps what was typed, and goes on after signing in elsewhere."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.sessions.models import Session
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from album.models import Album, Favourite, MediaItem
from tests.cast import Cast, make_photo
from tests.e2e.browser import SignIn
from tests.e2e.test_accounts import sign_in

pytestmark = pytest.mark.django_db(transaction=True)

WORDS = "You are signed out. Sign in in another tab, then try again."
OpenTab = Callable[[str], Page]


@pytest.fixture
def photo(live_cast: Cast) -> MediaItem:
    return make_photo(live_cast.alice)


@pytest.fixture
def left_open(live_cast: Cast, signed_in: SignIn) -> OpenTab:
    """A tab with the page at this path, whose session has ended since."""

    def go(path: str) -> Page:
        page = signed_in(live_cast.alice, path)
        Session.objects.all().delete()
        return page

    return go


def says_so(page: Page) -> None:
    """One toast, however often something is tried."""
    expect(page.locator(".toast.bad span")).to_have_text([WORDS])


def test_a_favorite_is_not_shown_as_set_until_it_is(
    photo: MediaItem, left_open: OpenTab, live_server: LiveServer
) -> None:
    page = left_open("/")
    page.locator("[data-grid] .tile a").click()
    heart = page.locator(".pswp__button--favourite")
    for _ in range(2):
        heart.click()
        says_so(page)
    expect(heart).to_have_attribute("aria-pressed", "false")

    sign_in(page.context.new_page(), live_server.url)
    heart.click()
    expect(heart).to_have_attribute("aria-pressed", "true")
    assert Favourite.objects.get().item == photo


def test_words_stay_in_their_field_and_are_saved_after_signing_in(
    photo: MediaItem, left_open: OpenTab, live_server: LiveServer
) -> None:
    page = left_open(f"/media/{photo.pk}/")
    page.locator("#info-edit-words").click()
    page.get_by_label("Description").fill("A long story")
    page.get_by_role("button", name="Save").first.click()
    says_so(page)
    expect(page.get_by_label("Description")).to_have_value("A long story")

    sign_in(page.context.new_page(), live_server.url)
    page.get_by_role("button", name="Save").first.click()
    expect(page.locator(".info .description").first).to_have_text("A long story")
    photo.refresh_from_db()
    assert photo.description == "A long story"


@pytest.mark.parametrize("button", ["[data-act=archive]", "[data-adds]"])
def test_what_is_done_with_picked_pictures(photo: MediaItem, left_open: OpenTab, button: str) -> None:
    page = left_open("/")
    page.locator("[data-grid] .tile a").focus()
    page.keyboard.press("x")
    page.locator(f"[data-selection] {button}").click()
    says_so(page)
    expect(page.locator("[data-selection] [data-count]")).to_have_text("1")


def test_an_order_of_albums(live_cast: Cast, left_open: OpenTab) -> None:
    for title in ("One", "Two"):
        Album.objects.create(owner=live_cast.alice, title=title)
    page = left_open("/albums/")
    page.locator("[data-arranges]").click()
    page.locator("[data-sortable] [data-move='1']").first.click()
    says_so(page)


def test_a_batch_that_is_watched(live_cast: Cast, signed_in: SignIn) -> None:
    page = signed_in(live_cast.admin, "/process-photos-ai/")
    Session.objects.all().delete()
    page.evaluate("htmx.trigger('#run', 'load')")
    says_so(page)
    expect(page.locator("#run")).to_be_attached()
    expect(page.locator("[data-lost-notice]")).to_be_hidden()
