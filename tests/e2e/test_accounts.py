"""Accounts in a real browser: passkeys, which need one, and the pages for everybody."""

from __future__ import annotations

import pytest
from allauth.mfa.models import Authenticator
from django.core.cache import cache
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from tests.cast import Cast
from tests.e2e.browser import DESKTOP, PHONE, OpenPage, Screen, axe
from tests.web.test_mfa import code_of

pytestmark = pytest.mark.django_db(transaction=True)


def enter_password(page: Page, address: str) -> None:
    page.goto(f"{address}/login/")
    page.get_by_label("User name or e-mail").fill("alice")
    page.get_by_label("Password").fill("correct horse")
    page.get_by_role("button", name="Sign in", exact=True).click()


def sign_in(page: Page, address: str) -> None:
    enter_password(page, address)
    expect(page.locator(".bar .search")).to_be_visible()


def give_authenticator(page: Page) -> None:
    """A security key that answers by itself, as Chromium's developer tools make it."""
    tools = page.context.new_cdp_session(page)
    tools.send("WebAuthn.enable")
    options = {"protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True}
    options |= {"isUserVerified": True, "automaticPresenceSimulation": True}
    tools.send("WebAuthn.addVirtualAuthenticator", {"options": options})


def test_a_passkey_is_made_and_signs_in_without_a_password(
    live_server: LiveServer, live_cast: Cast, page: Page
) -> None:
    give_authenticator(page)
    sign_in(page, live_server.url)
    page.goto(f"{live_server.url}/accounts/passkeys/add/")
    page.get_by_label("Password").fill("correct horse")
    page.get_by_role("button", name="Confirm").click()
    page.get_by_label("Name").fill("My <b>phone</b>")
    page.get_by_label("It replaces the password").check()
    page.get_by_role("button", name="Make the passkey").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Recovery Codes")
    assert Authenticator.objects.filter(user=live_cast.alice, type="webauthn").count() == 1

    page.on("dialog", lambda dialog: dialog.accept())  # "have you saved your codes?"
    page.goto(f"{live_server.url}/accounts/passkeys/")
    expect(page.get_by_text("My <b>phone</b>", exact=False).first).to_be_visible()
    page.context.clear_cookies()
    page.goto(f"{live_server.url}/login/")
    page.get_by_role("button", name="Sign in with a passkey").click()

    expect(page.locator(".bar .search")).to_be_visible()


def test_an_app_for_codes_is_set_up_and_asked_for(live_server: LiveServer, live_cast: Cast, page: Page) -> None:
    sign_in(page, live_server.url)
    page.goto(f"{live_server.url}/accounts/2fa/app/activate/")
    page.get_by_label("Password").fill("correct horse")
    page.get_by_role("button", name="Confirm").click()
    secret = page.get_by_label("Authenticator secret").input_value()
    page.get_by_label("code").fill(code_of(secret))
    page.get_by_role("button", name="Activate").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Recovery Codes")

    page.context.clear_cookies()
    cache.clear()  # a code is taken once
    enter_password(page, live_server.url)
    code = page.get_by_label("code")
    code.fill("000000")
    page.keyboard.press("Enter")
    expect(page.locator("[aria-invalid=true], .errorlist, .error").first).to_be_visible()
    axe(page)
    code.fill(code_of(secret))
    page.keyboard.press("Enter")
    expect(page.locator(".bar .search")).to_be_visible()


def test_a_passkey_that_is_not_there_is_told_of(live_server: LiveServer, live_cast: Cast, page: Page) -> None:
    page.goto(f"{live_server.url}/login/")
    page.evaluate(
        "() => { navigator.credentials.get = async () => { throw new DOMException('no', 'AbortError'); } }"
    )

    page.get_by_role("button", name="Sign in with a passkey").click()

    expect(page.get_by_text("The passkey was not read")).to_be_visible()


@pytest.mark.parametrize("screen", [DESKTOP, PHONE], ids=lambda screen: screen.name)
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_everybody_can_use_the_pages_of_accounts(
    live_server: LiveServer, live_cast: Cast, open_page: OpenPage, screen: Screen, dark: bool
) -> None:
    page = open_page(screen, dark=dark)
    for path in ("/login/", "/accounts/password/reset/", "/accounts/signup/"):
        page.goto(live_server.url + path)
        axe(page)
    sign_in(page, live_server.url)
    page.goto(f"{live_server.url}/accounts/reauthenticate/?next=/account/")
    axe(page)
    page.get_by_label("Password").fill("correct horse")
    page.get_by_role("button", name="Confirm").click()
    for path in ("/account/", "/accounts/2fa/", "/accounts/2fa/app/activate/", "/accounts/passkeys/add/"):
        page.goto(live_server.url + path)
        axe(page)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
