"""The statement by hand for what stands on a shelf says what the rule says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from album import queries
from album.models import Favourite, MediaItem, Shelf
from tests.cast import Cast, make_rows

AT = datetime(2026, 11, 21, 12, tzinfo=UTC)
SHELVES = {Shelf.TIMELINE: queries.timeline_of, Shelf.ARCHIVE: queries.archive_of}


@pytest.mark.parametrize("shelf", SHELVES)
def test_a_shelf_is_what_the_rule_shows_from_any_place_on(shelf: Shelf, cast: Cast) -> None:
    items = make_rows(cast.alice, 12, timeline_at=AT)
    for number, item in enumerate(items):
        moved = AT - timedelta(microseconds=number // 3)  # three at the same moment
        MediaItem.objects.filter(pk=item.pk).update(timeline_at=moved, archived_at=AT if number % 2 else None)
    MediaItem.objects.filter(pk=items[-1].pk).update(trashed_at=AT)
    Favourite.objects.create(user=cast.alice, item=items[4])
    make_rows(cast.bob, 2, timeline_at=AT)
    shown = queries.grid_rows(SHELVES[shelf](cast.alice).order_by("-timeline_at", "-pk"), cast.alice)
    assert len(shown) == (6 if shelf == Shelf.TIMELINE else 5)
    assert queries.shelf_rows(cast.alice, shelf, None, 100) == shown
    for place, row in enumerate(shown):
        assert queries.shelf_rows(cast.alice, shelf, row.cursor, 3) == shown[place + 1 : place + 4]


def test_who_may_not_sign_in_has_no_shelf(cast: Cast) -> None:
    make_rows(cast.alice, 1)
    cast.alice.is_active = False
    assert queries.shelf_rows(cast.alice, Shelf.TIMELINE, None, 10) == []
