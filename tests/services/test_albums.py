"""Albums as members change them: names, nesting, order, rules, people."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from django.contrib.auth.models import User

from album.models import Album, AlbumItem, Favourite, ItemPerson, ItemTag, MediaItem, Person, Status, Tag
from album.models.rules import AlbumRule, InvalidRule
from album.queries import (
    album_cards,
    album_counts,
    fillable_albums,
    items_of,
    openable_by,
    parents_of,
    visible_albums,
    visible_to,
)
from album.services import albums as service
from album.services.albums import AlbumRefused, Role
from album.services.ingest import find_album
from tests.cast import Cast, make_rows


def new_album(user: User, title: str = "New", **values) -> Album:
    return service.save_album(user=user, album=Album(title=title, **values))


def automatic(owner: User, **rule) -> Album:
    return new_album(owner, "Automatic", rule=rule)


def test_a_new_album_belongs_to_whoever_makes_it_and_comes_last(cast: Cast) -> None:
    first, second = new_album(cast.bob, " One "), new_album(cast.bob, "Two")
    assert (first.owner, first.title) == (cast.bob, "One")
    assert first.position < second.position


@pytest.mark.parametrize("title", ["", "  ", "x" * 201, "a\x00b"])
def test_a_name_that_makes_no_sense_is_refused(cast: Cast, title: str) -> None:
    with pytest.raises(AlbumRefused):
        new_album(cast.alice, title)


def test_viewers_and_editors_may_not_rename(cast: Cast) -> None:
    cast.shared.editors.add(cast.charlie)
    cast.shared.title = "Taken over"
    for user in (cast.bob, cast.charlie):
        with pytest.raises(AlbumRefused):
            service.save_album(user=user, album=cast.shared)
    service.save_album(user=cast.dora, album=cast.shared)
    cast.shared.refresh_from_db()
    assert (cast.shared.title, cast.shared.owner) == ("Taken over", cast.alice)


def test_albums_nest_without_circles(cast: Cast) -> None:
    inner = new_album(cast.alice, parent=cast.shared)
    innermost = new_album(cast.alice, parent=inner)
    assert parents_of(innermost) == [cast.shared, inner]
    for album, parent in ((cast.shared, innermost), (inner, inner)):
        album.parent = parent
        with pytest.raises(AlbumRefused, match="itself"):
            service.save_album(user=cast.alice, album=album)


def test_nesting_has_an_end(cast: Cast) -> None:
    parent = cast.shared
    with pytest.raises(AlbumRefused, match="8"):
        for _ in range(20):
            parent = new_album(cast.alice, parent=parent)
    assert len(parents_of(parent)) == 7
    top = new_album(cast.alice)
    new_album(cast.alice, parent=top)
    top.parent = parents_of(parent)[-1]  # where an album has room, but not one with another in it
    with pytest.raises(AlbumRefused, match="8"):
        service.save_album(user=cast.alice, album=top)


def test_albums_that_lie_in_each_other_can_be_moved_apart(cast: Cast) -> None:
    inner = new_album(cast.alice, parent=cast.shared)
    Album.objects.filter(pk=cast.shared.pk).update(parent=inner)  # two at once may do that
    inner.parent = new_album(cast.alice)
    service.save_album(user=cast.alice, album=inner)
    assert [album.pk for album in parents_of(Album.objects.get(pk=cast.shared.pk))][-1] == inner.pk


def test_only_what_was_changed_is_stored(cast: Cast) -> None:
    one, other = Album.objects.get(pk=cast.shared.pk), Album.objects.get(pk=cast.shared.pk)
    other.description, one.title = "By Dora", "By Alice"
    service.save_album(user=cast.dora, album=other, changed=["description"])
    service.save_album(user=cast.alice, album=one, changed=["title"])
    one.refresh_from_db()
    assert (one.title, one.description) == ("By Alice", "By Dora")


def test_albums_that_are_arranged_change_places_among_themselves(cast: Cast) -> None:
    Album.objects.filter(owner=cast.alice).delete()
    albums = [Album.objects.create(owner=cast.alice, title=title) for title in "ABCDE"]
    service.arrange_albums(user=cast.alice, album_ids=[albums[4].pk, albums[2].pk, 10**9, albums[2].pk])
    ordered = Album.objects.filter(owner=cast.alice).order_by("position", "title")
    assert "".join(album.title for album in ordered) == "ABEDC"


def test_an_album_does_not_go_into_that_of_another(cast: Cast) -> None:
    with pytest.raises(AlbumRefused, match="same owner"):
        new_album(cast.dora, parent=cast.shared)


def test_deleting_an_album_keeps_items_and_moves_inner_albums_up(cast: Cast) -> None:
    (item,) = make_rows(cast.alice, 1)
    middle = new_album(cast.alice, parent=cast.shared)
    inner = new_album(cast.alice, parent=middle)
    middle.items.add(item)
    with pytest.raises(AlbumRefused):
        service.delete_album(user=cast.dora, album=middle)
    service.delete_album(user=cast.alice, album=middle)
    inner.refresh_from_db()
    assert inner.parent == cast.shared
    assert MediaItem.objects.filter(pk=item.pk).exists()


def test_people_put_in_only_what_is_theirs(cast: Cast) -> None:
    mine, hers = make_rows(cast.dora, 1) + make_rows(cast.alice, 1)
    elsewhere = new_album(cast.bob)
    service.set_member(user=cast.bob, album=elsewhere, username="dora", role=Role.EDITOR)
    cast.shared.items.add(hers)  # which dora sees and administers, and does not own
    assert service.add_items(user=cast.dora, album=elsewhere, item_ids=[mine.pk, hers.pk, 10**12]) == 1
    assert list(items_of(elsewhere, cast.bob)) == [mine]
    with pytest.raises(AlbumRefused):
        service.add_items(user=cast.bob, album=cast.shared, item_ids=[hers.pk])


def test_what_an_editor_put_in_leaves_with_the_editor(cast: Cast) -> None:
    service.set_member(user=cast.alice, album=cast.shared, username="Charlie", role=Role.EDITOR)
    (theirs,), (kept,) = make_rows(cast.charlie, 1), make_rows(cast.alice, 1)
    service.add_items(user=cast.charlie, album=cast.shared, item_ids=[theirs.pk])
    service.add_items(user=cast.alice, album=cast.shared, item_ids=[kept.pk])
    assert set(visible_to(cast.bob)) == {theirs, kept}
    service.remove_member(user=cast.charlie, album=cast.shared, member=cast.charlie)
    assert list(visible_to(cast.bob)) == [kept]
    assert list(visible_to(cast.charlie)) == [theirs]


def test_a_member_has_one_role_and_the_owner_none(cast: Cast) -> None:
    for role in (Role.VIEWER, Role.ADMIN, Role.EDITOR):
        service.set_member(user=cast.alice, album=cast.shared, username="charlie", role=role)
    assert service.members_of(cast.shared) == [
        (cast.bob, Role.VIEWER), (cast.charlie, Role.EDITOR), (cast.dora, Role.ADMIN),
    ]  # fmt: skip
    for username in ("alice", "nobody", ""):
        with pytest.raises(AlbumRefused):
            service.set_member(user=cast.alice, album=cast.shared, username=username, role=Role.VIEWER)
    with pytest.raises(AlbumRefused):
        service.set_member(user=cast.charlie, album=cast.shared, username="bob", role=Role.ADMIN)
    with pytest.raises(AlbumRefused):
        service.remove_member(user=cast.bob, album=cast.shared, member=cast.dora)


def test_items_are_put_in_order_and_others_follow(cast: Cast) -> None:
    a, b, c, d = make_rows(cast.alice, 4)
    cast.shared.items.set([a, b, c, d])
    service.arrange_items(user=cast.dora, album=cast.shared, item_ids=[c.pk, a.pk])
    places = dict(AlbumItem.objects.filter(album=cast.shared).values_list("mediaitem", "position"))
    assert places == {c.pk: 1, a.pk: 2, b.pk: 0, d.pk: 0}
    cast.shared.refresh_from_db()
    assert cast.shared.order == Album.Order.BY_HAND


def test_the_cover_is_the_chosen_item_while_it_lies_there_else_the_newest(cast: Cast) -> None:
    def cover() -> int | None:
        (card,) = album_cards(list(visible_albums(cast.bob)))
        return card.cover.pk if card.cover else None

    old, new = (make_rows(cast.alice, 1, timeline_at=datetime(year, 1, 1, tzinfo=UTC))[0] for year in (2001, 2020))
    cast.shared.items.set([old, new])
    assert cover() == new.pk
    service.choose_cover(user=cast.dora, album=cast.shared, item_id=old.pk)
    assert cover() == old.pk
    service.remove_items(user=cast.alice, album=cast.shared, item_ids=[old.pk])
    assert cover() == new.pk
    with pytest.raises(AlbumRefused):
        service.choose_cover(user=cast.alice, album=cast.shared, item_id=old.pk)


@pytest.mark.parametrize(
    "rule",
    [
        None, [], "tags", {}, {"tags": []}, {"owner": 1}, {"tags": "dog"}, {"tags": [1]}, {"kind": "song"},
        {"from_on": "yesterday"}, {"from_on": 3}, {"from_on": "2024-02-01", "to_on": "2024-01-01"},
        {"city": "a\x00b"}, {"city": "\ud800"}, {"tags": ["\udfff"]},
        {"city": "x" * 121}, {"is_favourite": "yes"}, {"to_on": "9999-12-31"},
        {"tags": ["x"] * 21},
    ],
)  # fmt: skip
def test_a_rule_that_makes_no_sense_is_refused(rule: object) -> None:
    with pytest.raises(InvalidRule):
        AlbumRule.from_json(rule)


def test_a_rule_is_kept_as_it_was_given() -> None:
    rule = {"tags": ["dog", "snow"], "city": "Graz", "from_on": "2024-01-01", "is_favourite": True}
    assert AlbumRule.from_json(AlbumRule.from_json(rule).to_json()).to_json() == {
        "tags": ("dog", "snow"), "city": "Graz", "from_on": "2024-01-01", "is_favourite": True,
    }  # fmt: skip


def tagged(items: list[MediaItem], name: str, source: str = ItemTag.Source.PERSON) -> None:
    tag, _ = Tag.objects.get_or_create(name=name)
    ItemTag.objects.bulk_create(ItemTag(item=item, tag=tag, source=source) for item in items)


def test_all_conditions_of_a_rule_must_hold(cast: Cast) -> None:
    def row(**values) -> MediaItem:
        return make_rows(cast.alice, 1, **values)[0]

    day = datetime(2024, 6, 30, 23, 59, tzinfo=UTC)
    wanted = row(city="Graz", camera="X100", timeline_at=day)
    others = [row(city="Wien", camera="X100", timeline_at=day), row(city="Graz", camera="X100"),
              row(city="Graz", timeline_at=day)]  # fmt: skip
    tagged([wanted, *others], "dog")
    tagged([wanted], "dog", ItemTag.Source.DETECTOR)
    anna = Person.objects.create(owner=cast.alice, name="Anna")
    ItemPerson.objects.bulk_create(ItemPerson(item=item, person=anna) for item in [wanted, *others])
    Favourite.objects.create(user=cast.alice, item=wanted)
    rule = {
        "tags": ["Dog"], "people": ["anna"], "city": "graz", "camera": "x100", "kind": "photo",
        "from_on": "2024-06-30", "to_on": "2024-06-30", "is_favourite": True,
    }  # fmt: skip
    assert list(items_of(automatic(cast.alice, **rule), cast.alice)) == [wanted]


def test_a_rule_knows_upper_and_lower_case_of_all_letters(cast: Cast) -> None:
    (item,) = make_rows(cast.alice, 1, country="Österreich", city="Straß (Steiermark)")
    ItemPerson.objects.create(item=item, person=Person.objects.create(owner=cast.alice, name="Özge"))
    rule = {"country": "österreich", "city": "STRAß (STEIERMARK)", "people": ["özge"]}
    assert list(items_of(automatic(cast.alice, **rule), cast.alice)) == [item]
    assert not items_of(automatic(cast.alice, country="österreic"), cast.alice).exists()


def test_a_tag_that_people_took_away_lets_nothing_in(cast: Cast) -> None:
    kept, removed = make_rows(cast.alice, 2)
    tagged([kept, removed], "dog", ItemTag.Source.DETECTOR)
    tagged([removed], "dog", ItemTag.Source.REMOVED)
    assert list(items_of(automatic(cast.alice, tags=["dog"]), cast.alice)) == [kept]


def test_an_automatic_album_shows_members_what_its_owner_has_and_no_more(cast: Cast) -> None:
    (hers,) = make_rows(cast.alice, 1, city="Graz")
    make_rows(cast.alice, 1, city="Wien")
    make_rows(cast.charlie, 1, city="Graz")
    (clip,) = make_rows(cast.alice, 1, kind="video", clip_of=hers)
    album = automatic(cast.alice, city="Graz")
    assert not visible_to(cast.bob).exists()
    service.set_member(user=cast.alice, album=album, username="bob", role=Role.EDITOR)
    assert list(visible_to(cast.bob)) == [hers]
    assert set(openable_by(cast.bob)) == {hers, clip}
    assert list(items_of(album, cast.bob)) == [hers]
    assert not items_of(album, cast.charlie).exists()
    counted = album_counts(visible_albums(cast.bob).filter(pk=album.pk)).get()
    assert [vars(counted)[name] for name in ("item_count", "pending_count", "failed_count")] == [1, 1, 0]
    (card,) = album_cards([album])
    assert (card.item_count, card.cover) == (1, hers)
    assert not fillable_albums(cast.alice).filter(pk=album.pk).exists()
    MediaItem.objects.filter(pk=hers.pk).update(city="Wien")
    assert not visible_to(cast.bob).exists()


def test_only_the_owner_changes_a_rule_and_none_becomes_automatic(cast: Cast) -> None:
    album = automatic(cast.alice, city="Graz")
    service.set_member(user=cast.alice, album=album, username="dora", role=Role.ADMIN)
    album.rule = {"kind": "photo"}
    with pytest.raises(AlbumRefused, match="owner"):
        service.save_album(user=cast.dora, album=album)
    service.save_album(user=cast.alice, album=album)
    cast.shared.rule = {"kind": "photo"}
    with pytest.raises(AlbumRefused, match="another"):
        service.save_album(user=cast.alice, album=cast.shared)
    cast.shared.refresh_from_db()
    assert cast.shared.rule is None


def test_a_rule_that_somebody_broke_by_hand_shows_nothing(cast: Cast) -> None:
    make_rows(cast.alice, 1)
    Album.objects.filter(pk=cast.shared.pk).update(rule={"nonsense": True})
    cast.shared.refresh_from_db()
    assert not visible_to(cast.bob).exists()
    assert not items_of(cast.shared, cast.alice).exists()


def test_counts_of_picked_and_automatic_albums_stand_side_by_side(cast: Cast) -> None:
    cast.shared.items.set([*make_rows(cast.alice, 2), *make_rows(cast.alice, 1, processing_status=Status.FAILED)])
    automatic(cast.alice, kind="photo")
    empty = automatic(cast.alice, city="Nowhere")
    counts = {album.pk: (vars(album)["item_count"], vars(album)["failed_count"])
              for album in album_counts(visible_albums(cast.alice))}  # fmt: skip
    assert counts.pop(cast.shared.pk) == (3, 1)
    assert counts.pop(empty.pk) == (0, 0)
    assert list(counts.values()) == [(3, 1)]


def test_imports_do_not_fill_an_automatic_album_of_the_same_name(cast: Cast) -> None:
    by_rule = automatic(cast.alice, city="Graz")
    assert find_album(cast.alice, by_rule.title).rule is None


def test_an_owner_has_so_many_automatic_albums_and_no_more(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "RULES_MAX", 2)
    for title in ("a", "b"):
        full = service.save_album(user=cast.alice, album=Album(title=title, rule={"kind": "video"}))
    with pytest.raises(AlbumRefused, match="You have 2 automatic albums"):
        service.save_album(user=cast.alice, album=Album(title="c", rule={"kind": "video"}))
    service.save_album(user=cast.alice, album=full)  # what there is can be changed
    service.save_album(user=cast.alice, album=Album(title="by hand"))
    service.save_album(user=cast.bob, album=Album(title="of another", rule={"kind": "video"}))
    service.delete_album(user=cast.alice, album=full)
    service.save_album(user=cast.alice, album=Album(title="c", rule={"kind": "video"}))
