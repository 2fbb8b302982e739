"""The access rule: who sees, who may change."""

from __future__ import annotations

from django.contrib.auth.models import AnonymousUser, User

from album.models import Album, Status
from album.queries import album_counts, editable_albums, editable_by, status_counts, visible_albums, visible_to
from tests.cast import Cast, make_rows


def who(cast: Cast, rule, thing) -> set[str]:
    """The names for whom ``rule`` lets ``thing`` through."""
    people: list[User] = [cast.alice, cast.bob, cast.charlie, cast.dora, cast.admin]
    names = {user.username for user in people if rule(user).filter(pk=thing.pk).exists()}
    assert not rule(AnonymousUser()).exists()
    return names


def test_an_item_outside_albums_belongs_to_its_owner_alone(cast: Cast) -> None:
    (item,) = make_rows(cast.alice, 1)
    assert who(cast, visible_to, item) == who(cast, editable_by, item) == {"alice", "root"}


def test_an_album_shows_its_items_to_viewers_and_admins(cast: Cast) -> None:
    (item,) = make_rows(cast.alice, 1)
    cast.shared.items.add(item)
    assert who(cast, visible_to, item) == {"alice", "bob", "dora", "root"}
    assert who(cast, editable_by, item) == {"alice", "dora", "root"}


def test_the_owner_of_an_album_sees_what_others_put_in_and_they_keep_it(cast: Cast) -> None:
    (item,) = make_rows(cast.dora, 1)
    cast.shared.items.add(item)
    assert who(cast, visible_to, item) == {"alice", "bob", "dora", "root"}
    cast.shared.admins.remove(cast.dora)
    assert who(cast, editable_by, item) == {"alice", "dora", "root"}


def test_albums_follow_the_same_rule(cast: Cast) -> None:
    assert who(cast, visible_albums, cast.shared) == {"alice", "bob", "dora", "root"}
    assert who(cast, editable_albums, cast.shared) == {"alice", "dora", "root"}


def test_a_deactivated_account_sees_nothing(cast: Cast) -> None:
    make_rows(cast.alice, 1)
    cast.alice.is_active = False
    assert not visible_to(cast.alice).exists()
    assert not visible_albums(cast.alice).exists()


def test_an_item_in_two_shared_albums_is_listed_once(cast: Cast) -> None:
    (item,) = make_rows(cast.alice, 1)
    second = Album.objects.create(title="Second", owner=cast.alice)
    second.viewers.add(cast.bob)
    second.admins.add(cast.bob)
    item.albums.set([cast.shared, second])
    assert list(visible_to(cast.bob)) == [item]


def test_counts_name_every_status(cast: Cast) -> None:
    items = [*make_rows(cast.alice, 3), *make_rows(cast.alice, 2, processing_status=Status.FAILED)]
    cast.shared.items.set(items[1:])

    assert status_counts(visible_to(cast.alice)) == {"pending": 3, "processing": 0, "completed": 0, "failed": 2}
    album = album_counts(visible_albums(cast.bob)).get()
    names = ("item_count", "pending_count", "processing_count", "completed_count", "failed_count")
    assert [getattr(album, name) for name in names] == [4, 2, 0, 0, 2]
