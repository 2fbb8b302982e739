"""The page of an item, its preview and its original."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from album.models import ItemTag, Stage, StageResult, Status, Tag
from tests.cast import Cast, make_photo, scene_bytes


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


def test_the_page_tells_what_the_file_says_of_itself(cast: Cast, alice_client: Client) -> None:
    values: dict[str, Any] = {
        "camera": "NIKON D70",
        "exposure_s": 0.004,
        "f_number": 2.8,
        "iso": 200,
        "city": "Paris",
        "country": "France",
    }
    item = make_photo(cast.alice, **values)
    page = alice_client.get(f"/media/{item.pk}/").content.decode()
    assert all(words in page for words in ("NIKON D70", "1/250 s, f/2.8, ISO 200", "Paris, France"))


def test_a_file_without_preview_says_why_and_can_be_had(cast: Cast, alice_client: Client) -> None:
    item = make_photo(cast.alice, preview_status="none", preview_problem="damaged (bad Huffman code)")
    page = alice_client.get(f"/media/{item.pk}/").content.decode()
    assert "damaged (bad Huffman code)" in page
    assert f'href="/media/{item.pk}/original/"' in page
    assert f"/media/{item.pk}/preview/" not in page
    assert "No preview: scene.jpg" in alice_client.get("/").content.decode()


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"needs_proxy": True}, "A copy that they can play is being made"),
        ({"needs_proxy": True, "proxy_problem": "no frame can be decoded"}, "no frame can be decoded"),
        ({}, "playback/?v="),
        ({"needs_proxy": True, "video_proxy": "renditions/proxy.mp4"}, "playback/?v="),
    ],
)
def test_a_video_is_played_as_soon_as_browsers_can(
    cast: Cast, alice_client: Client, values: dict[str, Any], words: str
) -> None:
    item = make_photo(cast.alice, kind="video", preview_status="ready", **values)
    assert words in alice_client.get(f"/media/{item.pk}/").content.decode()


def test_moving_pictures_move_on_their_page(cast: Cast, alice_client: Client) -> None:
    item = make_photo(cast.alice, is_animated=True, mime_type="image/gif")
    assert f'src="/media/{item.pk}/original/"' in alice_client.get(f"/media/{item.pk}/").content.decode()


@pytest.mark.parametrize("path", ["/", "/upload/", "/login/", "/no/such/page/"])
def test_pages_allow_nothing_inline_and_nothing_from_elsewhere(cast: Cast, alice_client: Client, path: str) -> None:
    answer = alice_client.get(path)
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'self'")
    page = answer.content.decode()
    assert "<style" not in page and " style=" not in page and "http://" not in page and "https://" not in page
    assert not re.search(r"<script(?![^>]* src=)", page)
