"""What the columns take of a file's statements, and how an Apple photo finds its clip."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest

from album.media.facts import EmbeddedClip, FileFacts, Place
from album.media.inspection import Inspection
from album.models import MediaItem
from album.preparation.rows import fact_columns, moment_of, write_inspection
from tests.cast import Cast, make_rows

LOCAL = datetime(2019, 3, 21, 11, 4, 22, 123456)


def write(item: MediaItem, facts: FileFacts) -> None:
    write_inspection(item, Inspection(facts, None, "no preview"), with_facts=True, is_final=True)
    item.refresh_from_db()


def test_every_column_takes_what_is_stated(cast: Cast) -> None:
    (item,) = make_rows(cast.alice, 1)
    place, clip = Place("FR", "France", "Île-de-France", "Paris"), EmbeddedClip(1000, 2000)
    offset = timedelta(hours=-5)
    write(item, FileFacts(place=place, clip=clip, lens="x" * 300, taken_at_local=LOCAL, utc_offset=offset))
    assert (item.country_code, item.country, item.region, item.city) == ("FR", "France", "Île-de-France", "Paris")
    assert (item.motion_offset, item.motion_size_bytes) == (1000, 2000)
    assert item.lens == "x" * 120
    assert item.taken_at_local == "2019-03-21T11:04:22.123456"
    assert item.taken_at == datetime(2019, 3, 21, 16, 4, 22, 123456, tzinfo=UTC)
    assert (item.preview_status, item.preview_problem) == ("none", "no preview")


def test_a_moment_outside_of_all_calendars_is_none() -> None:
    assert moment_of(FileFacts(taken_at_local=datetime(1, 1, 1), utc_offset=timedelta(hours=2))) is None


def test_every_column_of_facts_exists() -> None:
    names = {field.name for field in MediaItem._meta.get_fields()}
    assert set(fact_columns(FileFacts())) <= names


def test_an_item_deleted_meanwhile_stays_deleted(cast: Cast) -> None:
    (item,) = make_rows(cast.alice, 1)
    MediaItem.objects.all().delete()
    write_inspection(item, Inspection(FileFacts(keywords=("lake",)), None, ""), with_facts=True, is_final=True)
    assert not MediaItem.objects.exists()


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_the_clip_of_an_apple_photo_hides_behind_it_whichever_came_first(cast: Cast, order: tuple[int]) -> None:
    (photo,) = make_rows(cast.alice, 1)
    (clip,) = make_rows(cast.alice, 1, kind="video")
    (of_bob,) = make_rows(cast.bob, 1, kind="video")
    items = [photo, clip, of_bob]
    for index in order:
        write(items[index], FileFacts(content_identifier="6A19-C0"))
    clips = dict(MediaItem.objects.values_list("pk", "clip_of"))
    assert clips == {photo.pk: None, clip.pk: photo.pk, of_bob.pk: None}


def test_a_photo_in_the_trash_hides_no_clip(cast: Cast) -> None:
    (photo,) = make_rows(cast.alice, 1, trashed_at=datetime(2026, 1, 1, tzinfo=UTC))
    (clip,) = make_rows(cast.alice, 1, kind="video")
    for item in (photo, clip):
        write(item, FileFacts(content_identifier="6A19-C0"))
    assert clip.clip_of is None
