"""However a search by date comes by its items, it finds what the plain conditions find, in the same order."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest

from album.models import Album, MediaItem, Shelf
from album.queries.pages import cursor_of, ids_of
from album.search import ranking
from album.search.filters import earliest, found_by
from album.search.parse import parse
from tests.cast import Cast, make_rows

SEARCHES = (
    "harbor", "boat harbor", "harbor -boat", "after:2020-03 harbor", "year:2020 boat", "before:2020-03 harbor",
    "is:archived harbor", "harbor OR boat", "after:2020-02 after:2020-04 harbor", "after:2031 harbor",
    "camera:canon",
)  # fmt: skip


@pytest.fixture
def library(cast: Cast) -> Cast:
    """Items of two people in an order of ids that is not that of time; every fourth lies in an archive."""
    dice = random.Random(3)
    items = [*make_rows(cast.alice, 40), *make_rows(cast.bob, 20)]
    for item in items:
        item.timeline_at = datetime(2020, 1, 1, tzinfo=UTC) + timedelta(days=dice.choice(range(150)))
        item.description = dice.choice(("a harbor", "a boat", "a boat in a harbor", "a meadow"))
        item.camera = dice.choice(("Canon", ""))
        if dice.random() < 0.25:
            item.archived_at, item.shelf = item.timeline_at, Shelf.ARCHIVE
        item.save()
    shared = Album.objects.create(owner=cast.bob, title="Both")
    shared.viewers.add(cast.alice)
    shared.items.set(items[40:50])
    return cast


@pytest.mark.parametrize("few_enough", [1, 10_000])
@pytest.mark.parametrize("stretch", [1, 3, 1000])
def test_all_ways_find_the_same(
    library: Cast, monkeypatch: pytest.MonkeyPatch, few_enough: int, stretch: int
) -> None:
    monkeypatch.setattr(ranking, "FEW_ENOUGH", few_enough)
    monkeypatch.setattr(ranking, "STRETCH", stretch)
    found = 0
    for text in SEARCHES:
        query = parse(text)
        for user in (library.alice, library.bob, library.admin):
            wanted = ids_of(found_by(query, user).order_by("-timeline_at", "-pk"))
            for most in (1, 4, 100):
                assert ranking.newest(query, user, most) == wanted[:most], text
            for place in (0, len(wanted) // 2, len(wanted) - 1) if wanted else ():
                before = cursor_of(MediaItem.objects.get(pk=wanted[place]))
                assert ranking.newest(query, user, 3, before) == wanted[place + 1 : place + 4], text
            found += len(wanted)
    assert found > 400


def test_what_dates_leave_out_is_known_beforehand() -> None:
    assert earliest(parse("harbor before:2020").clauses) is None
    assert earliest(parse("-after:2021 harbor").clauses) is None
    assert earliest(parse("after:2020-05-02 year:2018-2021").clauses) == datetime(2020, 5, 2, tzinfo=UTC)
