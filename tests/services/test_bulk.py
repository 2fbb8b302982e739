"""The same change to many items: for whom, for which, and what is said of the others."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from album.exceptions import AlbumError
from album.models import Album, AlbumItem, Favourite, ItemTag, MediaItem, Shelf, Tag
from album.queries import fillable_albums
from album.services import bulk
from album.services.bulk import AlbumForbidden, AlbumUnknown, BulkRefused, Outcome
from tests.cast import Cast, make_rows

Act = Callable[[User, list[int]], Outcome]


@pytest.fixture
def shared(cast: Cast) -> MediaItem:
    """An item of alice in the album that bob sees and dora administers."""
    (item,) = make_rows(cast.alice, 1, timeline_at=datetime(2020, 1, 1, 12, tzinfo=UTC))
    cast.shared.items.set([item])
    return item


def allowed(cast: Cast, item: MediaItem, act: Act, undo: Callable[[], object]) -> set[str]:
    """The names of those for whom ``act`` does it; for all others it says why not."""
    names = set()
    for user in (cast.alice, cast.bob, cast.charlie, cast.dora, cast.admin):
        outcome = act(user, [item.pk])
        if outcome.done:
            names.add(user.username)
            undo()
        else:
            (reason,) = outcome.refused
            sees = user.username in {"alice", "bob", "dora", "root"}
            assert reason.startswith("Only those who own" if sees else "They are not here"), reason
    return names


def test_everybody_who_sees_an_item_may_like_it(cast: Cast, shared: MediaItem) -> None:
    like: Act = lambda user, ids: bulk.set_favourite(user=user, ids=ids, is_favourite=True)  # noqa: E731
    assert allowed(cast, shared, like, lambda: None) == {"alice", "bob", "dora", "root"}
    like(cast.bob, [shared.pk])
    assert Favourite.objects.filter(item=shared).count() == 4
    bulk.set_favourite(user=cast.bob, ids=[shared.pk], is_favourite=False)
    assert not Favourite.objects.filter(item=shared, user=cast.bob).exists()
    assert Favourite.objects.filter(item=shared).count() == 3


def test_archive_and_trash_are_for_the_owner(cast: Cast, shared: MediaItem) -> None:
    item = MediaItem.objects.filter(pk=shared.pk)
    archive: Act = lambda user, ids: bulk.set_archived(user=user, ids=ids, is_archived=True)  # noqa: E731
    assert allowed(cast, shared, archive, lambda: item.update(archived_at=None)) == {"alice", "root"}
    trash: Act = lambda user, ids: bulk.move_to_trash(user=user, ids=ids)  # noqa: E731
    assert allowed(cast, shared, trash, lambda: item.update(trashed_at=None)) == {"alice", "root"}


def test_what_was_put_away_comes_back_as_it_was(cast: Cast) -> None:
    early = datetime(2001, 1, 1, tzinfo=UTC)
    fresh, archived = make_rows(cast.alice, 2)
    MediaItem.objects.filter(pk=archived.pk).update(archived_at=early)
    both = [fresh.pk, archived.pk]
    assert bulk.set_archived(user=cast.alice, ids=both, is_archived=True).done == both
    archived.refresh_from_db()
    assert archived.archived_at == early  # it lay there before
    assert bulk.set_archived(user=cast.alice, ids=both, is_archived=False).done == both
    assert bulk.move_to_trash(user=cast.alice, ids=both).done == both
    assert set(MediaItem.objects.values_list("shelf", flat=True)) == {Shelf.TRASH}
    assert bulk.restore(user=cast.bob, ids=both).done == []
    assert bulk.restore(user=cast.alice, ids=both).done == both
    assert set(MediaItem.objects.values_list("shelf", flat=True)) == {Shelf.TIMELINE}


def test_tags_are_for_those_who_may_edit(cast: Cast, shared: MediaItem) -> None:
    tag: Act = lambda user, ids: bulk.add_tag(user=user, ids=ids, name=" Sea ")  # noqa: E731
    assert allowed(cast, shared, tag, lambda: None) == {"alice", "dora", "root"}
    assert ItemTag.objects.get().source == ItemTag.Source.PERSON
    assert Tag.objects.get().name == "sea"


def test_a_tag_that_people_take_away_stays_away_until_they_add_it_again(cast: Cast) -> None:
    items = make_rows(cast.alice, 3)
    ids, tag = [item.pk for item in items], Tag.objects.create(name="cat")
    ItemTag.objects.create(item=items[0], tag=tag, source="caption")
    ItemTag.objects.create(item=items[0], tag=tag, source="file")
    ItemTag.objects.create(item=items[1], tag=tag, source="person")
    bulk.remove_tag(user=cast.alice, ids=ids, name="Cat")
    removed = ItemTag.objects.filter(source=ItemTag.Source.REMOVED)
    assert set(removed.values_list("item", flat=True)) == {ids[0], ids[1]}
    assert ItemTag.objects.count() == 2
    bulk.add_tag(user=cast.alice, ids=ids, name="cat")
    assert not removed.exists() and ItemTag.objects.filter(source="person").count() == 3
    with pytest.raises(BulkRefused, match="no tag “dog”"):
        bulk.remove_tag(user=cast.alice, ids=ids, name="dog")
    with pytest.raises(AlbumError):
        bulk.add_tag(user=cast.alice, ids=ids, name=" ")


def test_tags_of_others_cannot_be_guessed(cast: Cast) -> None:
    ItemTag.objects.create(item=make_rows(cast.bob, 1)[0], tag=Tag.objects.create(name="secret"), source="person")
    ids = [make_rows(cast.alice, 1)[0].pk]
    for name in ("secret", "unheard of"):
        with pytest.raises(BulkRefused, match=f"no tag “{name}”"):
            bulk.remove_tag(user=cast.alice, ids=ids, name=name)


def test_dates_are_shifted_and_stay_as_people_set_them(cast: Cast, shared: MediaItem) -> None:
    (old,) = make_rows(cast.alice, 1, timeline_at=datetime(1830, 1, 1, tzinfo=UTC))
    outcome = bulk.shift_dates(user=cast.alice, ids=[shared.pk, old.pk], by=timedelta(days=-3650, hours=1))
    assert outcome.done == [shared.pk]
    assert list(outcome.refused.values()) == [[old.pk]]
    shared.refresh_from_db()
    assert shared.timeline_at == datetime(2010, 1, 3, 13, tzinfo=UTC)
    assert shared.taken_at_local == "2010-01-03T13:00:00"
    assert (shared.taken_at_source, shared.edited_fields) == ("person", ["date"])
    for nonsense in (timedelta(), timedelta(days=80_000)):
        with pytest.raises(BulkRefused, match="at least a minute"):
            bulk.shift_dates(user=cast.alice, ids=[shared.pk], by=nonsense)
    shift: Act = lambda user, ids: bulk.shift_dates(user=user, ids=ids, by=timedelta(minutes=1))  # noqa: E731
    assert allowed(cast, shared, shift, lambda: None) == {"alice", "dora", "root"}


def test_albums_are_filled_with_own_items_by_those_who_may_fill_them(cast: Cast, shared: MediaItem) -> None:
    cast.shared.editors.add(cast.charlie)
    (own,) = make_rows(cast.charlie, 1)
    outcome = bulk.add_to_album(user=cast.charlie, ids=[own.pk, shared.pk], album_id=cast.shared.pk)
    assert outcome.done == [own.pk] and list(outcome.refused.values()) == [[shared.pk]]
    assert set(cast.shared.items.all()) == {own, shared}
    with pytest.raises(AlbumForbidden):
        bulk.add_to_album(user=cast.bob, ids=[own.pk], album_id=cast.shared.pk)
    with pytest.raises(AlbumUnknown):
        bulk.add_to_album(user=cast.bob, ids=[own.pk], album_id=10**9)


def test_removing_from_an_album_names_what_was_not_in_it(cast: Cast, shared: MediaItem) -> None:
    (other,) = make_rows(cast.alice, 1)
    outcome = bulk.remove_from_album(user=cast.dora, ids=[shared.pk, other.pk], album_id=cast.shared.pk)
    assert outcome == Outcome([shared.pk], {"Not in this album.": [other.pk]})
    assert not AlbumItem.objects.exists() and MediaItem.objects.count() == 2
    with pytest.raises(AlbumForbidden):
        bulk.remove_from_album(user=cast.bob, ids=[shared.pk], album_id=cast.shared.pk)


def test_a_new_album_takes_what_is_ones_own_or_is_not_made(cast: Cast, shared: MediaItem) -> None:
    (own,) = make_rows(cast.bob, 1)
    album, outcome = bulk.add_to_new_album(user=cast.bob, ids=[own.pk, shared.pk], title=" Summer ")
    assert (album.title, album.owner, list(album.items.all()), outcome.done) == (
        "Summer",
        cast.bob,
        [own],
        [own.pk],
    )
    count = Album.objects.count()
    for ids, title in (([shared.pk], "Mine"), ([own.pk], " ")):
        with pytest.raises(AlbumError):
            bulk.add_to_new_album(user=cast.bob, ids=ids, title=title)
    assert Album.objects.count() == count
    assert not fillable_albums(cast.charlie).exists()


@pytest.mark.parametrize("ids", [[], list(range(1, bulk.MOST_ITEMS + 2))])
def test_none_and_too_many_are_refused(cast: Cast, ids: list[int]) -> None:
    with pytest.raises(BulkRefused, match="from 1 to 1000"):
        bulk.move_to_trash(user=cast.alice, ids=ids)


def test_queries_do_not_grow_with_the_items(cast: Cast) -> None:
    ids = [item.pk for item in make_rows(cast.alice, 60)]
    MediaItem.objects.filter(pk=ids[0]).update(archived_at=timezone.now())

    def count(some: list[int]) -> int:
        with CaptureQueriesContext(connection) as queries:
            bulk.set_favourite(user=cast.alice, ids=some, is_favourite=True)
            bulk.set_archived(user=cast.alice, ids=some, is_archived=True)
            bulk.add_tag(user=cast.alice, ids=some, name="sea")
            bulk.add_to_album(user=cast.alice, ids=some, album_id=cast.shared.pk)
        return len(queries)

    few = count(ids[:2])
    assert count(ids) <= few
