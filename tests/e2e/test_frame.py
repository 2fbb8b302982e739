"""What every page shares: the theme that a user chose, and words where something failed."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from album.models import Preferences
from tests.cast import Cast
from tests.e2e.browser import PHONE, SignIn, complaints, violations

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("device_is_dark", [False, True])
def test_the_chosen_theme_wins_over_the_device(live_cast: Cast, signed_in: SignIn, device_is_dark: bool) -> None:
    grounds: dict[str, str] = {}
    for theme in Preferences.Theme:
        Preferences.objects.update_or_create(user=live_cast.alice, defaults={"theme": theme})
        page = signed_in(live_cast.alice, "/trash/", dark=device_is_dark)
        grounds[theme] = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
        page.context.close()
    assert grounds[Preferences.Theme.DARK] != grounds[Preferences.Theme.LIGHT]
    assert grounds[Preferences.Theme.SYSTEM] == grounds["dark" if device_is_dark else "light"]


def test_a_failed_request_is_told_in_words_that_stay_until_closed(live_cast: Cast, signed_in: SignIn) -> None:
    page = signed_in(live_cast.alice, "/trash/", PHONE)
    page.evaluate("htmx.ajax('GET', '/nothing/', 'main')")
    told = page.locator("#toasts")
    expect(told).to_contain_text("That did not work.")
    shortcuts = page.locator(".bottom").bounding_box()
    box = told.locator(".toast").bounding_box()
    assert box is not None and shortcuts is not None
    assert box["y"] + box["height"] <= shortcuts["y"], "it hides nothing that is tapped"
    told.get_by_role("button", name="Close").click()
    expect(told.locator(".toast")).to_have_count(0)


def test_signing_out_is_two_keys_away(live_cast: Cast, signed_in: SignIn) -> None:
    page = signed_in(live_cast.alice, "/trash/")
    page.get_by_role("button", name="Account").press("Enter")
    menu = page.locator("#account")
    expect(menu).to_contain_text("alice")
    menu.get_by_role("button", name="Sign out").press("Enter")
    page.wait_for_url("**/login/**")
    page.go_back()
    page.reload()
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")


def test_what_the_keys_do_is_a_key_away(live_cast: Cast, signed_in: SignIn) -> None:
    page = signed_in(live_cast.alice, "/albums/")
    page.get_by_role("searchbox").fill("what?")
    page.get_by_role("searchbox").press("?")
    dialog = page.get_by_role("dialog", name="Keyboard")
    expect(dialog).to_be_hidden()
    page.get_by_role("searchbox").evaluate("(box) => box.blur()")
    page.keyboard.press("?")
    expect(dialog).to_contain_text("Add to an album")
    assert violations(page) == []
    page.keyboard.press("?")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    page.get_by_role("button", name="Account").press("Enter")
    page.locator("#account").get_by_role("button", name="Keyboard").press("Enter")
    expect(dialog).to_be_visible()
    assert complaints(page) == []
