"""Changing how the batch is steered: the settings row and beat's schedule change in one transaction."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from album.models import AIProcessingSettings
from album.services.schedule import write_beat_schedule

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
