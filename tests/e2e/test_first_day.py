"""What a person does on the first day, in a real browser."""

from __future__ import annotations

from pathlib import Path

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By

from album.models import ItemTag, MediaItem, Tag
from tests.cast import TWO_RED_CIRCLES, make_cast, make_photo, scene_bytes
from tests.e2e.conftest import SignIn

pytestmark = pytest.mark.django_db(transaction=True)


def complaints(browser: Chrome) -> list[str]:
    """What the console reports, blocked inline code and missing files included."""
    return [entry["message"] for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]  # type: ignore[no-untyped-call]


def is_loaded(browser: Chrome, image: object) -> bool:
    script = "const i = arguments[0]; return i.decode().then(() => i.naturalWidth > 0, () => false)"
    return bool(browser.execute_script(script, image))


def test_sign_in_upload_and_see_it_wait_for_the_batch(sign_in: SignIn, tmp_path: Path) -> None:
    make_cast()
    photo, words = tmp_path / "two circles.jpg", tmp_path / "notes.txt"
    photo.write_bytes(scene_bytes(TWO_RED_CIRCLES, size_px=(800, 600)))
    words.write_text("no photo")

    browser = sign_in("alice")
    browser.find_element(By.LINK_TEXT, "Upload").click()
    browser.find_element(By.NAME, "uploads").send_keys(f"{photo}\n{words}")
    browser.find_element(By.CSS_SELECTOR, "main form button").click()
    outcomes = [line.text for line in browser.find_elements(By.CSS_SELECTOR, ".outcomes li")]
    assert outcomes[0].startswith("Stored two circles.jpg")
    assert outcomes[1].startswith("Not stored notes.txt")

    browser.find_element(By.CSS_SELECTOR, ".brand").click()
    assert [badge.text for badge in browser.find_elements(By.CSS_SELECTOR, ".card .badge")] == ["Pending"]
    assert is_loaded(browser, browser.find_element(By.CSS_SELECTOR, ".card img"))
    assert MediaItem.objects.get().processing_status == "pending"
    assert complaints(browser) == []


def test_search_finds_a_described_photo_and_opens_it(sign_in: SignIn) -> None:
    cast = make_cast()
    found = make_photo(
        cast.alice, TWO_RED_CIRCLES, ai_description=TWO_RED_CIRCLES.caption, ai_weights="tiny-blip",
        processing_status="completed",
    )  # fmt: skip
    make_photo(cast.alice, seed=7)
    ItemTag.objects.create(item=found, tag=Tag.objects.create(name="circle"), source=ItemTag.Source.CAPTION)

    browser = sign_in("alice")
    browser.find_element(By.ID, "q").send_keys('"red circle" -star\n')
    browser.find_element(By.XPATH, "//h1[contains(., 'Results')]")
    (picture,) = browser.find_elements(By.CSS_SELECTOR, ".card img")
    assert picture.get_attribute("alt") == "two red circles on a blue background"
    picture.click()

    assert browser.find_element(By.CSS_SELECTOR, ".badge.ai").text == "AI"
    assert is_loaded(browser, browser.find_element(By.CSS_SELECTOR, ".stage img"))
    browser.find_element(By.CSS_SELECTOR, ".tags a").click()
    browser.find_element(By.XPATH, "//h1[contains(., 'Results')]")
    assert len(browser.find_elements(By.CSS_SELECTOR, ".card")) == 1
    assert complaints(browser) == []


def test_a_stranger_sees_nothing_of_it(sign_in: SignIn, live_server) -> None:
    item = make_photo(make_cast().alice)
    browser = sign_in("charlie")
    assert browser.find_elements(By.CSS_SELECTOR, ".empty")
    browser.get(f"{live_server.url}/media/{item.pk}/")
    assert browser.find_element(By.TAG_NAME, "h1").text == "Not found"
