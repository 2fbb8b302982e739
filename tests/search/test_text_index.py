"""The text index follows every writer, because the database itself keeps it."""

from __future__ import annotations

import pytest
from django.db import connection

from album.models import ItemPerson, ItemTag, MediaItem, Person, Tag
from album.search import index
from album.search.filters import search_media
from tests.cast import Cast, make_rows


def finds(cast: Cast, text: str) -> bool:
    return search_media(cast.alice, text).exists()


def test_new_changed_and_deleted_items(cast: Cast) -> None:
    (item,) = make_rows(cast.alice, 1, description="a quiet harbor")
    assert finds(cast, "harbor")
    MediaItem.objects.filter(pk=item.pk).update(description="", ai_description="a loud market", city="Kraków")
    assert not finds(cast, "harbor")
    assert finds(cast, "market")
    assert finds(cast, "place:krakow")
    item.refresh_from_db()
    item.title = "Sunday"
    item.save()
    assert finds(cast, "sunday market")
    item.delete()
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM album_itemtext")
        assert cursor.fetchone() == (0,)


def test_what_writing_has_left_is_merged(cast: Cast) -> None:
    items = make_rows(cast.alice, 20)
    for item in items:
        MediaItem.objects.filter(pk=item.pk).update(ai_description=f"harbor number {item.pk}")
    before = pieces()
    index.tidy()
    assert pieces() == min(before, 1)
    assert search_media(cast.alice, "harbor number").count() == 20


def pieces() -> int:
    """In how many pieces SQLite's index lies; PostgreSQL's has none."""
    if connection.vendor != "sqlite":
        return 0
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(DISTINCT segid) FROM album_itemtext_idx")
        return int(cursor.fetchone()[0])


def test_tags_come_are_taken_away_renamed_and_deleted(cast: Cast) -> None:
    item, other = make_rows(cast.alice, 2)
    dog, sea = Tag.objects.create(name="dog"), Tag.objects.create(name="sea")
    ItemTag.objects.bulk_create(ItemTag(item=item, tag=tag, source="caption") for tag in (dog, sea))
    assert finds(cast, "dog sea")
    assert not finds(cast, '"dog sea"'), "a phrase does not reach from one tag into the next"
    ItemTag.objects.create(item=item, tag=sea, source=ItemTag.Source.REMOVED)
    assert not finds(cast, "sea")
    assert not finds(cast, "tag:sea")
    Tag.objects.filter(pk=dog.pk).update(name="puppy")
    assert finds(cast, "puppy")
    assert not finds(cast, "dog")
    ItemTag.objects.filter(tag=dog).update(item=other)
    assert list(search_media(cast.alice, "puppy")) == [other]
    Tag.objects.all().delete()
    assert not finds(cast, "puppy")


def test_tags_of_a_batch_are_found_when_it_lets_go_of_the_item(cast: Cast) -> None:
    (item,) = make_rows(cast.alice, 1)
    held = MediaItem.objects.filter(pk=item.pk)
    dog, sea = Tag.objects.create(name="dog"), Tag.objects.create(name="sea")
    ItemTag.objects.create(item=item, tag=sea, source="caption")
    held.update(processing_status="processing")
    ItemTag.objects.filter(item=item).delete()
    ItemTag.objects.create(item=item, tag=dog, source="zero-shot")
    if connection.vendor == "sqlite":
        assert finds(cast, "sea") and not finds(cast, "dog"), "nothing is written so far"
    held.update(processing_status="completed", ai_description="on a beach")
    assert finds(cast, "dog beach")
    assert not finds(cast, "sea")

    held.update(processing_status="processing")
    ItemTag.objects.create(item=item, tag=dog, source=ItemTag.Source.REMOVED)
    ItemTag.objects.create(item=item, tag=sea, source=ItemTag.Source.PERSON)
    assert finds(cast, "sea -dog"), "what a person says counts at once"
    ItemTag.objects.filter(item=item, source=ItemTag.Source.REMOVED).delete()
    assert finds(cast, "dog")
    ItemTag.objects.filter(item=item, source="zero-shot").delete()
    held.update(processing_status="failed")
    assert not finds(cast, "dog")
    assert finds(cast, "sea")


