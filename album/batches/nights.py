"""When a night is due, and the promise that each is started once: one row per kind and scheduled moment."""

from __future__ import annotations

from datetime import datetime, time, timedelta

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone

from album.batches.options import StopReason
from album.models import AIProcessingSettings, BatchRun
from album.models.media import Kind

VIDEO_DELAY = timedelta(minutes=30)
CLOCK_TOLERANCE = timedelta(minutes=1)
"""Beat and worker may run on two hosts whose clocks differ a little."""
LOST_MESSAGE_AFTER = timedelta(minutes=10)
MAX_RESTARTS = 3


def due_moment(row: AIProcessingSettings, kind: Kind, now: datetime) -> datetime:
    """The latest scheduled moment that is not after ``now``.

    A local time that the clock skips in spring counts as the same distance from midnight in winter time, one
    that comes twice in autumn counts the first time: every local date has exactly one moment.
    """
    zone = timezone.get_default_timezone()
    today = now.astimezone(zone).date()
    at = time(row.schedule_hour, row.schedule_minute)
    for days_back in (0, 1, 2):
        wall = datetime.combine(today - timedelta(days=days_back), at)
        if kind == Kind.VIDEO:
            wall += VIDEO_DELAY
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
    if moment < row.schedule_changed_at:
        return None
    try:
        with transaction.atomic():
            return BatchRun.objects.create(kind=kind, trigger=BatchRun.Trigger.SCHEDULE, scheduled_for=moment)
    except IntegrityError:
        return None


def runs_to_take_up(now: datetime) -> list[BatchRun]:
    """Runs whose message got lost on the way to a worker, and nights that broke off and are still the latest.

    A run is given back at most ``MAX_RESTARTS`` times; the count stands in its row.
    """
    lost = Q(state=BatchRun.State.QUEUED, created_at__lt=now - LOST_MESSAGE_AFTER)
    broken = Q(
        state=BatchRun.State.INTERRUPTED,
        trigger=BatchRun.Trigger.SCHEDULE,
        stop_reason__in=(StopReason.KILLED, StopReason.TERMINATED),
        scheduled_for__gt=now - timedelta(days=1),
    )
    candidates = BatchRun.objects.filter(lost | broken, restarts__lt=MAX_RESTARTS)
    return [run for run in candidates if _take_up(run, now)]


def _take_up(run: BatchRun, now: datetime) -> bool:
    """True for exactly one caller: the row is the lock."""
    claimed = BatchRun.objects.filter(pk=run.pk, state=run.state, restarts=run.restarts).update(
        state=BatchRun.State.QUEUED, restarts=run.restarts + 1, created_at=now
    )
    return bool(claimed)
