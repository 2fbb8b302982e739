"""The lightbox over the timeline: by keyboard, by touch, with video and motion, with the panel; and the map."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.urls import reverse
from playwright.sync_api import Locator, Page, Route, expect

from album.models import Favourite, MediaItem
from tests.cast import Cast, make_photo, scene_bytes
from tests.e2e.browser import DESKTOP, PHONE, SignIn, axe, complaints, overflow_px
from tests.media.video_files import write_video

pytestmark = pytest.mark.django_db(transaction=True)
START = datetime(2026, 5, 1, 12, tzinfo=UTC)


@pytest.fixture
def items(live_cast: Cast, tmp_path: Path) -> list[MediaItem]:
    """Newest first: four photos, a video, a motion photo, an item without preview."""
    clip = write_video(tmp_path / "clip.mp4", ["red", "blue"], codec="libx264").read_bytes()
    photos = [make_photo(live_cast.alice, seed=seed) for seed in range(4)]
    video = make_photo(live_cast.alice, content=clip, original_name="clip.mp4")
    still = scene_bytes(seed=9)
    moving = make_photo(live_cast.alice, content=still + clip, original_name="moving.jpg")
    motion = {"motion_offset": len(still), "motion_size_bytes": len(clip)}
    MediaItem.objects.filter(pk=moving.pk).update(**motion)
    broken = make_photo(live_cast.alice, seed=10)
    MediaItem.objects.filter(pk=broken.pk).update(preview_status="none", preview_problem="damaged")
    made = [*photos, video, moving, broken]
    for number, item in enumerate(made):
        MediaItem.objects.filter(pk=item.pk).update(timeline_at=START - timedelta(minutes=number))
    return made


def open_first(page: Page) -> None:
    page.locator("[data-grid] .tile a").first.click()
    expect(page.locator(".pswp--open")).to_be_visible()


def stands_at(page: Page, item: MediaItem) -> None:
    expect(page).to_have_url(re.compile(re.escape(reverse("album:photo_detail", args=(item.pk,))) + "$"))


def test_by_keyboard_through_every_kind_of_item(items: list[MediaItem], live_cast: Cast, signed_in: SignIn) -> None:
    page = signed_in(live_cast.alice)
    page.locator("[data-grid] .tile a").first.focus()
    page.keyboard.press("Enter")
    expect(page.locator(".pswp--open")).to_be_visible()
    stands_at(page, items[0])
    page.keyboard.press("f")
    expect(page.locator(".pswp__button--favourite")).to_have_attribute("aria-pressed", "true")
    assert Favourite.objects.filter(user=live_cast.alice, item=items[0]).exists()
    for item in items[1:5]:
        page.keyboard.press("ArrowRight")
        stands_at(page, item)
    video = page.locator(".lightbox-video video")
    expect(video).to_be_visible()
    assert video.evaluate("(v) => v.play().then(() => v.videoWidth > 0)")
    page.keyboard.press("ArrowRight")
    stands_at(page, items[5])
    expect(video).to_have_js_property("paused", True)
    page.locator(".pswp__button--motion").hover()
    expect(page.locator(".lightbox-motion.plays")).to_be_attached()
    page.keyboard.press("ArrowRight")
    expect(page.locator(".lightbox-words")).to_be_visible()
    page.keyboard.press("Home")
    stands_at(page, items[0])
    axe(page)
    page.keyboard.press("Escape")
    expect(page.locator(".pswp")).to_have_count(0)
    expect(page).not_to_have_url(re.compile("/media/"))
    expect(page.locator("[data-grid] .tile a").first).to_be_focused()
    assert complaints(page) == []


def test_people_write_in_the_panel_without_leaving_the_lightbox(
    items: list[MediaItem], live_cast: Cast, signed_in: SignIn
) -> None:
    page = signed_in(live_cast.alice)
    open_first(page)
    page.keyboard.press("i")
    panel = page.locator(".lightbox-panel")
    expect(panel.locator("#info-edit-words")).to_be_visible()
    panel.locator("#info-edit-words").click()
    panel.get_by_label("Title").fill("By the <b>lake</b>")
    panel.get_by_label("Description").evaluate("(field) => { field.style.height = '9rem'; }")  # as who enlarges it
    panel.get_by_role("button", name="Save").first.click()
    expect(panel.locator("h1")).to_have_text("By the <b>lake</b>")
    expect(panel.locator("#info-edit-words")).to_be_focused()
    panel.get_by_placeholder("Add a tag").fill("Boat")
    page.keyboard.press("Enter")
    expect(panel.get_by_role("link", name="boat")).to_be_visible()
    expect(panel.get_by_placeholder("Add a tag")).to_be_focused()
    panel.locator("#info-edit-date").click()
    panel.get_by_label("Date and time there").fill("2019-08-04T17:30:00")
    panel.locator("form[action$='/edit/date/'] button").click()
    expect(panel.locator("time")).to_contain_text("Sunday, Aug. 4, 2019, 5:30")
    stands_at(page, items[0])  # the keys of the panel are not those of the lightbox
    axe(page)
    page.keyboard.press("Escape")
    expect(panel).to_be_hidden()
    page.keyboard.press("ArrowRight")
    stands_at(page, items[1])
    assert complaints(page) == []
    items[0].refresh_from_db()
    assert (items[0].title, items[0].taken_at_local) == ("By the <b>lake</b>", "2019-08-04T17:30:00")
    assert set(items[0].edited_fields) == {"title", "date"}


def begin_story(page: Page) -> Locator:
    """The description of the first picture, in which somebody has begun to write."""
    open_first(page)
    page.keyboard.press("i")
    page.locator("#info-edit-words").click()
    story = page.get_by_label("Description")
    story.fill("A long story")
    return story


def test_what_is_being_typed_outlasts_the_other_controls(
    items: list[MediaItem], live_cast: Cast, signed_in: SignIn
) -> None:
    MediaItem.objects.update(taken_at_local="2019-08-04T17:30:00", taken_at=START)
    page = signed_in(live_cast.alice)
    story, panel = begin_story(page), page.locator(".lightbox-panel")
    panel.locator("#info-edit-place").click()
    panel.get_by_label("Latitude").fill("91")
    panel.locator("form[action$='/place/'] button").click()
    expect(panel.get_by_role("alert")).to_be_visible()
    expect(story).to_have_value("A long story")

    panel.get_by_placeholder("Add a tag").fill("Boat")
    page.keyboard.press("Enter")
    expect(panel.get_by_role("link", name="boat")).to_be_visible()
    expect(panel.get_by_placeholder("Add a tag")).to_have_value("")
    expect(panel.get_by_placeholder("Add a tag")).to_be_focused()
    expect(panel.get_by_label("Latitude")).to_have_value("91")
    panel.get_by_role("button", name="3 stars").click()
    expect(panel.get_by_role("button", name="3 stars")).to_have_attribute("aria-pressed", "true")
    page.locator(".pswp__button--favourite").click()
    expect(panel.locator("#info-favourite")).to_have_attribute("aria-pressed", "true")
    expect(story).to_be_visible()
    expect(story).to_have_value("A long story")
    expect(panel.get_by_label("Date and time there")).to_be_hidden()  # nobody opened it
    panel.get_by_role("button", name="Save").first.click()
    expect(panel.locator(".description").first).to_have_text("A long story")
    expect(story).to_be_hidden()


def test_who_goes_on_writing_while_an_answer_comes_loses_no_letter(
    items: list[MediaItem], live_cast: Cast, signed_in: SignIn
) -> None:
    page = signed_in(live_cast.alice)
    story, panel = begin_story(page), page.locator(".lightbox-panel")

    def wait(route: Route) -> None:
        page.wait_for_timeout(500)
        route.continue_()

    page.route("**/rating/", wait)
    panel.get_by_role("button", name="4 stars").click()
    story.press_sequentially(" of a summer", delay=80)
    expect(panel.get_by_role("button", name="4 stars")).to_have_attribute("aria-pressed", "true")
    expect(story).to_be_focused()
    expect(story).to_have_value("A long story of a summer")


def test_what_is_being_typed_belongs_to_its_picture(
    items: list[MediaItem], live_cast: Cast, signed_in: SignIn
) -> None:
    page = signed_in(live_cast.alice)
    story, panel = begin_story(page), page.locator(".lightbox-panel")
    page.locator(".pswp__button--arrow--next").click()
    stands_at(page, items[1])
    expect(panel.locator(f"[data-item='{items[1].pk}']")).to_be_visible()
    expect(story).to_have_value("")


def test_a_picture_goes_into_an_album_from_the_lightbox(
    items: list[MediaItem], live_cast: Cast, signed_in: SignIn
) -> None:
    page = signed_in(live_cast.alice)
    open_first(page)
    page.keyboard.press("i")
    expect(page.locator(".lightbox-panel")).to_be_focused()
    page.keyboard.press("a")
    dialog = page.get_by_role("dialog", name="Add to an album")
    dialog.get_by_label("Album").select_option("Holiday")
    axe(page)
    dialog.get_by_role("button", name="Add").click()
    expect(page.locator(".lightbox-panel").get_by_role("link", name="Holiday")).to_be_visible()
    expect(page.locator(".toast")).to_contain_text("Added to the album.")
    page.get_by_role("button", name="Add to an album").click()
    expect(dialog).to_be_visible()
    page.keyboard.press("Escape")  # closes the dialog alone
    expect(dialog).to_be_hidden()
    stands_at(page, items[0])
    page.keyboard.press("ArrowRight")
    stands_at(page, items[1])
    page.keyboard.press("a")
    dialog.get_by_label("Album").select_option("New album…")
    dialog.get_by_label("Its name").fill("arias <i>")  # whose letters are keys of the lightbox
    page.keyboard.press("Enter")
    expect(page.locator(".lightbox-panel").get_by_role("link", name="arias <i>")).to_be_visible()
    assert {album.title: list(album.items.all()) for album in live_cast.alice.albums.all()} == {
        "Holiday": [items[0]],
        "arias <i>": [items[1]],
    }
    assert complaints(page) == []


def test_on_a_phone_by_touch_and_back(items: list[MediaItem], live_cast: Cast, signed_in: SignIn) -> None:
    page = signed_in(live_cast.alice, "/", PHONE)
    page.locator("[data-grid] .tile a").first.tap()
    expect(page.locator(".pswp--open")).to_be_visible()
    stands_at(page, items[0])
    swipe(page, 300, 60)
    stands_at(page, items[1])
    page.wait_for_timeout(800)  # PhotoSwipe takes no tap while the slide is under way
    page.locator(".pswp__button--info").tap()
    expect(page.locator(".lightbox-panel .info")).to_be_visible()
    assert overflow_px(page) == 0
    page.go_back()
    expect(page.locator(".pswp")).to_have_count(0)
    page.go_forward()
    expect(page.locator(".pswp--open")).to_be_visible()
    stands_at(page, items[1])


def swipe(page: Page, start_px: int, end_px: int) -> None:
    """A finger goes sideways over the middle of the window."""
    session = page.context.new_cdp_session(page)

    def touch(kind: str, *across: int) -> None:
        points = [{"x": x, "y": 350} for x in across]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    touch("touchStart", start_px)
    for step in range(1, 9):
        touch("touchMove", start_px + (end_px - start_px) * step // 8)
    touch("touchEnd")


def test_the_page_of_an_item_leads_on_by_keys(items: list[MediaItem], live_cast: Cast, signed_in: SignIn) -> None:
    page = signed_in(live_cast.alice, reverse("album:photo_detail", args=(items[1].pk,)))
    for key, item in (("ArrowRight", 2), ("ArrowLeft", 1), ("ArrowLeft", 0), ("ArrowLeft", 0)):
        page.keyboard.press(key)
        stands_at(page, items[item])
        page.wait_for_load_state("load")  # with its scripts, which hear the next key
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keyboard")).to_be_visible()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog", name="Keyboard")).to_be_hidden()
    stands_at(page, items[0])
    page.locator("#info-edit-place").click()
    box = page.locator(".place-map.leaflet-container")
    box.click(position={"x": 100, "y": 60})
    expect(page.get_by_label("Latitude")).not_to_have_value("")
    page.locator("form[action$='/place/'] button").click()
    expect(page.locator(".place-map")).to_have_attribute("data-latitude", re.compile(r"\d"))
    items[0].refresh_from_db()
    assert items[0].edited_fields == ["place"]
    page.keyboard.press("Escape")
    expect(page).to_have_url(re.compile(r":\d+/$"))
    assert complaints(page) == []


def test_a_group_on_the_map_opens_below_it(items: list[MediaItem], live_cast: Cast, signed_in: SignIn) -> None:
    for item, latitude in zip(items[:3], (48.85, 48.86, 48.87), strict=True):
        here = {"latitude_deg": latitude, "longitude_deg": 2.35, "city": "Paris", "country": "France"}
        MediaItem.objects.filter(pk=item.pk).update(**here)
    page = signed_in(live_cast.alice, "/map/", DESKTOP)
    group = page.get_by_role("button", name=re.compile("Paris"))
    expect(group.first).to_be_visible()
    while group.count() > 1:  # as far in as all of them are in view
        page.locator(".leaflet-control-zoom-out").click()
        page.wait_for_timeout(500)
    axe(page)
    group.press("Enter")
    strip = page.get_by_role("region", name=re.compile("in Paris: 3"))
    tiles = strip.locator(".tile a")
    expect(tiles).to_have_count(3)
    expect(strip.get_by_role("heading")).to_be_focused()
    axe(page)
    tiles.first.press("ArrowRight")
    expect(tiles.nth(1)).to_be_focused()
    tiles.nth(1).press("Enter")
    stands_at(page, items[1])
    page.keyboard.press("ArrowRight")
    stands_at(page, items[2])
    page.keyboard.press("Delete")
    stands_at(page, items[1])
    page.keyboard.press("Escape")
    expect(page).to_have_url(re.compile("/map/$"))
    expect(tiles).to_have_count(2)
    expect(tiles.nth(1)).to_be_focused()
    expect(strip.get_by_role("link", name="Show in the timeline")).to_have_attribute("href", re.compile("bbox="))
    page.keyboard.press("Escape")
    expect(strip).to_be_hidden()
    expect(group).to_be_focused()
    assert complaints(page) == []


def test_what_is_deleted_gives_way_to_the_next_one_and_comes_back(
    items: list[MediaItem], live_cast: Cast, signed_in: SignIn
) -> None:
    page = signed_in(live_cast.alice)
    open_first(page)
    page.keyboard.press("ArrowRight")
    stands_at(page, items[1])
    page.keyboard.press("Delete")
    stands_at(page, items[2])
    expect(page.locator(".pswp__counter")).to_have_text("2 / 6")
    assert MediaItem.objects.get(pk=items[1].pk).trashed_at is not None
    page.keyboard.press("ArrowLeft")
    stands_at(page, items[0])
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("[data-grid] .tile")).to_have_count(7)
    expect(page).to_have_url(re.compile("/$"))
    assert MediaItem.objects.get(pk=items[1].pk).trashed_at is None
    assert complaints(page) == []


def test_what_belongs_to_somebody_else_cannot_be_deleted(
    items: list[MediaItem], live_cast: Cast, signed_in: SignIn
) -> None:
    live_cast.shared.items.add(items[0])
    page = signed_in(live_cast.dora, f"/albums/{live_cast.shared.pk}/")
    open_first(page)
    stands_at(page, items[0])
    expect(page.get_by_role("button", name="Favorite")).to_be_visible()
    expect(page.locator(".pswp__button--trash")).to_be_hidden()
    page.keyboard.press("Delete")
    page.keyboard.press("i")
    expect(page.locator(".lightbox-panel")).to_be_visible()
    items[0].refresh_from_db()
    assert items[0].trashed_at is None
    assert complaints(page) == []
