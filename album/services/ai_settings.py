"""Changing how the batch is steered: the settings row and beat's schedule change in one transaction."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django_celery_beat.models import PeriodicTask

from album.models import AIProcessingSettings
from album.models.media import Kind
from album.services.schedule import MISSED_NIGHTS, NIGHTS, write_beat_schedule

SCHEDULE_FIELDS = ("processing_enabled", "scheduled_processing", "schedule_hour", "schedule_minute")
RANGES = {
    "batch_size": (20, 10_000, _("Enter a whole number from 20 to 10,000, or leave it empty.")),
    "processing_timeout": (5, 86_400, _("Enter whole seconds from 5 to 86,400, or leave it empty.")),
    "schedule_hour": (0, 23, _("Enter an hour from 0 to 23.")),
    "schedule_minute": (0, 59, _("Enter a minute from 0 to 59.")),
    "max_minutes": (1, 1440, _("Enter whole minutes from 1 to 1,440, or leave it empty.")),
    "on_demand_limit": (1, 10_000, _("Enter a whole number from 1 to 10,000.")),
}
"""The least and the most that a setting may be, and what to say to who writes something else."""
BEAT_IS_HEARD = timedelta(minutes=80)
"""It rings for missed nights every 15 minutes, and writes that down once an hour: an idle album spares its disk."""


def save_ai_settings(row: AIProcessingSettings) -> None:
    """Validates and stores the row and tells beat, which reads its new schedule within seconds.

    Raises:
        ValidationError: a value is out of range; nothing has changed.
    """
    row.full_clean(exclude=["id"])
    with transaction.atomic():
        stored = AIProcessingSettings.load()
        if any(getattr(stored, name) != getattr(row, name) for name in SCHEDULE_FIELDS):
            row.schedule_changed_at = timezone.now()
        row.save()
        write_beat_schedule(row)


@dataclass(frozen=True, slots=True)
class NextNight:
    """The next night of a kind by beat's rows; ``at`` None: there will be none."""

    kind: Kind
    at: datetime | None
    is_overdue: bool = False
    """Beat should have rung already, and has not."""
    is_missing: bool = False
    """The settings ask for it, and beat knows nothing of it: its row is gone, switched off or has no hour."""


def next_nights() -> list[NextNight]:
    """When beat will ring for photos and for videos, by its own rows, arithmetic and time zone."""
    rows = PeriodicTask.objects.select_related("crontab").filter(name__in=NIGHTS.values())
    entries = {entry.name: entry for entry in rows}
    row = AIProcessingSettings.load()
    is_asked = row.processing_enabled and row.scheduled_processing
    return [_next_night(kind, entries.get(name), is_asked) for kind, name in NIGHTS.items()]


def is_beat_heard() -> bool:
    """True while beat has rung lately, or has not had the time to since its rows were made."""
    entry = PeriodicTask.objects.filter(name=MISSED_NIGHTS).first()
    return entry is not None and timezone.now() - (entry.last_run_at or entry.date_changed) < BEAT_IS_HEARD


def _next_night(kind: Kind, entry: PeriodicTask | None, is_asked: bool) -> NextNight:
    if entry is None or not entry.enabled or entry.crontab is None:
        return NextNight(kind, None, is_missing=is_asked)
    # Beat counts from here too where an entry has never run (ModelEntry in django_celery_beat.schedulers).
    since = entry.last_run_at or entry.date_changed
    is_due, wait_s = entry.schedule.is_due(since)
    moment = timezone.now() + timedelta(seconds=wait_s + 0.5)
    return NextNight(kind, moment.replace(microsecond=0), bool(is_due))
