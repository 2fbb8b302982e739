"""Beat's entries: the nights follow the settings row, housekeeping is made once and then left to the admins."""

from __future__ import annotations

import json
from datetime import date, datetime, time
from typing import Any, NamedTuple

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django_celery_beat.models import CrontabSchedule, PeriodicTask, PeriodicTasks

from album.models import AIProcessingSettings
from album.models.media import Kind
from album.models.processing import VIDEO_DELAY

NIGHTS = {Kind.PHOTO: "Photo Album: photos at night", Kind.VIDEO: "Photo Album: videos at night"}
MISSED_NIGHTS = "Photo Album: missed nights"


class Chore(NamedTuple):
    """A task of housekeeping and when it runs at first, in local time."""

    name: str
    task: str
    hour: str
    minute: str
    day_of_week: str = "*"
    expire_seconds: int = 3600
    is_enabled: bool = True


# Off the full hour, when everybody's timers ring, and out of 02:00 to 03:00, which does not exist once a year.
CHORES = (
    Chore("previews that wait", "prepare_waiting_media", "*", "*/5", expire_seconds=240),
    Chore("resize jobs that wait", "start_waiting_jobs", "*", "2-59/5", expire_seconds=240),
    Chore("resize jobs of yesterday", "cleanup_old_jobs", "*", "7"),
    Chore("backup of the database", "backup_database", "*", "41"),
    Chore("incomplete uploads", "cleanup_orphaned_photos", "3", "23"),
    Chore("trash", "purge_trash", "3", "37"),
    Chore("leftovers of the week", "cleanup_old_incomplete_photos", "3", "53", day_of_week="0"),
    Chore("check of the originals", "check_library", "4", "40"),
    Chore("text index", "tidy_text_index", "6", "19"),
    Chore("restore drill", "restore_drill", "5", "12", day_of_week="0", is_enabled=False),
)


def write_beat_schedule(row: AIProcessingSettings) -> None:
    """Makes beat's rows say what the settings row says. Doing it again changes nothing."""
    is_enabled = row.processing_enabled and row.scheduled_processing
    at = time(row.schedule_hour, row.schedule_minute)
    with transaction.atomic():
        _write_night(NIGHTS[Kind.PHOTO], "process_pending_photos_batch", at, is_enabled=is_enabled)
        _write_night(NIGHTS[Kind.VIDEO], "process_pending_videos_batch", video_time(at), is_enabled=is_enabled)
        every_quarter = _crontab(minute="*/15", hour="*")
        _write_row(MISSED_NIGHTS, "start_missed_nights", every_quarter, {}, is_enabled=True)
        PeriodicTasks.update_changed()


def write_housekeeping() -> None:
    """Makes beat's entries for housekeeping where they are missing; what an admin changed stays."""
    with transaction.atomic():
        for chore in CHORES:
            name = f"Photo Album: {chore.name}"
            if not PeriodicTask.objects.filter(name=name).exists():
                PeriodicTask.objects.create(
                    name=name,
                    task=f"album.tasks.{chore.task}",
                    crontab=_crontab(minute=chore.minute, hour=chore.hour, day_of_week=chore.day_of_week),
                    expire_seconds=chore.expire_seconds,
                    enabled=chore.is_enabled,
                )


def video_time(photo_time: time) -> time:
    """The local time of the video run: half an hour after the photos, past midnight if need be."""
    return (datetime.combine(date.min, photo_time) + VIDEO_DELAY).time()


def _crontab(*, minute: str, hour: str, day_of_week: str = "*") -> CrontabSchedule:
    values = {
        "minute": minute,
        "hour": hour,
        "day_of_week": day_of_week,
        "day_of_month": "*",
        "month_of_year": "*",
        "timezone": settings.TIME_ZONE,
    }
    # Another entry may use an equal row, and nothing forbids two equal rows: take the first.
    return CrontabSchedule.objects.filter(**values).first() or CrontabSchedule.objects.create(**values)


def _write_night(name: str, task: str, at: time, *, is_enabled: bool) -> None:
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
        if entry.crontab != crontab:
            entry.last_run_at = (
                timezone.now()
            )  # else beat finds a new hour that has passed today overdue, and rings
        for field, value in wanted.items():
            setattr(entry, field, value)
        entry.save()
