"""Every local date has one night, started once, whatever the clock, the host and the broker do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.core.signals import setting_changed
from django.utils import timezone

from album.batches import nights
from album.batches.nights import due_moment, open_night, runs_to_take_up
from album.batches.options import next_local
from album.batches.planning import options_of
from album.inference.profiles import PROFILES
from album.models import AIProcessingSettings, BatchRun, MediaItem, Stage, StageResult, Status
from album.models.media import Kind
from album.services.forecasts import forecast_nights

State = BatchRun.State


@pytest.fixture
def set_zone(settings) -> Iterator[Callable[[str], None]]:
    """Makes this zone Django's default; restores UTC."""

    def change(name: str) -> None:
        settings.TIME_ZONE = name
        setting_changed.send(sender=None, setting="TIME_ZONE", value=name, enter=True)

    yield change
    change("UTC")


@pytest.fixture
def schedule(db) -> AIProcessingSettings:
    row = AIProcessingSettings.load()
    AIProcessingSettings.objects.update(schedule_changed_at=datetime(2020, 1, 1, tzinfo=UTC))
    row.refresh_from_db()
    return row


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("zone", "now", "photos_due"),
    [
        ("UTC", "2026-11-21T02:00:00", "2026-11-21T02:00:00"),
        ("UTC", "2026-11-21T01:59:59", "2026-11-20T02:00:00"),
        ("Europe/Berlin", "2026-07-01T00:30:00", "2026-07-01T00:00:00"),
        # 28 March 2027 has no 02:00 in Berlin: the clock goes from 01:59:59 to 03:00:00 (01:00 UTC).
        ("Europe/Berlin", "2027-03-28T01:00:00", "2027-03-28T01:00:00"),
        # 25 October 2026 has 02:00 twice in Berlin; the first, 00:00 UTC, counts.
        ("Europe/Berlin", "2026-10-25T01:30:00", "2026-10-25T00:00:00"),
        ("Pacific/Auckland", "2026-11-20T13:10:00", "2026-11-20T13:00:00"),
    ],
)
def test_the_due_moment_is_two_in_the_local_night(schedule, set_zone, zone, now, photos_due) -> None:
    set_zone(zone)
    assert due_moment(schedule, Kind.PHOTO, at(now)) == at(photos_due)


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe"])
def test_every_local_date_of_a_year_has_exactly_one_moment(schedule, set_zone, zone) -> None:
    set_zone(zone)
    start = at("2026-12-01T00:00:00")
    quarters = [start + timedelta(minutes=15 * n) for n in range(365 * 96)]
    for kind in Kind:
        moments = {due_moment(schedule, kind, now) for now in quarters}
        dates = [moment.astimezone(ZoneInfo(zone)).date() for moment in moments]
        assert len(dates) == len(set(dates)) in (365, 366, 367)


def test_a_night_is_opened_once(schedule) -> None:
    now = at("2026-11-21T02:00:01")
    first = open_night(Kind.PHOTO, now)
    assert first is not None
    assert first.scheduled_for == at("2026-11-21T02:00:00")
    assert open_night(Kind.PHOTO, now + timedelta(minutes=15)) is None
    assert open_night(Kind.PHOTO, now + timedelta(days=1)) is not None


def test_a_host_that_was_off_catches_up_the_last_night_only(schedule) -> None:
    assert open_night(Kind.PHOTO, at("2026-11-18T02:00:01")) is not None
    caught_up = open_night(Kind.PHOTO, at("2026-11-21T09:17:00"))
    assert caught_up is not None
    assert caught_up.scheduled_for == at("2026-11-21T02:00:00")
    assert open_night(Kind.PHOTO, at("2026-11-21T09:32:00")) is None


def test_photos_and_videos_have_nights_of_their_own(schedule) -> None:
    now = at("2026-11-21T02:10:00")
    nights = [open_night(kind, now) for kind in (Kind.PHOTO, Kind.VIDEO)]
    assert [night and night.scheduled_for for night in nights] == [
        at("2026-11-21T02:00:00"),
        at("2026-11-20T02:30:00"),
    ]


def test_switching_the_schedule_on_at_noon_starts_nothing_at_noon(schedule) -> None:
    AIProcessingSettings.objects.update(schedule_changed_at=at("2026-11-21T12:00:00"))
    assert open_night(Kind.PHOTO, at("2026-11-21T12:15:00")) is None
    assert open_night(Kind.PHOTO, at("2026-11-22T02:00:00")) is not None


@pytest.mark.parametrize("switch", ["processing_enabled", "scheduled_processing"])
def test_nothing_is_due_when_switched_off(schedule, switch) -> None:
    AIProcessingSettings.objects.update(**{switch: False})
    assert open_night(Kind.PHOTO, at("2026-11-21T02:00:01")) is None


def test_a_broken_night_is_taken_up_three_times_and_no_more(schedule) -> None:
    run = open_night(Kind.PHOTO, timezone.now())
    assert run is not None
    for expected in (1, 1, 1, 0):
        BatchRun.objects.filter(pk=run.pk).update(state=State.INTERRUPTED, stop_reason=BatchRun.StopReason.KILLED)
        assert len(runs_to_take_up(timezone.now())) == expected
    run.refresh_from_db()
    assert run.restarts == nights.MAX_RESTARTS


