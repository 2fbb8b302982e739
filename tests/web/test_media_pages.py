"""The page of an item, its preview and its original."""

from __future__ import annotations

import io
from datetime import datetime
from pathlib import Path

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from PIL import Image

from album.models import ItemTag, Stage, StageResult, Status, Tag
from tests.cast import Cast, make_photo, make_rows, scene_bytes


def body(answer) -> bytes:
    return b"".join(answer)


def test_a_description_by_a_network_is_marked_as_ai_with_its_weights(cast: Cast, alice_client: Client) -> None:
    item = make_photo(cast.alice, ai_description="two red circles", ai_weights="tiny-blip")
    page = alice_client.get(f"/media/{item.pk}/").content.decode()
    assert 'alt="two red circles"' in page
    assert '<span class="badge ai">AI</span> <span class="faint">tiny-blip</span>' in page


def test_a_built_in_description_is_never_called_ai(cast: Cast, alice_client: Client) -> None:
    item = make_photo(cast.alice, ai_description="a bright picture", ai_weights="built-in")
    tag = Tag.objects.create(name="bright")
    ItemTag.objects.create(item=item, tag=tag, source=ItemTag.Source.BUILT_IN)
    page = alice_client.get(f"/media/{item.pk}/").content.decode()
    assert '<span class="badge">built-in</span>' in page
    assert "Tags <small>Built-in</small>" in page
    assert "AI" not in page


def test_words_of_people_come_first_and_apart(cast: Cast, alice_client: Client) -> None:
    item = make_photo(cast.alice, title="Sign", description="Our sign", ai_description="two circles")
    page = alice_client.get(f"/media/{item.pk}/").content.decode()
    assert page.index("Our sign</p>") < page.index("two circles</p>")
    assert "<h1>Sign</h1>" in page


def test_a_failure_is_told_stage_by_stage(cast: Cast, alice_client: Client) -> None:
    item = make_photo(cast.alice, processing_status=Status.FAILED)
    StageResult.objects.create(item=item, stage=Stage.EMBED, state=Status.COMPLETED, attempts=1)
    StageResult.objects.create(
        item=item, stage=Stage.CAPTION, state=Status.FAILED, attempts=3, error="took longer than 60 s"
    )
    page = alice_client.get(f"/media/{item.pk}/").content.decode()
    assert "Description: failed</b> after 3 attempts. took longer than 60 s" in page
    assert "Vector and tags: " not in page


def test_the_page_shows_the_clock_of_the_camera(cast: Cast, alice_client: Client, settings) -> None:
    settings.TIME_ZONE = "Asia/Tokyo"
    item = make_photo(cast.alice, content=scene_bytes(taken_at_local=datetime(2024, 7, 5, 9, 30)))
    assert "5 July 2024, 09:30" in alice_client.get(f"/media/{item.pk}/").content.decode()


def test_queries_do_not_grow_with_the_tags(cast: Cast, alice_client: Client) -> None:
    item = make_photo(cast.alice)

    def count() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert alice_client.get(f"/media/{item.pk}/").status_code == 200
        return len(queries)

    few = count()
    for number in range(20):
        ItemTag.objects.create(item=item, tag=Tag.objects.create(name=f"tag {number}"), source="caption")
    assert count() == few <= 5


@pytest.mark.parametrize(
    ("query", "size_px"),
    [("?side=480", (480, 360)), ("", (1600, 1200)), ("?side=9", (1600, 1200))],
)
def test_a_preview_is_scaled_and_says_nothing_about_the_camera(
    cast: Cast, alice_client: Client, query: str, size_px: tuple[int, int]
) -> None:
    content = scene_bytes(size_px=(2000, 1500), taken_at_local=datetime(2024, 7, 5))
    item = make_photo(cast.alice, content=content)
    answer = alice_client.get(f"/media/{item.pk}/preview/{query}")
    with Image.open(io.BytesIO(body(answer))) as image:
        assert (image.format, image.size, dict(image.getexif())) == ("JPEG", size_px, {})
    assert answer.headers["Cache-Control"].startswith("private")


def test_a_preview_is_made_once(cast: Cast, alice_client: Client, settings) -> None:
    item = make_photo(cast.alice)
    first = body(alice_client.get(f"/media/{item.pk}/preview/"))
    Path(item.original.path).unlink()
    assert body(alice_client.get(f"/media/{item.pk}/preview/")) == first
    assert [path.suffix for path in (settings.VAR_DIR / "previews").rglob("*.*")] == [".jpg"]


def test_what_cannot_be_decoded_gets_a_sign_in_its_place(cast: Cast, alice_client: Client, settings) -> None:
    whole = scene_bytes(size_px=(900, 900))
    cut, missing = make_photo(cast.alice, content=whole[: len(whole) // 2]), make_rows(cast.alice, 1)[0]
    for item in (cut, missing):
        answer = alice_client.get(f"/media/{item.pk}/preview/")
        assert (answer.status_code, answer.headers["Location"]) == (302, "/static/album/unreadable.svg")
    assert not list((settings.VAR_DIR / "previews").rglob("*.part"))


def test_an_original_comes_as_it_was_and_never_as_a_page(cast: Cast, alice_client: Client) -> None:
    item = make_photo(cast.alice, original_name='Żubr "1".jpg')
    answer = alice_client.get(f"/media/{item.pk}/original/")
    assert body(answer) == scene_bytes()
    assert answer.headers["Content-Type"] == "image/jpeg"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Disposition"].startswith("attachment; filename*=utf-8''%C5%BBubr")
    assert "sandbox" in answer.headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    ("wanted", "part"),
    [("bytes=0-9", slice(0, 10)), ("bytes=100-", slice(100, None)), ("bytes=-5", slice(-5, None)),
     ("bytes=10-99999999", slice(10, None))],
)  # fmt: skip
def test_players_get_the_part_they_ask_for(cast: Cast, alice_client: Client, wanted: str, part: slice) -> None:
    item, content = make_photo(cast.alice), scene_bytes()
    answer = alice_client.get(f"/media/{item.pk}/original/", headers={"range": wanted})
    assert answer.status_code == 206
    assert body(answer) == content[part]
    assert int(answer.headers["Content-Length"]) == len(content[part])
    start = content.index(content[part])
    assert answer.headers["Content-Range"] == f"bytes {start}-{start + len(content[part]) - 1}/{len(content)}"


@pytest.mark.parametrize(
    ("wanted", "status"),
    [("bytes=99999999-", 416), ("bytes=-0", 416), ("bytes=5-2", 416), ("bytes=-", 200), ("lines=1-2", 200)],
)
def test_odd_ranges_do_no_harm(cast: Cast, alice_client: Client, wanted: str, status: int) -> None:
    item = make_photo(cast.alice)
    answer = alice_client.get(f"/media/{item.pk}/original/", headers={"range": wanted})
    assert answer.status_code == status
    assert len(body(answer)) == (item.size_bytes if status == 200 else 0)


def test_a_lost_original_is_not_found(cast: Cast, alice_client: Client) -> None:
    item = make_rows(cast.alice, 1)[0]
    assert alice_client.get(f"/media/{item.pk}/original/").status_code == 404


@pytest.mark.parametrize("path", ["/", "/upload/", "/login/", "/no/such/page/"])
def test_pages_allow_nothing_inline_and_nothing_from_elsewhere(cast: Cast, alice_client: Client, path: str) -> None:
    answer = alice_client.get(path)
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'self'")
    page = answer.content.decode()
    assert "<style" not in page and " style=" not in page and "http://" not in page and "https://" not in page
    assert "<script" not in page
