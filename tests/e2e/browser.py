"""What the browser tests ask of a page: is it accessible, did the console complain, is that picture there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import pytest
from playwright.sync_api import Locator, Page

REPOSITORY = Path(__file__).resolve().parents[2]
AXE = REPOSITORY / "album/static/vendor/axe-core/axe.min.js"
KEPT = REPOSITORY / "var/e2e"
"""Where screenshots lie: of tests that failed, and of the main pages."""

COMPLAINTS: WeakKeyDictionary[Page, list[str]] = WeakKeyDictionary()

ARE_SHOWN = """() => {
    const tiles = [...document.querySelectorAll("[data-grid] .tile")].filter((tile) => {
        const {top, bottom} = tile.getBoundingClientRect();
        return bottom > 0 && top < innerHeight; });
    return tiles.length > 0 && tiles.map((tile) => tile.querySelector("img"))
        .every((image) => image?.complete && image.naturalWidth > 0); }"""

OpenPage = Callable[..., Page]
SignIn = Callable[..., Page]


@dataclass(frozen=True, slots=True)
class Screen:
    """A device: its size, and whether it is touched."""

    name: str
    width_px: int
    height_px: int
    is_touched: bool = False


DESKTOP = Screen("desktop", 1280, 900)
PHONE = Screen("phone", 360, 740, is_touched=True)


def axe(page: Page) -> None:
    """Fails with what a person needs to mend each violation that axe-core calls serious or critical."""
    found = violations(page)
    assert not found, f"{page.url}\n" + "\n".join(found)


def violations(page: Page) -> list[str]:
    """The serious and critical violations of the open page that axe-core finds, in words."""
    if not AXE.exists():
        pytest.skip("axe-core is missing: scripts/fetch_assets --dev")
    page.evaluate(
        "async () => await Promise.all(document.getAnimations().map((one) => one.finished.catch(() => 0)))"
    )
    page.evaluate(AXE.read_text(encoding="utf-8"))  # by the debugger: the page's own policy forbids such a script
    found = page.evaluate("async () => (await axe.run(document, {resultTypes: ['violations']})).violations")
    return [_in_words(one) for one in found if one["impact"] in {"serious", "critical"}]


def _in_words(violation: dict[str, Any]) -> str:
    lines = [f"{violation['impact']}: {violation['help']} ({violation['id']}, {len(violation['nodes'])} times)"]
    for node in violation["nodes"][:4]:
        summary = " ".join(str(node["failureSummary"]).split())
        lines.append(f"    {node['target'][0]}  {node['html'][:160]}\n        {summary[:300]}")
    return "\n".join(lines)


def overflow_px(page: Page) -> int:
    """By how many pixels the page is wider than its window."""
    return int(page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))


def is_loaded(image: Locator) -> bool:
    """Whether this ``<img>`` shows something."""
    return bool(image.evaluate("(i) => i.decode().then(() => i.naturalWidth > 0, () => false)"))


def wait_for_pictures(page: Page) -> None:
    """Returns when each picture of the grid that is in the window can be seen."""
    page.wait_for_function(ARE_SHOWN)


def complaints(page: Page) -> list[str]:
    """What the console reported as an error since the page was opened: blocked inline code, missing files, …"""
    return list(COMPLAINTS[page])
