"""Static files and the frame: hashed names after collectstatic, icons that exist, a small own part, error pages."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from django.contrib.staticfiles import finders
from django.contrib.staticfiles.storage import staticfiles_storage
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from tests.cast import Cast

ALBUM = Path(__file__).resolve().parents[2] / "album"
VENDOR = ALBUM / "static/vendor"
OWN_MAX_BYTES = 100_000
IMPORT = re.compile(r"""\b(?:from|import)\s*\(?\s*["'](\.{1,2}/[^"']+)["']""")


def templates() -> Iterator[Path]:
    yield from (ALBUM / "templates").rglob("*.html")


def test_every_icon_that_a_template_or_script_names_is_on_the_sheet() -> None:
    drawn = set(re.findall(r'<symbol id="([\w-]+)"', (ALBUM / "static/album/icons.svg").read_text()))
    used = {
        (path.name, name)
        for path in templates()
        for name in re.findall(r'{% icon "([\w-]+)"', path.read_text())
        + re.findall(r'{% entry "[\w:]+" "([\w-]+)"', path.read_text())
    }
    assert used and {(where, name) for where, name in used if name not in drawn} == set()


def test_what_the_grid_imports_is_fetched_beside_it() -> None:
    fetched = (ALBUM / "templates/album/_grid_modules.html").read_text()
    imported = IMPORT.findall((ALBUM / "static/album/js/grid.js").read_text())
    assert imported and sorted(f"./{name}" for name in re.findall(r"album/js/([^']+)", fetched)) == sorted(imported)


def test_every_static_file_that_a_template_names_is_there() -> None:
    named = {
        (path.name, name) for path in templates() for name in re.findall(r"{% static '([^']+)'", path.read_text())
    }
    named = {(where, name) for where, name in named if VENDOR.exists() or not name.startswith("vendor/")}
    assert named and {(where, name) for where, name in named if finders.find(name) is None} == set()


def test_icons_are_hidden_from_screen_readers(alice_client: Client) -> None:
    page = alice_client.get("/").content.decode()
    assert page.count('<svg class="icon"') == page.count('<svg class="icon" aria-hidden="true">') > 5


@pytest.fixture
def collected(tmp_path: Path, settings) -> Path:
    """The folder of a ``collectstatic``; names are hashed as long as the test runs."""
    settings.STATIC_ROOT = tmp_path / "static"
    call_command("collectstatic", "--no-input", verbosity=0)
    return tmp_path / "static"


def test_collected_names_carry_their_hash_and_modules_import_each_other_by_it(collected: Path) -> None:
    address = staticfiles_storage.url("album/js/app.js")
    assert re.fullmatch(r"/static/album/js/app\.[0-9a-f]{12}\.js", address)
    assert (collected / address.removeprefix("/static/")).with_suffix(".js.gz").exists()
    for module in (collected / "album/js").glob("*.????????????.js"):
        for target in IMPORT.findall(module.read_text()):
            assert re.search(r"\.[0-9a-f]{12}\.js$", target), f"{module.name} imports {target}"
            assert (module.parent / target).exists()


def test_collected_files_are_kept_by_browsers_and_sent_compressed(collected: Path, db: None) -> None:
    hashed = staticfiles_storage.url("album/album.css")
    with closing(Client().get(hashed, headers={"accept-encoding": "gzip"})) as answer:
        assert "immutable" in answer.headers["Cache-Control"]
        assert answer.headers["Content-Encoding"] == "gzip"
    with closing(Client().get("/static/album/album.css")) as answer:
        assert "immutable" not in answer.headers["Cache-Control"]


def test_what_was_not_collected_goes_by_its_own_name() -> None:
    assert staticfiles_storage.url("album/album.css") == "/static/album/album.css"


def own_files(page: str) -> set[Path]:
    """Style sheets and scripts of ours that a page loads, and all that its modules import."""
    found: set[Path] = set()
    names = re.findall(r'<(?:link rel="stylesheet" href|script[^>]* src)="/static/(album/[^"]+)"', page)
    waiting = [Path(str(finders.find(name))) for name in names]
    while waiting:
        path = waiting.pop()
        if path not in found and "vendor" not in path.parts:
            found.add(path)
            imports = IMPORT.findall(path.read_text()) if path.suffix == ".js" else []
            waiting += [(path.parent / target).resolve() for target in imports]
    return found


def test_the_own_part_of_the_timeline_is_small(alice_client: Client, cast: Cast) -> None:
    sizes = {
        path.name: len(gzip.compress(path.read_bytes()))
        for path in own_files(alice_client.get(reverse("album:timeline")).content.decode())
    }
    assert {"album.css", "app.js"} <= sizes.keys()
    assert sum(sizes.values()) <= OWN_MAX_BYTES, sizes


def test_the_menu_shows_the_rooms_of_administrators_to_administrators_only(cast: Cast) -> None:
    for user, is_shown in ((cast.alice, False), (cast.admin, True)):
        client = Client()
        client.force_login(user)
        page = client.get("/").content.decode()
        assert (reverse("admin:index") in page) is is_shown
        assert (reverse("album:process_photos_ai") in page) is is_shown
        assert f'href="{reverse("album:trash")}"' in page


@pytest.mark.parametrize("path", ["/nothing/", "/media/999999/"])
def test_what_is_not_there_is_said_in_the_frame_of_the_album(alice_client: Client, path: str) -> None:
    answer = alice_client.get(path)
    assert answer.status_code == 404
    assert 'id="menu"' in answer.content.decode()
    assert "There is no such page, or it was not shared with you." in answer.content.decode()


def test_an_error_of_ours_is_a_page_too(alice_client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("on purpose")

    alice_client.raise_request_exception = False
    monkeypatch.setattr("django.contrib.auth.middleware.get_user", fail)
    answer = alice_client.get("/trash/")
    assert answer.status_code == 500
    assert "Your photos are safe where they are." in answer.content.decode()


def test_a_form_that_is_out_of_date_says_so(cast: Cast) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(cast.alice)
    answer = client.post(reverse("album:upload"), {"title": "x"}, headers={"accept": "text/html"})
    assert answer.status_code == 403
    assert "This form is out of date" in answer.content.decode()
