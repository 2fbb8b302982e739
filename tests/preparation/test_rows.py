"""What the columns take of a file's statements, and how an Apple photo finds its clip."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest

from album.media.facts import EmbeddedClip, FileFacts, Place
from album.media.inspection import Inspection
from album.models import ItemTag, MediaItem, Tag
from album.preparation import rows
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


def test_what_no_column_holds_is_cut_or_unknown(cast: Cast) -> None:
    (item,) = make_rows(cast.alice, 1)
    place, words = Place("FRA", "x" * 99, "", "a\0b"), ("İ" * 80, *(f"word {n}" for n in range(500)), " ", "\0")
    write(
        item,
        FileFacts(
            width_px=2**32 - 1,
            height_px=2**31 - 1,
            iso=-1,
            duration_s=float("inf"),
            f_number=float("nan"),
            clip=EmbeddedClip(2**63, 2**63 - 1),
            title="x" * 300,
            description="\ud800" + "x" * 20_000,
            keywords=words,
            place=place,
            time_zone="x" * 99,
        ),
    )
    assert (item.width_px, item.height_px, item.iso) == (None, 2**31 - 1, None)
    assert (item.duration_s, item.f_number) == (None, None)
    assert (item.motion_offset, item.motion_size_bytes) == (None, 2**63 - 1)
    assert (item.country_code, item.country, item.city) == ("FR", "x" * 80, "ab")
    assert (item.title, item.description) == ("x" * 200, "?" + "x" * 9_999)
    assert (item.tags.count(), item.time_zone) == (200, "x" * 48)
    assert {len(name) for name in Tag.objects.values_list("name", flat=True)} <= set(range(1, 81))


def test_a_problem_is_cut_and_cleaned(cast: Cast) -> None:
    (item,) = make_rows(cast.alice, 1)
    inspection = Inspection(FileFacts(), None, "a\0b\udcff" + "x" * 20_000)
    write_inspection(item, inspection, with_facts=True, is_final=True)
    item.refresh_from_db()
    assert item.preview_problem == "ab?" + "x" * 9_997


def test_facts_that_no_database_takes_cost_no_preview(
    cast: Cast, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (item,) = make_rows(cast.alice, 1)
    monkeypatch.setattr(rows, "storable", lambda text, max_length: text)
    write(item, FileFacts(camera="\ud800", keywords=("lake",)))
    assert (item.preview_status, item.prepare_attempts, item.prepared_at) == ("none", 1, None)
    assert not ItemTag.objects.exists()
    assert "its facts cannot be stored" in caplog.text


def test_facts_that_could_not_be_read_are_logged(cast: Cast, caplog: pytest.LogCaptureFixture) -> None:
    (item,) = make_rows(cast.alice, 1)
    write_inspection(item, Inspection(FileFacts(), None, "", "odd tags"), with_facts=True, is_final=True)
    assert caplog.messages == [f"Item {item.pk}: its facts cannot be read: odd tags"]


def test_a_row_that_another_process_wrote_meanwhile_holds_one_inspection(cast: Cast) -> None:
    (item,) = make_rows(cast.alice, 1)
    MediaItem.objects.update(camera="of the other", iso=100, preview_problem="of the other")
    write(item, FileFacts(lens="ours"))
    assert (item.camera, item.iso, item.lens) == ("", None, "ours")


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


def test_an_item_whose_file_changed_meanwhile_is_still_to_be_prepared(cast: Cast) -> None:
    (item,) = make_rows(cast.alice, 1)
    MediaItem.objects.update(sha256="f" * 64)
    write(item, FileFacts(camera="of the old file", keywords=("lake",)))
    assert (item.camera, item.preview_status, item.prepared_at) == ("", "waiting", None)
    assert not ItemTag.objects.exists()


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
