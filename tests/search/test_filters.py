"""Which items a search finds, and for whom."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import AnonymousUser
from django.db import connection
from django.test.utils import CaptureQueriesContext

from album.models import ItemTag, MediaItem, Tag
from album.search.filters import search_media
from tests.cast import Cast, make_rows


@pytest.fixture
def circles(cast: Cast) -> MediaItem:
    values = {"ai_description": "two red circles on a blue background", "title": "Żubr w Lesie"}
    (item,) = make_rows(cast.alice, 1, original_name="IMG_1234.JPG", description="Our first sign at home", **values)
    for name in ("circle", "red circle"):
        ItemTag.objects.create(item=item, tag=Tag.objects.create(name=name), source=ItemTag.Source.CAPTION)
    make_rows(cast.alice, 1, ai_description="a string of large green squares", original_name="other.png")
    return item


@pytest.mark.parametrize(
    "text",
    [
        "circle", "CIRCLES", "red blue", '"red circles"', '"red circle"', "tag:circles", 'tag:"red circle"',
        "1234", "img_1234", "żubr", "ŻUBR", "lesie -green", "circle -tag:square", "background home",
    ],
)  # fmt: skip
def test_found(cast: Cast, circles: MediaItem, text: str) -> None:
    assert list(search_media(cast.alice, text)) == [circles]


@pytest.mark.parametrize(
    "text",
    [
        "ring",
        "sig",
        "red green",
        '"circles red"',
        "circle -blue",
        "tag:red",
        "tag:ring",
        "-tag:circle -string",
        "%zz",
        " ( ",
    ],
)
def test_not_found(cast: Cast, circles: MediaItem, text: str) -> None:
    assert list(search_media(cast.alice, text)) == []


def test_a_blank_search_leaves_nothing_out(cast: Cast, circles: MediaItem) -> None:
    assert search_media(cast.alice, "  ").count() == 2


def test_scripts_without_spaces_are_found_inside_a_line(cast: Cast) -> None:
    (item,) = make_rows(cast.alice, 1, description="我的黑猫在花园")
    assert list(search_media(cast.alice, "黑猫")) == [item]


def test_nobody_finds_what_nobody_showed_them(cast: Cast, circles: MediaItem) -> None:
    cast.shared.items.add(circles)
    found = {user.username: search_media(user, "circle").count() for user in (cast.alice, cast.bob, cast.charlie)}
    assert found == {"alice": 1, "bob": 1, "charlie": 0}
    assert search_media(AnonymousUser(), "circle").count() == 0


def test_a_search_is_one_query_without_repeated_rows(cast: Cast, circles: MediaItem) -> None:
    with CaptureQueriesContext(connection) as queries:
        assert len(search_media(cast.admin, "circle red -tag:square")) == 1
    assert len(queries) == 1