def test_a_run_whose_message_got_lost_is_rung_again(schedule) -> None:
    run = BatchRun.objects.create(kind=Kind.PHOTO, trigger=BatchRun.Trigger.ON_DEMAND)
    assert runs_to_take_up(timezone.now()) == []
    later = timezone.now() + timedelta(minutes=11)
    assert runs_to_take_up(later) == [run]
    assert runs_to_take_up(later) == [], "it was just rung"


def test_a_run_that_a_person_stopped_stays_stopped(schedule) -> None:
    run = open_night(Kind.PHOTO, timezone.now())
    assert run is not None
    BatchRun.objects.filter(pk=run.pk).update(state=State.FINISHED, stop_reason=BatchRun.StopReason.REQUESTED)
    assert runs_to_take_up(timezone.now()) == []


def test_waiting_in_the_queue_uses_up_no_restarts(schedule) -> None:
    run = BatchRun.objects.create(kind=Kind.PHOTO, trigger=BatchRun.Trigger.ON_DEMAND)
    for quarter in range(1, 9):
        assert runs_to_take_up(timezone.now() + timedelta(minutes=15 * quarter)) == [run]
    run.refresh_from_db()
    assert run.restarts == 0


def night_until(window_end: str, kind: Kind, moment: str) -> BatchRun:
    """The run of a night that ends at ``window_end``, asked for at ``moment``."""
    AIProcessingSettings.objects.update(window_end=window_end)
    run = open_night(kind, at(moment))
    assert run is not None
    run.created_at = at(moment)
    return run


def test_a_night_taken_up_again_has_only_the_rest_of_its_window(schedule) -> None:
    run = night_until("06:00", Kind.PHOTO, "2026-11-21T02:00:01")
    profile = PROFILES["raspberry-pi"]
    assert options_of(run, profile, at("2026-11-21T02:00:00")).max_minutes == 240
    run.started_at = at("2026-11-21T02:00:00")
    assert options_of(run, profile, at("2026-11-21T05:00:00")).max_minutes == 60
    assert options_of(run, profile, at("2026-11-21T06:05:00")).max_minutes == -5, "ends at once"


def test_a_night_caught_up_in_the_morning_gets_the_length_of_its_window(schedule) -> None:
    run = night_until("06:00", Kind.PHOTO, "2026-11-21T09:17:00")
    options = options_of(run, PROFILES["raspberry-pi"], at("2026-11-21T09:17:00"))
    assert (options.max_minutes, options.limit) == (240, 20)


def test_videos_that_waited_for_the_photos_end_with_the_window_too(schedule) -> None:
    run = night_until("06:00", Kind.VIDEO, "2026-11-21T02:45:00")
    profile = PROFILES["raspberry-pi"]
    assert options_of(run, profile, at("2026-11-21T05:30:00")).max_minutes == 30
    assert options_of(run, profile, at("2026-11-21T06:01:00")).max_minutes == -1, "ends at once"


def test_a_window_that_ends_before_the_videos_begin_leaves_them_no_time(schedule) -> None:
    run = night_until("02:20", Kind.VIDEO, "2026-11-21T02:30:00")
    for begun_at in (at("2026-11-21T02:30:00"), at("2026-11-21T09:17:00")):
        run.created_at = begun_at
        assert options_of(run, PROFILES["raspberry-pi"], begun_at).max_minutes == -10, "ends at once"


def test_the_forecast_of_videos_knows_how_little_of_the_window_is_theirs(schedule, make_grays) -> None:
    make_grays(*range(10, 20))
    MediaItem.objects.update(kind=Kind.VIDEO)
    done = MediaItem.objects.latest("pk")
    StageResult.objects.create(item=done, stage=Stage.CAPTION, state=Status.COMPLETED, duration_s=60)
    for ends_at, per_night in ((time(2, 20), 1), (time(2, 35), 5), (time(2, 0), 20)):
        schedule.window_end = ends_at
        assert forecast_nights(Kind.VIDEO, schedule, 20).per_night == per_night


@pytest.mark.parametrize(
    ("now", "until"),
    [
        ("2026-10-24T23:10:00", "2026-10-25T00:45:00"),  # 01:10 in summer time, to the first 02:45
        ("2026-10-25T00:50:00", "2026-10-25T01:45:00"),  # 02:50, to the second one
        ("2026-10-25T01:10:00", "2026-10-25T01:45:00"),  # 02:10 for the second time
        ("2026-10-25T01:50:00", "2026-10-26T01:45:00"),  # 02:50 for the second time, to tomorrow's
    ],
)
def test_a_time_that_comes_twice_in_autumn_lies_ahead(now: str, until: str) -> None:
    with timezone.override(ZoneInfo("Europe/Berlin")):
        assert next_local(time(2, 45), at(now)) == at(until)