def test_people_come_are_denied_renamed_and_deleted(cast: Cast) -> None:
    (item,) = make_rows(cast.alice, 1)
    anna = Person.objects.create(owner=cast.alice, name="Anna")
    link = ItemPerson.objects.create(item=item, person=anna, source=ItemPerson.Source.FILE)
    assert finds(cast, "anna")
    Person.objects.update(name="Zoë")
    assert finds(cast, "zoe")
    assert not finds(cast, "anna")
    ItemPerson.objects.filter(pk=link.pk).update(source=ItemPerson.Source.REMOVED)
    assert not finds(cast, "zoe")
    ItemPerson.objects.update(source=ItemPerson.Source.PERSON)
    assert finds(cast, "zoe")
    anna.delete()
    assert not finds(cast, "zoe")


def test_a_very_long_description_is_taken(cast: Cast) -> None:
    make_rows(cast.alice, 1, description="first " + "wordy" * 30_000 + " x" * 400_000)
    assert finds(cast, "first")


@pytest.mark.parametrize("kind", ["trigger", "view"])
def test_what_an_earlier_release_made_is_replaced(cast: Cast, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    (item,) = make_rows(cast.alice, 1, title="harbor")
    with connection.cursor() as cursor:
        if connection.vendor != "sqlite":
            cursor.execute("COMMENT ON VIEW album_itemtext_source IS 'of an earlier release'")
        elif kind == "trigger":
            cursor.execute("DROP TRIGGER album_itemtext_item_changed")
            cursor.execute(
                "CREATE TRIGGER album_itemtext_item_changed AFTER UPDATE ON album_mediaitem BEGIN SELECT 1; END"
            )
        else:
            cursor.execute("DROP VIEW album_itemtext_source")
            cursor.execute(
                "CREATE VIEW album_itemtext_source AS SELECT id AS item_id, title AS tags FROM album_mediaitem"
            )
        cursor.execute("UPDATE album_itemtext SET title = 'nonsense'")
    assert not finds(cast, "harbor")
    index.put_up(using="default")
    assert finds(cast, "harbor")
    MediaItem.objects.filter(pk=item.pk).update(title="market")
    assert finds(cast, "market")
    monkeypatch.setattr(
        index, "_fill", lambda _: pytest.fail("the index was filled anew though nothing was missing")
    )
    index.put_up(using="default")


def test_what_was_not_filled_to_the_end_is_filled_the_next_time(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_rows(cast.alice, 1, title="harbor")
    index.take_down(using="default", plan=["a migration"])
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM album_itemtext")
        if connection.vendor != "sqlite":
            cursor.execute("COMMENT ON VIEW album_itemtext_source IS ''")

    def dies(_: object) -> None:
        raise InterruptedError

    with monkeypatch.context() as patch, pytest.raises(InterruptedError):
        patch.setattr(index, "_fill", dies)
        index.put_up(using="default")
    assert not finds(cast, "harbor")
    index.put_up(using="default")
    assert finds(cast, "harbor")


@pytest.mark.django_db
def test_what_changed_without_triggers_is_found_after_the_next_migration(cast: Cast) -> None:
    (item,) = make_rows(cast.alice, 1, title="before")
    index.take_down(using="default", plan=["a migration"])
    if connection.vendor != "sqlite":
        return  # there the triggers never go
    MediaItem.objects.filter(pk=item.pk).update(title="meanwhile")
    assert not finds(cast, "meanwhile")
    index.put_up(using="default")
    assert finds(cast, "meanwhile")
    MediaItem.objects.filter(pk=item.pk).update(title="after")
    assert finds(cast, "after")
