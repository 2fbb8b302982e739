"""What is found along the timeline is the same as what lists say, in the same order."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from album.models import Album, AlbumItem, MediaItem, Shelf
from album.queries import access, items_of, visible_to
from album.queries.access import is_walked, visible_among, visible_one_by_one
from album.queries.pages import ids_of, newest_ids
from tests.cast import Cast, make_rows

AT = datetime(2024, 5, 17, tzinfo=UTC)


@pytest.fixture
def rows(cast: Cast) -> list[MediaItem]:
    """In the album, two in a moment: of alice, one of them archived, one trashed, one outside; and one of dora."""
    items = [*make_rows(cast.alice, 6), *make_rows(cast.dora, 1)]
    for n, item in enumerate(items):
        MediaItem.objects.filter(pk=item.pk).update(timeline_at=AT + timedelta(days=n // 2))
    MediaItem.objects.filter(pk=items[1].pk).update(archived_at=AT)
    MediaItem.objects.filter(pk=items[2].pk).update(trashed_at=AT)
    AlbumItem.objects.bulk_create(
        AlbumItem(album=cast.shared, mediaitem=item) for item in items if item != items[3]
    )
    return items


def test_the_newest_come_from_timeline_and_archive_in_order(cast: Cast, rows: list[MediaItem]) -> None:
    shown = [rows[n].pk for n in (6, 5, 4, 1, 0)]
    assert newest_ids(visible_to(cast.bob), 10) == shown
    assert newest_ids(visible_to(cast.bob), 2) == shown[:2]
    assert newest_ids(visible_to(cast.charlie), 10) == []
    assert MediaItem.objects.get(pk=rows[1].pk).shelf == Shelf.ARCHIVE


def test_who_is_asked_for_each_item_sees_the_same(cast: Cast, rows: list[MediaItem]) -> None:
    ids = [row.pk for row in rows]
    for user in (cast.alice, cast.bob, cast.charlie, cast.dora, cast.admin):
        seen = set(ids_of(visible_to(user)))
        assert set(ids_of(visible_one_by_one(user))) == set(ids_of(visible_among(user, ids))) == seen
        assert set(ids_of(visible_among(user, ids[:2]))) == seen & set(ids[:2])


def test_a_large_album_is_walked_and_holds_the_same(
    cast: Cast, rows: list[MediaItem], monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = items_of(cast.shared, cast.bob).order_by("-timeline_at", "-pk")
    assert not is_walked(cast.shared)
    count = "SELECT COUNT(*) > 1 FROM album_mediaitem_albums WHERE album_id = %s"
    monkeypatch.setattr(access, "_SHARE", count)  # whatever ids went before: PostgreSQL does not give them anew
    large = Album.objects.get(pk=cast.shared.pk)
    assert is_walked(large)
    assert newest_ids(items_of(large, cast.bob), 10) == ids_of(listed)
    assert newest_ids(items_of(large, cast.charlie), 10) == []
