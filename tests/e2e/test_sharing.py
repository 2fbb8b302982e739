"""An album is made, filled and shared by link; a visitor sees it as long as the link holds, its pictures too."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.browser import PHONE, OpenPage, axe, complaints, overflow_px, wait_for_pictures
from tests.e2e.conftest import RealAlbum, installed_album
from tests.faults.installation import wait_until

OVER = "This link is not valid any more"
MAKE_ALBUM = """
    from album.models import Album
    from tests.cast import make_photo
    holiday = Album.objects.get()
    for seed in range(4):
        make_photo(holiday.owner, seed=seed, album=holiday)
"""
ENDS_SOON = """
    from datetime import timedelta
    from django.utils import timezone
    from album.models import ShareLink
    soon = timezone.now() + timedelta(seconds={seconds})
    assert ShareLink.objects.filter(label="Team").update(expires_at=soon) == 1
"""
GRANTS_END_WITHIN_S = 60
"""What is promised; measured: 6 s."""


def pick(page: Page, count: int) -> None:
    for index in range(count):
        page.locator("[data-grid] .tile").nth(index).hover()
        page.locator("[data-grid] .tile .pick").nth(index).click()


def make_link(page: Page, name: str, password: str = "") -> str:
    """The address of a new link, by the form on the open page of the album's links."""
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(password)
    page.get_by_label("Valid until").fill((date.today() + timedelta(days=7)).isoformat())
    page.get_by_role("button", name="Make a link").click()
    return page.get_by_label("Address of the link").input_value()


def give_password(page: Page, text: str) -> None:
    page.get_by_label("Password").fill(text)
    page.get_by_role("button", name="Show the photos").click()


def sees_pictures(page: Page, count: int) -> str:
    """The address of the first of the pictures, all of which are shown."""
    pictures = page.locator("[data-grid] .tile img")
    expect(pictures).to_have_count(count)
    wait_for_pictures(page)
    return str(pictures.first.evaluate("(image) => image.src"))


def expect_picture_to_end(page: Page, address: str) -> None:
    """Asks as the visitor's own browser would, past what it keeps."""

    def is_over() -> bool:
        answer = page.request.get(address)
        return answer.status == 404 or "/login/" in answer.url

    wait_until(is_over, GRANTS_END_WITHIN_S, "the picture is not given out any more")


@pytest.fixture(scope="module")
def album(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealAlbum]:
    with installed_album(tmp_path_factory.mktemp("shared"), CELERY_BROKER_URL="filesystem://localhost") as album:
        album.python(MAKE_ALBUM)
        yield album


@pytest.fixture
def alice(album: RealAlbum, open_page: OpenPage) -> Page:
    """The page of the links to her album."""
    page = album.sign_in(open_page(), "alice")
    page.on("dialog", lambda dialog: dialog.accept())
    page.goto(f"{album.url}/albums/")
    page.get_by_role("link", name="Holiday").first.click()
    page.get_by_role("link", name="Share").click()
    return page


def test_an_album_is_made_of_what_is_picked_in_the_timeline(album: RealAlbum, open_page: OpenPage) -> None:
    page = album.sign_in(open_page(), "alice")
    pick(page, 3)
    page.get_by_role("button", name="Add to an album").click()
    page.get_by_label("Album", exact=True).select_option("New album…")
    page.get_by_label("Its name").fill("Lake <b>2026</b>")
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.locator(".toasts")).to_contain_text("Added to the album.")
    page.goto(f"{album.url}/albums/")
    page.get_by_role("link", name="Lake <b>2026</b>").first.click()
    expect(page.locator("[data-grid] .tile")).to_have_count(3)
    pick(page, 1)
    page.get_by_role("button", name="Remove from this album").click()
    expect(page.locator("[data-grid] .tile")).to_have_count(2)
    page.get_by_role("link", name="Add photos").click()
    expect(page.locator("[data-grid] .tile")).to_have_count(2)
    add = page.get_by_role("button", name="Add", exact=True)
    expect(add).to_be_disabled()
    axe(page)
    page.locator("[data-grid] .tile a").first.click()  # picks it, and opens nothing
    page.locator("[data-grid] .tile a").last.press("Enter")
    expect(page.locator("#chosen output")).to_have_text("Selected: 2")
    add.click()
    expect(page.get_by_role("status").filter(has_text="2 items were added.")).to_be_visible()
    expect(page.locator("[data-grid] .tile")).to_have_count(4)
    assert complaints(page) == []


def test_a_password_opens_a_link_until_it_is_revoked(album: RealAlbum, alice: Page, open_page: OpenPage) -> None:
    address = make_link(alice, "Family", "a secret")
    visitor = open_page(PHONE)
    visitor.goto(address)
    give_password(visitor, "a guess")
    expect(visitor.get_by_role("alert")).to_be_visible()
    assert visitor.locator("img[src*='/media/']").count() == 0
    axe(visitor)
    give_password(visitor, "a secret")
    expect(visitor.get_by_role("heading", level=1)).to_have_text("Holiday")
    picture = sees_pictures(visitor, 4)
    assert overflow_px(visitor) == 0
    axe(visitor)
    visitor.locator("[data-grid] .tile a").first.tap()
    expect(visitor.locator(".pswp--open img.pswp__img").first).to_be_visible()
    visitor.go_back()
    expect(visitor.locator(".pswp")).to_have_count(0)
    stranger = open_page()
    stranger.goto(picture)
    assert "/login/" in stranger.url, "the address of a picture is of use to this visitor only"

    alice.get_by_role("button", name="Revoke").click()
    expect(alice.locator(".link-list .badge", has_text="revoked")).to_be_visible()
    visitor.reload()
    expect(visitor.get_by_role("heading", level=1)).to_have_text(OVER)
    expect_picture_to_end(visitor, picture)


def test_a_link_and_its_pictures_end_at_its_time(album: RealAlbum, alice: Page, open_page: OpenPage) -> None:
    visitor = open_page()
    visitor.goto(make_link(alice, "Team"))
    picture = sees_pictures(visitor, 4)  # at once: in every web process
    album.python(ENDS_SOON.format(seconds=2))
    expect_picture_to_end(visitor, picture)
    visitor.reload()
    expect(visitor.get_by_role("heading", level=1)).to_have_text(OVER)
