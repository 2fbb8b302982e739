"""What a person does on the first day, in a real browser, with gunicorn and real files."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.cast import TWO_RED_CIRCLES, make_photo, scene_bytes
from tests.e2e.browser import SignIn, complaints, is_loaded
from tests.e2e.conftest import RealAlbum


def test_sign_in_upload_and_see_it_wait_for_the_batch(live_album: RealAlbum, page: Page, tmp_path: Path) -> None:
    photo, words = tmp_path / "two circles.jpg", tmp_path / "notes.txt"
    photo.write_bytes(scene_bytes(TWO_RED_CIRCLES, size_px=(800, 600)))
    words.write_text("no photo")
    live_album.sign_in(page, "alice")
    page.get_by_role("link", name="Upload").first.click()
    page.locator("input[type=file]").first.set_input_files([photo, words])
    expect(page.locator(".done li", has_text="two circles.jpg")).to_contain_text("It waits for the next batch.")
    expect(page.locator(".bad-ones li", has_text="notes.txt")).to_contain_text("No photo or video")

    page.goto(live_album.url)
    picture = page.locator("main a img").first
    expect(picture).to_be_visible()
    assert is_loaded(picture)
    assert re.search(r"album/js/app\.[0-9a-f]{12}\.js", page.content()), "static files go by their hashed names"
    picture.click()
    expect(page.locator(".pswp img.pswp__img").first).to_be_visible()
    assert live_album.installation.ask("list(MediaItem.objects.values_list('processing_status', flat=True))") == [
        "pending"
    ]
    assert complaints(page) == [], "modules found each other by their hashed names, too"


@pytest.mark.django_db(transaction=True)
def test_a_stranger_sees_nothing_of_it(signed_in: SignIn, live_cast, live_server) -> None:
    item = make_photo(live_cast.alice)
    page = signed_in(live_cast.charlie)
    expect(page.locator(".empty")).to_be_visible()
    answer = page.goto(f"{live_server.url}/media/{item.pk}/")
    assert answer is not None and answer.status == 404
    expect(page.get_by_role("heading", level=1)).to_have_text("Not found")
