"""The upload page in a browser: thirty files by drop, a connection that breaks, a folder, a phone, no script."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Page, Route, expect

from tests.cast import scene_bytes
from tests.e2e.browser import PHONE, OpenPage, axe, complaints, overflow_px
from tests.e2e.conftest import RealAlbum

LARGE_BYTES = 9_000_000
"""More than goes in one request."""
MAKE_ALBUMS = """
from django.contrib.auth.models import User
from album.models import Album
for title in ("Lisbon", "Rome"):
    Album.objects.create(owner=User.objects.get(username="alice"), title=title)
"""
ALBUMS = """
from album.models import Album
albums = Album.objects.filter(title__in=["Lisbon", "Rome"]).order_by("title")
print(", ".join(f"{album.title} {album.items.count()}" for album in albums))
"""


def write_photos(folder: Path, count: int) -> list[Path]:
    folder.mkdir()
    for n in range(count):
        (folder / f"photo-{n:02}.jpg").write_bytes(scene_bytes(seed=n))
    return sorted(folder.iterdir())


def drop(page: Page, files: list[Path]) -> None:
    """Drops the files onto the page as a file manager does."""
    page.evaluate(
        """() => { const carrier = document.createElement('input');
                   Object.assign(carrier, {type: 'file', multiple: true, id: 'dropped', hidden: true});
                   document.body.append(carrier); }"""
    )
    page.set_input_files("#dropped", [str(path) for path in files])
    page.evaluate(
        """() => { const transfer = new DataTransfer();
                   for (const file of document.getElementById('dropped').files) transfer.items.add(file);
                   document.querySelector('.drop').dispatchEvent(
                     new DragEvent('drop', {dataTransfer: transfer, bubbles: true, cancelable: true})); }"""
    )


def count(live_album: RealAlbum) -> str:
    return live_album.python("from album.models import MediaItem; print(MediaItem.objects.count())").strip()


def test_thirty_files_are_dropped_and_each_is_told_of(
    live_album: RealAlbum, open_page: OpenPage, tmp_path: Path
) -> None:
    page = live_album.sign_in(open_page(), "alice")
    page.goto(f"{live_album.url}/upload/")
    files = write_photos(tmp_path / "camera", 28)
    (tmp_path / "camera" / "again.jpg").write_bytes(files[3].read_bytes())
    (tmp_path / "camera" / "page.jpg").write_bytes(b"<!doctype html><script>alert(1)</script>")

    drop(page, sorted((tmp_path / "camera").iterdir()))

    expect(page.locator(".summary")).to_have_text(
        "30 of 30 files done, 1 known already, 1 not stored", timeout=60_000
    )
    assert count(live_album) == "28"
    assert page.locator(".job.duplicate").count() == 1
    expect(page.locator(".job.bad .state")).to_contain_text("page.jpg")
    axe(page)
    # The one that is refused is an error of its request, and of nothing else.
    assert [line for line in complaints(page) if "422" not in line] == []


def test_a_large_file_goes_on_where_the_connection_broke(
    live_album: RealAlbum, open_page: OpenPage, tmp_path: Path
) -> None:
    # What goes through a service worker, routes of a page do not see.
    page = live_album.sign_in(open_page(service_workers="block"), "alice")
    page.goto(f"{live_album.url}/upload/")
    large = tmp_path / "large.jpg"
    large.write_bytes(scene_bytes() + bytes(LARGE_BYTES))
    offsets: list[str] = []

    def cut(route: Route) -> None:
        offsets.append(route.request.headers.get("upload-offset", ""))
        route.abort("connectionreset") if len(offsets) == 1 else route.continue_()

    page.route(
        "**/upload/files/*/", lambda route: cut(route) if route.request.method == "PATCH" else route.continue_()
    )
    page.set_input_files("input[name=uploads]", str(large))

    expect(page.locator(".job.stored .state")).to_be_visible(timeout=60_000)
    assert len(offsets) == 2
    assert count(live_album) == "1"


def test_an_upload_that_was_interrupted_does_not_go_on_into_another_album(
    live_album: RealAlbum, open_page: OpenPage, tmp_path: Path
) -> None:
    live_album.python(MAKE_ALBUMS)
    page = live_album.sign_in(open_page(service_workers="block"), "alice")
    page.on("dialog", lambda dialog: dialog.accept())  # "leave this page?"
    page.goto(f"{live_album.url}/upload/")
    large = tmp_path / "large.jpg"
    large.write_bytes(scene_bytes() + bytes(LARGE_BYTES))
    page.route(
        "**/upload/files/*/",
        lambda route: route.abort("connectionreset") if route.request.method == "PATCH" else route.continue_(),
    )
    page.get_by_label("Album", exact=True).select_option("Lisbon")
    with page.expect_request_finished(lambda request: request.url.endswith("/upload/files/")):
        page.set_input_files("input[name=uploads]", str(large))
    page.wait_for_function("Object.keys(localStorage).some((key) => key.startsWith('tus::'))")
    page.reload()
    page.unroute_all()  # not before: it would be tried again at once
    page.get_by_label("Album", exact=True).select_option("Rome")
    page.set_input_files("input[name=uploads]", str(large))

    expect(page.locator(".job.stored .state")).to_be_visible(timeout=60_000)
    assert live_album.python(ALBUMS).strip() == "Lisbon 0, Rome 1"


def test_what_is_known_already_goes_into_the_album_that_is_chosen_and_that_of_its_folder(
    live_album: RealAlbum, open_page: OpenPage, tmp_path: Path
) -> None:
    live_album.python(MAKE_ALBUMS)
    page = live_album.sign_in(open_page(), "alice")
    page.goto(f"{live_album.url}/upload/")
    [photo] = write_photos(tmp_path / "Rome", 1)
    page.set_input_files("input[name=uploads]", str(photo))
    expect(page.locator(".job.stored")).to_have_count(1)
    page.get_by_label("Album", exact=True).select_option("Lisbon")
    page.set_input_files("input[name=uploads]", str(photo))
    expect(page.locator(".job.duplicate")).to_have_count(1)
    page.get_by_label("An album for each folder").check()
    page.set_input_files("[data-folder-input]", str(photo.parent))
    expect(page.locator(".job.duplicate")).to_have_count(2)
    assert live_album.python(ALBUMS).strip() == "Lisbon 1, Rome 1"
    assert count(live_album) == "1"


def test_a_folder_from_a_phone_becomes_an_album(live_album: RealAlbum, open_page: OpenPage, tmp_path: Path) -> None:
    page = live_album.sign_in(open_page(PHONE), "alice")
    page.goto(f"{live_album.url}/upload/")
    assert overflow_px(page) <= 0
    write_photos(tmp_path / "Rome 2024", 3)
    page.get_by_label("An album for each folder").check()
    page.set_input_files("[data-folder-input]", str(tmp_path / "Rome 2024"))
    expect(page.locator(".summary")).to_contain_text("3 of 3 files done", timeout=30_000)
    code = "from album.models import Album; print(Album.objects.get(title='Rome 2024').items.count())"
    assert live_album.python(code).strip() == "3"


def test_without_scripts_the_form_does_the_same(live_album: RealAlbum, open_page: OpenPage, tmp_path: Path) -> None:
    page = live_album.sign_in(open_page(java_script_enabled=False), "alice")
    page.goto(f"{live_album.url}/upload/")
    page.set_input_files("input[name=uploads]", [str(path) for path in write_photos(tmp_path / "two", 2)])
    page.get_by_role("button", name="Upload").last.click()
    expect(page.locator(".outcomes li.good")).to_have_count(2)


def test_the_browser_can_install_the_album(live_album: RealAlbum, open_page: OpenPage) -> None:
    page = live_album.sign_in(open_page(), "alice")
    worker = page.evaluate("async () => (await navigator.serviceWorker.ready).active.scriptURL")
    assert worker == f"{live_album.url}/service-worker.js"
    session = page.context.new_cdp_session(page)
    assert session.send("Page.getInstallabilityErrors")["installabilityErrors"] in (
        [],
        [{"errorId": "in-incognito", "errorArguments": []}],
    )
    page.context.set_offline(True)
    page.goto(f"{live_album.url}/upload/")
    expect(page.get_by_role("heading", name="No connection")).to_be_visible()
