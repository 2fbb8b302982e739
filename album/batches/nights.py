"""When a night is due, and the promise that each is started once: one row per kind and scheduled moment."""

from __future__ import annotations

from datetime import datetime, time, timedelta

from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone

from album.batches.options import StopReason
from album.models import AIProcessingSettings, BatchRun
from album.models.media import Kind
from album.models.processing import DELAYS

CLOCK_TOLERANCE = timedelta(minutes=1)
"""Beat and worker may run on two hosts whose clocks differ a little."""
RING_AGAIN_AFTER = timedelta(minutes=10)
MAX_RESTARTS = 3
State = BatchRun.State


def due_moment(row: AIProcessingSettings, kind: Kind, now: datetime) -> datetime:
    """The latest scheduled moment that is not after ``now``.

    A local time that the clock skips in spring counts as the same distance from midnight in winter time, one
    that comes twice in autumn counts the first time: every local date has exactly one moment.
    """
    zone = timezone.get_default_timezone()
    today = now.astimezone(zone).date()
    at = time(row.schedule_hour, row.schedule_minute)
    for days_back in (0, 1, 2):
        wall = datetime.combine(today - timedelta(days=days_back), at) + DELAYS[kind]
        moment = wall.replace(tzinfo=zone).astimezone(timezone.get_fixed_timezone(0))
        if moment <= now:
            return moment
    raise AssertionError("two days ago lies before now")


def open_night(kind: Kind, now: datetime) -> BatchRun | None:
    """The new run of the night that is due, or None when there is nothing to start.

    Nothing is due when the schedule is off, when the night was started already (by whomever), or when it lies
    before the schedule was made: switching it on at noon starts nothing at noon.
    """
    row = AIProcessingSettings.load()
    if not (row.processing_enabled and row.scheduled_processing):
        return None
    moment = due_moment(row, kind, now + CLOCK_TOLERANCE)
    # A clock that was ahead when the schedule was made must not silence the nights until it is caught up with.
    if moment < min(row.schedule_changed_at, now):
        return None
    try:
        with transaction.atomic():
            return BatchRun.objects.create(kind=kind, trigger=BatchRun.Trigger.SCHEDULE, scheduled_for=moment)
    except IntegrityError:
        return None


def runs_to_take_up(now: datetime) -> list[BatchRun]:
    """Runs to ring for: those whose message may be lost, and broken nights that are still the latest.

    Ringing twice is harmless, because a run is taken by one worker only. A night whose process was killed is taken
    up at most ``MAX_RESTARTS`` times; one that the system ended, as often as it is ended.
    """
    rung_before = now - RING_AGAIN_AFTER
    lost = BatchRun.objects.filter(state=State.QUEUED, created_at__lt=rung_before).exclude(
        heartbeat_at__gte=rung_before
    )
    broken = BatchRun.objects.filter(
        state=State.INTERRUPTED,
        trigger=BatchRun.Trigger.SCHEDULE,
        stop_reason__in=(StopReason.KILLED, StopReason.TERMINATED, StopReason.ERROR),
        scheduled_for__gt=now - timedelta(days=1),
        restarts__lt=MAX_RESTARTS,
    )
    runs = [*lost, *broken]
    crashed = [run.pk for run in broken if run.stop_reason != StopReason.TERMINATED]
    BatchRun.objects.filter(pk__in=crashed).update(restarts=F("restarts") + 1)
    BatchRun.objects.filter(pk__in=[run.pk for run in runs]).update(state=State.QUEUED, heartbeat_at=now)
    return runs
