"""Which items a search finds, and for whom."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from django.contrib.auth.models import AnonymousUser
from django.db import connection
from django.test.utils import CaptureQueriesContext

from album.models import Album, Favourite, ItemPerson, ItemTag, MediaItem, Person, Tag
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
        "1234", "img_1234", "żubr", "ŻUBR", "zubr", "lesie -green", "circle -tag:square", "background home",
        "circl", "square OR lesie -green", 'tag:ring OR "blue background"', "blue background -is:video kind:photo",
        "the red circles with a background",
    ],
)  # fmt: skip
def test_found(cast: Cast, circles: MediaItem, text: str) -> None:
    assert list(search_media(cast.alice, text)) == [circles]


@pytest.mark.parametrize(
    "text",
    [
        "ring",
        "sig",
        "circl red",
        '"circle red"',
        "qzq",
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


FIELDS = {
    "place:paris": True, 'place:"île de france"': True, "place:ile": True, "place:rome": False,
    "camera:fuji": True, "camera:x100": True, "camera:leica": False, "camera:X100V": True, "person:anna": True,
    "person:ANNA": True, 'tag:"12"" vinyl"': True, 'tag:"12 vinyl"': False, 'album:"über ""all"""': True,
    "album:ÜBER": True, "album:uber": False,
    'person:"anna smith"': True, "person:ann": False, "album:holi": True, "album:work": False,
    "on:2020": True, "on:2020-05": True, "on:2020-05-17": True, "on:2020-06": False, "on:2020-12": False,
    "on:2019": False, "on:2020-05-18": False, "2020": True, "2020-05": True, "May 2020": True, "mayo de 2020": True,
    "Mai 2020 Paris": True, "2020-05-17 rome": False, "June 2020": False, "2021": False, "Paris de 2020": True,
    "before:2020": False, "before:2020-05-18": True, "after:2020-05-17": True, "after:2020-05-18": False,
    "year:2020": True, "year:2018-2019": False, "year:2018-2020": True, "kind:video": False, "is:photo": True,
    "is:favourite": True, "is:favorite": True, "is:archived": False, "is:pending": True, "is:failed": False,
    "rating:4": True, "rating:>=4": True, "rating:>4": False, "rating:<=3": False, "owner:alice": True,
    "owner:me": True, "owner:bob": False, "-is:favourite": False, "-person:anna": False, "Paris Fuji": True,
    "anna smith paris": True, "is:video OR is:photo": True, "person:anna OR person:bert": True,
}  # fmt: skip


@pytest.fixture
def described(cast: Cast) -> MediaItem:
    """A photo of Anna in Paris, which alice likes."""
    (item,) = make_rows(
        cast.alice, 1, city="Paris", region="Île-de-France", country="France", camera="Fujifilm X100V", rating=4,
        timeline_at=datetime(2020, 5, 17, 12, tzinfo=UTC),
    )  # fmt: skip
    anna = Person.objects.create(owner=cast.alice, name="Anna Smith")
    ItemPerson.objects.create(item=item, person=anna)
    Favourite.objects.create(user=cast.alice, item=item)
    cast.shared.items.add(item)
    ItemTag.objects.create(item=item, tag=Tag.objects.create(name='12" vinyl'), source=ItemTag.Source.PERSON)
    Album.objects.create(owner=cast.alice, title='Über "all"').items.add(item)
    return item


@pytest.mark.parametrize("text", FIELDS)
def test_filters_find_what_they_say(cast: Cast, described: MediaItem, text: str) -> None:
    assert list(search_media(cast.alice, text)) == [described] * FIELDS[text]


def test_a_favourite_is_the_viewers_own(cast: Cast, described: MediaItem) -> None:
    assert not search_media(cast.bob, "is:favourite").exists()
    assert search_media(cast.bob, "is:photo").exists()


def test_an_album_that_one_cannot_see_finds_nothing(cast: Cast, described: MediaItem) -> None:
    secret = Album.objects.create(title="Secret", owner=cast.alice)
    secret.items.add(described)
    assert search_media(cast.alice, "album:secret").exists()
    assert not search_media(cast.bob, "album:secret").exists()
