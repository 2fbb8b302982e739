"""Links: who makes them, what they show, how long they hold."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
from django.core.cache import caches
from django.core.cache.backends.db import DatabaseCache
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from album.models import Album, MediaItem, ShareLink
from album.queries import openable_through, shared_items
from album.services import albums, sharing
from album.services.albums import Role
from album.services.sharing import LinkRefused, Terms, TooManyAttempts, WrongPassword
from tests.cast import Cast, make_rows


def make_link(cast: Cast, **terms) -> tuple[ShareLink, str]:
    return sharing.create_link(user=cast.alice, album=cast.shared, terms=Terms(**terms))


def test_a_link_is_found_by_its_token_of_which_only_the_hash_is_kept(cast: Cast) -> None:
    link, token = make_link(cast, label="Grandma")
    assert len(token) >= 43  # 256 bits in base64
    assert sharing.find_link(token) == link
    stored = ShareLink.objects.values().get()
    assert token not in str(stored)
    for other in ("", token[:-1], token + "x", link.token_sha256, "\x00", "é" * 300, "\ud800"):
        assert sharing.find_link(other) is None


def test_viewers_editors_and_strangers_make_no_links(cast: Cast) -> None:
    cast.shared.editors.add(cast.charlie)
    for user in (cast.bob, cast.charlie):
        with pytest.raises(LinkRefused):
            sharing.create_link(user=user, album=cast.shared, terms=Terms())
    (item,) = make_rows(cast.alice, 1)
    cast.shared.items.add(item)
    for user in (cast.bob, cast.dora):
        with pytest.raises(LinkRefused):
            sharing.create_link(user=user, item_ids=[item.pk], terms=Terms())


@pytest.mark.parametrize("terms", [{"label": "x" * 121}, {"label": "\x00"}, {"password": "x" * 129}])
def test_terms_that_make_no_sense_are_refused(cast: Cast, terms: dict[str, str]) -> None:
    with pytest.raises(LinkRefused):
        make_link(cast, **terms)
    with pytest.raises(LinkRefused):
        make_link(cast, expires_at=timezone.now() - timedelta(seconds=1))


def test_a_link_ends_when_it_expires_is_revoked_or_its_maker_loses_the_right(cast: Cast) -> None:
    _, token = make_link(cast, expires_at=timezone.now() + timedelta(hours=1))
    assert sharing.find_link(token)
    ShareLink.objects.update(expires_at=timezone.now())
    assert sharing.find_link(token) is None

    link, token = make_link(cast)
    with pytest.raises(LinkRefused):
        sharing.revoke_link(user=cast.bob, link=link)
    sharing.revoke_link(user=cast.dora, link=link)
    assert sharing.find_link(token) is None

    _, token = sharing.create_link(user=cast.dora, album=cast.shared, terms=Terms())
    assert sharing.find_link(token)
    albums.set_member(user=cast.alice, album=cast.shared, username="dora", role=Role.VIEWER)
    assert sharing.find_link(token) is None
    albums.set_member(user=cast.alice, album=cast.shared, username="dora", role=Role.ADMIN)
    assert sharing.find_link(token) is None  # nor does it open again

    link, token = make_link(cast)
    cast.alice.is_active = False
    cast.alice.save()
    assert sharing.find_link(token) is None


def test_a_link_to_an_album_shows_what_lies_there_now(cast: Cast) -> None:
    inside, later, outside = make_rows(cast.alice, 3)
    (clip,) = make_rows(cast.alice, 1, kind="video", clip_of=inside)
    cast.shared.items.add(inside)
    link, _ = make_link(cast)
    assert list(shared_items(link)) == [inside]
    assert set(openable_through(link)) == {inside, clip}
    cast.shared.items.set([later])
    assert list(shared_items(link)) == [later]
    MediaItem.objects.filter(pk=later.pk).update(trashed_at=timezone.now())
    assert not shared_items(link).exists()
    assert not openable_through(link).exists()
    assert outside not in openable_through(link)


def test_a_link_to_an_automatic_album_follows_its_rule(cast: Cast) -> None:
    (graz,) = make_rows(cast.alice, 1, city="Graz")
    make_rows(cast.bob, 1, city="Graz")
    album = albums.save_album(user=cast.alice, album=Album(title="Graz", rule={"city": "Graz"}))
    link, _ = sharing.create_link(user=cast.alice, album=album, terms=Terms())
    assert list(shared_items(link)) == [graz]
    MediaItem.objects.filter(pk=graz.pk).update(city="Wien")
    assert not shared_items(link).exists()


def test_a_link_to_picked_items_shows_those_and_no_others(cast: Cast) -> None:
    picked, _other = make_rows(cast.alice, 2)
    (bobs,) = make_rows(cast.bob, 1)
    link, _ = sharing.create_link(user=cast.alice, item_ids=[picked.pk, bobs.pk], terms=Terms())
    assert list(shared_items(link)) == [picked]
    link.items.add(bobs)  # whatever put it there
    assert list(shared_items(link)) == [picked]


def test_wrong_passwords_are_counted_for_each_address(cast: Cast) -> None:
    link, _ = make_link(cast, password="right one")
    assert "right one" not in link.password

    def attempt(password: str, address: str = "192.0.2.1") -> None:
        sharing.check_link_password(link=link, password=password, address=address)

    for _ in range(3):
        attempt("right one")
    for _ in range(sharing.ATTEMPTS_PER_ADDRESS):
        with pytest.raises(WrongPassword):
            attempt("wrong")
    with pytest.raises(TooManyAttempts) as refused:
        attempt("right one")
    assert 0 < refused.value.retry_after_s <= sharing.ATTEMPTS_S
    attempt("right one", "192.0.2.2")


def test_wrong_passwords_from_everywhere_lock_the_link_for_a_while(cast: Cast, monkeypatch) -> None:
    monkeypatch.setattr(sharing, "ATTEMPTS_PER_LINK", 3)
    link, _ = make_link(cast, password="right one")
    other, _ = make_link(cast, password="right one")
    for number in range(3):
        with pytest.raises(WrongPassword):
            sharing.check_link_password(link=link, password="wrong", address=f"192.0.2.{number}")
    with pytest.raises(TooManyAttempts):
        sharing.check_link_password(link=link, password="right one", address="192.0.2.9")
    sharing.check_link_password(link=other, password="right one", address="192.0.2.9")
    later = time.time() + sharing.ATTEMPTS_S + 1
    monkeypatch.setattr(time, "time", lambda: later)
    sharing.check_link_password(link=link, password="right one", address="192.0.2.9")


def test_the_counts_lie_in_the_database(cast: Cast) -> None:
    link, _ = make_link(cast, password="right one")
    with pytest.raises(WrongPassword), CaptureQueriesContext(connection) as queries:
        sharing.check_link_password(link=link, password="wrong", address="192.0.2.1")
    assert isinstance(caches["default"], DatabaseCache)
    assert any("album_cache" in query["sql"] for query in queries)


def test_visits_are_counted_and_use_is_noted_once_a_minute(cast: Cast) -> None:
    link, _ = make_link(cast)
    sharing.note_visit(link=link, is_new=True)
    link.refresh_from_db()
    assert link.visits == 1
    assert link.last_used_at is not None
    before = link.last_used_at
    sharing.note_visit(link=link, is_new=False)
    link.refresh_from_db()
    assert (link.visits, link.last_used_at) == (1, before)


def test_people_see_the_links_that_they_may_revoke(cast: Cast) -> None:
    to_album, _ = make_link(cast)
    (bobs,) = make_rows(cast.bob, 1)
    to_item, _ = sharing.create_link(user=cast.bob, item_ids=[bobs.pk], terms=Terms())
    assert set(sharing.links_to(cast.alice)) == set(sharing.links_to(cast.dora)) == {to_album}
    assert set(sharing.links_to(cast.bob)) == {to_item}
    assert not sharing.links_to(cast.charlie).exists()
