"""What lies in the trash, and the clips of motion photos, stand nowhere, yet their files open for those who may."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.utils import timezone

from album import queries
from album.models import MediaItem
from album.search.filters import search_media
from tests.cast import Cast, make_rows


def counts(user: User) -> tuple[int, int]:
    """Of the one album that ``user`` sees: all items, pending items."""
    album = queries.album_counts(queries.visible_albums(user)).get()
    return vars(album)["item_count"], vars(album)["pending_count"]


@pytest.fixture
def items(cast: Cast) -> tuple[MediaItem, MediaItem, MediaItem]:
    """A photo, its clip and a trashed photo of alice, all three in the album that bob sees and dora administers."""
    photo, clip, trashed = make_rows(cast.alice, 3)
    MediaItem.objects.filter(pk=clip.pk).update(clip_of=photo, kind="video")
    MediaItem.objects.filter(pk=trashed.pk).update(trashed_at=timezone.now())
    cast.shared.items.set([photo, clip, trashed])
    return photo, clip, trashed


def test_lists_counts_and_searches_know_the_photo_alone(cast: Cast, items) -> None:
    photo, _, _ = items
    for user in (cast.alice, cast.bob, cast.dora, cast.admin):
        assert list(queries.visible_to(user)) == [photo]
        assert list(search_media(user, "row")) == [photo]
        assert sum(queries.status_counts(queries.visible_to(user)).values()) == 1
        assert counts(user) == (1, 1)
    assert list(queries.editable_by(cast.dora)) == [photo]


def test_an_album_of_nothing_but_trash_counts_as_empty(cast: Cast, items) -> None:
    cast.shared.items.set(items[2:])
    assert counts(cast.bob) == (0, 0)


def test_only_owners_and_site_admins_may_delete(cast: Cast, items) -> None:
    photo, _, trashed = items
    owners: list[queries.Viewer] = [cast.alice, cast.admin]
    for user in owners:
        assert list(queries.owned_by(user)) == [photo]
        assert list(queries.in_trash(user)) == [trashed]
    others: list[queries.Viewer] = [cast.bob, cast.dora, cast.charlie, AnonymousUser()]
    for user in others:
        assert not queries.owned_by(user).exists()
        assert not queries.in_trash(user).exists()


def test_the_clip_of_a_photo_opens_for_whoever_sees_the_photo(cast: Cast, items) -> None:
    photo, clip, trashed = items
    cast.shared.items.set([photo])
    assert set(queries.openable_by(cast.bob)) == {photo, clip}
    assert set(queries.openable_by(cast.alice)) == {photo, clip, trashed}
    assert set(queries.openable_by(cast.admin)) == {photo, clip, trashed}
    assert not queries.openable_by(cast.charlie).exists()
    assert not queries.openable_by(AnonymousUser()).exists()


def test_the_clip_of_a_trashed_photo_opens_for_nobody_else(cast: Cast, items) -> None:
    MediaItem.objects.update(trashed_at=timezone.now())
    assert not queries.openable_by(cast.bob).exists()
    assert set(queries.openable_by(cast.alice)) == set(items)
