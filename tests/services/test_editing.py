"""What people write about an item is theirs: files, imports and batches leave it alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from album.batches.ledger import Claim
from album.batches.recording import Recorder
from album.inference.results import Analysis, Tag, TagSource, WeightsRef
from album.media.facts import FileFacts, Place
from album.media.inspection import Inspection
from album.models import BatchRun, Favourite, ItemPerson, ItemTag, MediaItem, Person, Stage, StageResult, Status
from album.preparation.rows import take_back_words, write_inspection
from album.services import editing
from album.services.editing import EditRefused
from tests.cast import Cast, make_rows

LOCAL = datetime(2019, 3, 21, 11, 4, 22)
STATED = FileFacts(
    title="of the file",
    description="of the file",
    rating=1,
    taken_at_local=LOCAL,
    utc_offset=timedelta(hours=1),
    taken_at_source="original",
    latitude_deg=1.0,
    longitude_deg=2.0,
    place=Place("FR", "France", "", "Paris"),
    keywords=("lake", "boat"),
    people=("Ada", "Bo"),
)


@pytest.fixture
def item(cast: Cast) -> MediaItem:
    return make_rows(cast.alice, 1)[0]


def prepare(item: MediaItem, facts: FileFacts = STATED) -> None:
    write_inspection(item, Inspection(facts, None, "no preview"), with_facts=True, is_final=True)
    item.refresh_from_db()


def describe(item: MediaItem, *tags: Tag) -> None:
    """Stores what a batch found."""
    run = BatchRun.objects.create(kind="photo", trigger="command")
    held = {"state": Status.PROCESSING, "run": run}
    result, _ = StageResult.objects.update_or_create(item=item, stage=Stage.CAPTION, defaults=held)
    analysis, weights = Analysis(description="by AI", tags=tags), WeightsRef("tiny", "1")
    Recorder(run, Stage.CAPTION).completed(Claim(result.pk, item, 1), analysis, weights, 0.1)
    item.refresh_from_db()


def tags_of(item: MediaItem) -> set[tuple[str, str]]:
    return set(ItemTag.objects.filter(item=item).values_list("tag__name", "source"))


def people_in(item: MediaItem) -> set[tuple[str, str]]:
    return set(ItemPerson.objects.filter(item=item).values_list("person__name", "source"))


def test_what_a_file_states_later_changes_nothing_that_people_wrote(item: MediaItem) -> None:
    prepare(item)
    editing.write_words(item=item, title="Ours", description="")
    editing.write_date(item=item, local=datetime(1980, 1, 2, 3, 4), time_zone="Europe/Berlin")
    editing.write_place(item=item, latitude_deg=None, longitude_deg=None)
    editing.write_rating(item=item, rating=None)
    before = MediaItem.objects.get(pk=item.pk)
    assert before.edited_fields == ["date", "description", "place", "rating", "title"]
    take_back_words(item, STATED)
    prepare(item)
    ours = ("title", "description", "taken_at", "taken_at_local", "taken_at_source", "timeline_at", "time_zone")
    for name in (*ours, "latitude_deg", "longitude_deg", "country", "city", "rating"):
        assert getattr(item, name) == getattr(before, name), name
    assert (item.title, item.description, item.rating, item.city) == ("Ours", "", None, "")


def test_words_that_are_those_of_the_file_are_kept_once_people_wrote_them(item: MediaItem) -> None:
    prepare(item)
    editing.write_words(item=item, title="of the file")
    take_back_words(item, STATED)
    item.refresh_from_db()
    assert (item.title, item.description) == ("of the file", "")


def test_an_edit_that_comes_while_the_file_is_read_wins(item: MediaItem) -> None:
    editing.write_rating(item=MediaItem.objects.get(pk=item.pk), rating=5)
    prepare(item)  # with a row that was read before
    assert (item.rating, item.city) == (5, "Paris")


def test_a_batch_writes_beside_the_words_of_people(item: MediaItem) -> None:
    editing.write_words(item=item, title="Ours", description="Our words")
    describe(item)
    assert (item.title, item.description, item.ai_description) == ("Ours", "Our words", "by AI")


def test_a_tag_that_people_took_away_is_brought_back_by_nobody(item: MediaItem) -> None:
    prepare(item)
    dog, lake = Tag("dog", 0.9, TagSource.CAPTION), Tag("lake", 0.8, TagSource.CAPTION)
    describe(item, dog, lake)
    editing.remove_tag(item=item, name="dog")
    editing.remove_tag(item=item, name="lake")
    describe(item, dog, lake)
    take_back_words(item, STATED)
    prepare(item)
    assert tags_of(item) == {("dog", "removed"), ("lake", "removed"), ("boat", "file")}


def test_a_tag_may_be_put_back_by_people(item: MediaItem) -> None:
    editing.add_tag(item=item, name=" Red   Car ")
    editing.remove_tag(item=item, name="red car")
    editing.remove_tag(item=item, name="red car")
    editing.remove_tag(item=item, name="never heard of")
    assert tags_of(item) == {("red car", "removed")}
    editing.add_tag(item=item, name="red car")
    editing.add_tag(item=item, name="red car")
    assert tags_of(item) == {("red car", "person")}


def test_people_of_the_file_are_those_whom_its_owner_knows(cast: Cast, item: MediaItem) -> None:
    ada = Person.objects.create(owner=cast.alice, name="Ada")
    prepare(item)
    assert people_in(item) == {("Ada", "file"), ("Bo", "file")}
    assert Person.objects.get(name="Ada") == ada
    editing.take_person_away(item=item, person_id=ada.pk)
    take_back_words(item, STATED)
    prepare(item)
    assert people_in(item) == {("Ada", "removed"), ("Bo", "file")}
    editing.name_person(item=item, name="ada")
    for name in ("Özge", "özge"):
        editing.name_person(item=item, name=name)
    assert people_in(item) == {("Ada", "person"), ("Bo", "file"), ("Özge", "person")}
    assert set(Person.objects.values_list("owner", flat=True)) == {cast.alice.pk}


def test_a_date_says_where_it_stands_in_the_timeline(item: MediaItem) -> None:
    editing.write_date(item=item, local=datetime(2020, 7, 1, 12), time_zone="America/New_York")
    item.refresh_from_db()
    assert item.taken_at == datetime(2020, 7, 1, 16, tzinfo=UTC)
    assert item.timeline_at == datetime(2020, 7, 1, 12, tzinfo=UTC)
    assert (item.taken_at_local, item.taken_at_source) == ("2020-07-01T12:00:00", "person")
    editing.write_date(item=item, local=datetime(2020, 12, 1, 12))
    assert (item.taken_at, item.time_zone) == (datetime(2020, 12, 1, 17, tzinfo=UTC), "America/New_York")


def test_a_clock_without_zone_keeps_its_distance_from_utc(item: MediaItem) -> None:
    prepare(item)  # an hour before UTC, of no named zone
    editing.write_date(item=item, local=datetime(2020, 7, 1, 12))
    assert item.taken_at == datetime(2020, 7, 1, 11, tzinfo=UTC)


def test_a_date_without_zone_is_told_by_the_clock_of_that_season(item: MediaItem, settings) -> None:
    settings.TIME_ZONE = "Europe/Berlin"
    for month, hour in ((1, 11), (7, 10)):
        MediaItem.objects.filter(pk=item.pk).update(taken_at=None, taken_at_local="")
        item.refresh_from_db()
        editing.write_date(item=item, local=datetime(2026, month, 1, 12))
        assert item.taken_at == datetime(2026, month, 1, hour, tzinfo=UTC)


def test_a_place_gets_the_names_of_its_town(item: MediaItem) -> None:
    editing.write_place(item=item, latitude_deg=48.86, longitude_deg=2.34)
    item.refresh_from_db()
    assert (item.country_code, item.country) == ("FR", "France")
    assert item.city
    editing.write_place(item=item, latitude_deg=0, longitude_deg=-30)  # open sea
    assert (item.latitude_deg, item.country, item.city) == (0, "", "")


@pytest.mark.parametrize(
    ("edit", "values", "words"),
    [
        (editing.write_words, {"title": "x" * 201}, "more than 200"),
        (editing.write_words, {"description": "x" * 10_001}, "more than 10000"),
        (editing.write_date, {"local": datetime(1, 1, 1)}, "1826"),
        (editing.write_date, {"local": datetime(9999, 12, 31)}, "next year"),
        (editing.write_date, {"local": LOCAL, "time_zone": "../../etc/passwd"}, "no time zone"),
        (editing.write_date, {"local": LOCAL, "time_zone": "a\0b"}, "no time zone"),
        (editing.write_place, {"latitude_deg": 91.0, "longitude_deg": 0.0}, "Latitude"),
        (editing.write_place, {"latitude_deg": float("nan"), "longitude_deg": 0.0}, "Latitude"),
        (editing.write_place, {"latitude_deg": None, "longitude_deg": 0.0}, "both"),
        (editing.write_rating, {"rating": 6}, "stars"),
        (editing.add_tag, {"name": " \0 "}, "tag"),
        (editing.add_tag, {"name": "x" * 81}, "more than 80"),
        (editing.add_tag, {"name": "İ" * 80}, "more than 80"),  # 160 characters in lower case
        (editing.name_person, {"name": ""}, "name"),
        (editing.name_person, {"name": "x" * 121}, "more than 120"),
    ],
)
def test_what_cannot_be_stored_is_refused_in_words(
    item: MediaItem, edit: Any, values: dict[str, Any], words: str
) -> None:
    with pytest.raises(EditRefused, match=words):
        edit(item=item, **values)
    item.refresh_from_db()
    assert item.edited_fields == []


def test_each_user_has_favourites_of_their_own(cast: Cast, item: MediaItem) -> None:
    for _ in range(2):
        editing.set_favourite(user=cast.bob, item=item, is_favourite=True)
    editing.set_favourite(user=cast.alice, item=item, is_favourite=False)
    assert list(Favourite.objects.values_list("user", "item")) == [(cast.bob.pk, item.pk)]
    editing.set_favourite(user=cast.bob, item=item, is_favourite=False)
    assert not Favourite.objects.exists()


def test_what_failed_waits_again(item: MediaItem) -> None:
    assert editing.open_again(item=item) == (False, False)
    MediaItem.objects.update(
        preview_status="none", preview_problem="damaged", prepare_attempts=3, processing_status=Status.FAILED
    )
    assert editing.open_again(item=item) == (True, True)
    item.refresh_from_db()
    assert (item.preview_status, item.prepare_attempts, item.processing_status) == ("waiting", 0, "pending")
