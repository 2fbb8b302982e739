"""A real Chromium, a real server and real files. A failing test leaves screenshot and HTML under var/e2e/."""

from __future__ import annotations

import re
import shutil
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Playwright, expect, sync_playwright

from tests.e2e.browser import COMPLAINTS, DESKTOP, KEPT, OpenPage, Screen, SignIn
from tests.e2e.large_library import CHROMIUM_FLAGS
from tests.faults.installation import Installation
from tests.faults.servers import Redis
from tests.faults.web import WebServer

if TYPE_CHECKING:
    from pytest_django.live_server_helper import LiveServer

    from tests.cast import Cast

FAILED = pytest.StashKey[bool]()

expect.set_options(timeout=25_000)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed:
        item.stash[FAILED] = True
    return report


@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    """Playwright as long as a file of tests runs: its event loop in this thread would be in the way of others."""
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        # Django refuses its database where an event loop runs; nothing but Playwright runs in this one.
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        yield playwright


@pytest.fixture(scope="module")
def chromium(playwright: Playwright) -> Iterator[Browser]:
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("chromium is not installed; scripts/test installs it")
    browser = playwright.chromium.launch(executable_path=path, args=list(CHROMIUM_FLAGS))
    yield browser
    browser.close()


@pytest.fixture
def open_page(chromium: Browser, request: pytest.FixtureRequest) -> Iterator[OpenPage]:
    """Makes an empty page in a private session: ``open_page(PHONE, dark=True)``; more options go to Playwright."""
    contexts: list[BrowserContext] = []

    def make(screen: Screen = DESKTOP, *, dark: bool = False, **options: Any) -> Page:
        context = chromium.new_context(
            viewport={"width": screen.width_px, "height": screen.height_px},
            has_touch=screen.is_touched,
            is_mobile=screen.is_touched,
            color_scheme="dark" if dark else "light",
            reduced_motion="reduce",
            **({"locale": "en-US"} | options),
        )
        contexts.append(context)
        context.set_default_timeout(30_000)
        page = context.new_page()
        noted: list[str] = []
        COMPLAINTS[page] = noted
        page.on("console", lambda message: _note(noted, message))
        page.on("pageerror", lambda error: noted.append(str(error)))
        return page

    yield make
    if request.node.stash.get(FAILED, False):
        _keep(request.node.nodeid, [page for context in contexts for page in context.pages])
    for context in contexts:
        context.close()


def _note(noted: list[str], message: ConsoleMessage) -> None:
    if message.type == "error":
        noted.append(f"{message.text} ({message.location['url']})")


def _keep(node: str, pages: list[Page]) -> None:
    KEPT.mkdir(parents=True, exist_ok=True)
    for number, page in enumerate(pages):
        name = re.sub(r"[^\w.-]+", "-", node.rpartition("/")[2])[:120] + f"-{number}"
        page.screenshot(path=KEPT / f"{name}.png", full_page=True)
        (KEPT / f"{name}.html").write_text(f"<!-- {page.url} -->\n{page.content()}", encoding="utf-8")


@pytest.fixture
def page(open_page: OpenPage) -> Page:
    """A page on a desktop."""
    return open_page()


@pytest.fixture
def live_cast(live_server: LiveServer) -> Cast:
    """The cast, in the database that the live server reads."""
    from tests.cast import make_cast

    return make_cast()


@pytest.fixture
def signed_in(live_server: LiveServer, open_page: OpenPage) -> SignIn:
    """``signed_in(user, "/albums/", PHONE, dark=True)``: that page as the user sees it, with no sign-in form."""

    def go(user: User, path: str = "/", screen: Screen = DESKTOP, **options: Any) -> Page:
        page, client = open_page(screen, **options), Client()
        client.force_login(user)
        page.context.add_cookies(
            [
                {"name": name, "value": morsel.value, "url": live_server.url}
                for name, morsel in client.cookies.items()
            ]
        )
        page.goto(live_server.url + path)
        return page

    return go


@dataclass(frozen=True, slots=True)
class RealAlbum:
    """gunicorn on an installation of its own, with the cast of the tests; ``python`` runs code in it."""

    installation: Installation
    url: str

    def python(self, code: str) -> str:
        return self.installation.python(code)

    def sign_in(self, page: Page, name: str) -> Page:
        """Goes through the sign-in form."""
        page.goto(f"{self.url}/login/")
        page.locator("input[name=login], input[name=username]").first.fill(name)
        page.locator("input[name=password]").fill("correct horse")
        page.locator("main form button[type=submit], main form button:not([type])").first.click()
        expect(page.locator(".bar .search")).to_be_visible()
        return page


@contextmanager
def installed_album(folder: Path, **env: str) -> Iterator[RealAlbum]:
    """The album as installed in ``folder``: gunicorn, hashed static files, own database; no worker is started."""
    installation = Installation(folder, env)
    try:
        installation.manage("collectstatic", "--no-input", "--verbosity", "0")
        installation.python("from tests.cast import make_cast; make_cast()")
        with WebServer(installation) as server:
            yield RealAlbum(installation, f"http://127.0.0.1:{server.port}")
    finally:
        installation.end()


@pytest.fixture
def live_album(tmp_path: Path, redis: Redis) -> Iterator[RealAlbum]:
    """The album as installed, with a Redis of its own."""
    with installed_album(tmp_path, CELERY_BROKER_URL=redis.url, CELERY_RESULT_BACKEND=redis.url) as album:
        yield album
