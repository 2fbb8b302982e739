"""Changing how the batch is steered: the settings row and beat's schedule change in one transaction."""

from __future__ import annotations

import json
from datetime import date, datetime, time
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django_celery_beat.models import CrontabSchedule, PeriodicTask, PeriodicTasks

from album.models import AIProcessingSettings
from album.models.processing import VIDEO_DELAY

SCHEDULE_FIELDS = ("processing_enabled", "scheduled_processing", "schedule_hour", "schedule_minute")


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


def write_beat_schedule(row: AIProcessingSettings) -> None:
    """Makes beat's rows say what the settings row says. Doing it again changes nothing."""
    is_enabled = row.processing_enabled and row.scheduled_processing
    at = time(row.schedule_hour, row.schedule_minute)
    with transaction.atomic():
        _write_entry("Photo Album: photos at night", "process_pending_photos_batch", at, is_enabled=is_enabled)
        _write_entry(
            "Photo Album: videos at night", "process_pending_videos_batch", video_time(at), is_enabled=is_enabled
        )
        every_quarter = _crontab(minute="*/15", hour="*")
        _write_row("Photo Album: missed nights", "start_missed_nights", every_quarter, {}, is_enabled=True)
        PeriodicTasks.update_changed()


def video_time(photo_time: time) -> time:
    """The local time of the video run: half an hour after the photos, past midnight if need be."""
    return (datetime.combine(date.min, photo_time) + VIDEO_DELAY).time()


def _crontab(*, minute: str, hour: str) -> CrontabSchedule:
    values = {
        "minute": minute,
        "hour": hour,
        "day_of_week": "*",
        "day_of_month": "*",
        "month_of_year": "*",
        "timezone": settings.TIME_ZONE,
    }
    # Another entry may use an equal row, and nothing forbids two equal rows: take the first.
    return CrontabSchedule.objects.filter(**values).first() or CrontabSchedule.objects.create(**values)


def _write_entry(name: str, task: str, at: time, *, is_enabled: bool) -> None:
    crontab = _crontab(minute=str(at.minute), hour=str(at.hour))
    _write_row(name, task, crontab, {"scheduled": True}, is_enabled=is_enabled)


def _write_row(
    name: str, task: str, crontab: CrontabSchedule, arguments: dict[str, Any], *, is_enabled: bool
) -> None:
    wanted = {
        "task": f"album.tasks.{task}",
        "crontab": crontab,
        "kwargs": json.dumps(arguments),
        "enabled": is_enabled,
        # A message that nobody took within the hour is stale: the quarter-hourly check starts that night.
        "expire_seconds": 3600,
    }
    entry = PeriodicTask.objects.filter(name=name).first()
    if entry is None:
        PeriodicTask.objects.create(name=name, **wanted)
    elif any(getattr(entry, field) != value for field, value in wanted.items()):
        for field, value in wanted.items():
            setattr(entry, field, value)
        entry.save()
