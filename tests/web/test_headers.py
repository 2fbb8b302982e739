"""What every answer says to browsers, and that no page has scripts or styles inside, or anything from elsewhere."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from urllib.parse import urlsplit

import pytest
from django.test import Client

from album.web.middleware import POLICY
from tests.cast import Cast
from tests.media.video_files import write_video
from tests.web.everybody import TOKEN, addresses, ask, make_world

DATA = {"application/json", "application/ld+json"}
"""Types of script elements that no browser runs."""
LOADED = {
    "script": "src", "img": "src", "link": "href", "video": "src", "audio": "src", "source": "src", "iframe": "src",
    "object": "data", "embed": "src", "form": "action", "use": "href", "image": "href", "track": "src",
}  # fmt: skip


class Finder(HTMLParser):
    """What in a page its own policy would stop: ``found``."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag == "script" and "src" not in values and values.get("type") not in DATA:
            self.found.append("an inline script")
        if tag == "style" or "style" in values:
            self.found.append(f"an inline style: {values.get('style', '')}")
        self.found += [f"{name} on {tag}" for name in values if name.startswith(("on", "hx-on"))]
        loaded = [
            values.get(LOADED.get(tag, ""), ""),
            values.get("poster", ""),
            *values.get("srcset", "").split(","),
        ]
        self.found += [address for address in loaded if is_elsewhere(address.strip())]

    handle_startendtag = handle_starttag


def is_elsewhere(address: str) -> bool:
    parts = urlsplit(address)
    return (bool(parts.netloc) and parts.netloc != "testserver") or parts.scheme in {"javascript", "vbscript"}


@pytest.mark.parametrize("role", ["anonymous", "owner", "site admin"])
def test_pages_have_nothing_inside_that_their_policy_stops(cast: Cast, tmp_path, settings, role: str) -> None:
    settings.REGISTRATION = "open"
    world = make_world(cast, write_video(tmp_path / "v.mp4", ["red", "blue"]).read_bytes())
    client, wrong, pages = world.browser(role), [], 0
    for name, (route, entry) in addresses().items():
        path = world.path_of(route, entry)
        answer = ask(client, "GET", path)
        is_page = answer.headers.get("Content-Type", "").startswith("text/html")
        if name.startswith(("admin", "api:")) or answer.status_code >= 300 or not is_page or answer.streaming:
            continue
        pages += 1
        finder = Finder()
        finder.feed(answer.content.decode())
        policy = answer.headers["Content-Security-Policy"]
        finder.found += [part for part in ("unsafe", "http:", "*") if part in policy]
        wrong += [f"{path}: {found}" for found in finder.found]
    assert wrong == []
    assert pages > (5 if role == "anonymous" else 30)


def test_the_finder_finds() -> None:
    finder = Finder()
    finder.feed(
        '<script>1</script><p style="x"><a onclick="x"><img src="//example.org/a.png"/><form action="http://b.c/">'
        '<script src="https://d.e/f.js"></script><script type="application/json">{}</script><img src="/a.png">'
    )
    assert len(finder.found) == 6


@pytest.mark.parametrize(
    "path", ["/", "/albums/", "/search/?q=a", "/login/", f"/s/{TOKEN}/", "/nothing/", "/timeline/items/"]
)
def test_every_answer_keeps_strangers_and_scripts_out(cast: Cast, alice_client: Client, path: str) -> None:
    headers = alice_client.get(path).headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert headers["Referrer-Policy"] in ("same-origin", "no-referrer")
    assert "camera=()" in headers["Permissions-Policy"]
    assert headers["Cache-Control"] and "public" not in headers["Cache-Control"]
    policy = dict(part.split(" ", 1) for part in headers["Content-Security-Policy"].split("; "))
    assert policy["script-src"] == policy["style-src"] == "'self'"
    assert policy["frame-ancestors"] == policy["object-src"] == policy["base-uri"] == "'none'"


@pytest.mark.parametrize("path", ["/", "/albums/", "/search/?q=a", "/account/", "/trash/", "/timeline/items/"])
def test_pages_with_peoples_data_are_kept_by_nobody(alice_client: Client, path: str) -> None:
    kept = alice_client.get(path).headers["Cache-Control"]
    assert re.fullmatch(r"(?=.*\bno-store\b)(?=.*\bprivate\b).*", kept)


def test_the_policy_names_nothing_from_elsewhere() -> None:
    assert not re.search(r"https?:|\*|unsafe|\bws", POLICY)
