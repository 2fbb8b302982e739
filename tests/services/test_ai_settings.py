"""The settings row and beat's schedule change together."""

from __future__ import annotations

import json

import pytest
from django.core.exceptions import ValidationError
from django.db import DatabaseError
from django_celery_beat.models import PeriodicTask, PeriodicTasks

from album.models import AIProcessingSettings
from album.services import ai_settings
from album.services.ai_settings import save_ai_settings
from album.services.schedule import write_beat_schedule

pytestmark = pytest.mark.django_db


def schedules() -> dict[str, tuple[str, str, bool]]:
    return {
        task.task.rsplit(".", 1)[1]: (task.crontab.hour, task.crontab.minute, task.enabled)
        for task in PeriodicTask.objects.select_related("crontab").filter(name__startswith="Photo Album")
    }


def test_defaults_are_two_and_half_past_two() -> None:
    write_beat_schedule(AIProcessingSettings.load())
    assert schedules() == {
        "process_pending_photos_batch": ("2", "0", True),
        "process_pending_videos_batch": ("2", "30", True),
        "start_missed_nights": ("*", "*/15", True),
    }
    assert json.loads(PeriodicTask.objects.get(name="Photo Album: photos at night").kwargs) == {"scheduled": True}


def test_first_row_comes_from_the_environment(settings) -> None:
    settings.AI_SCHEDULE_HOUR, settings.AI_BATCH_SIZE, settings.AI_SCHEDULED_PROCESSING = 4, 100, False
    row = AIProcessingSettings.load()
    assert (row.schedule_hour, row.batch_size, row.scheduled_processing) == (4, 100, False)
    settings.AI_SCHEDULE_HOUR = 5
    assert AIProcessingSettings.load().schedule_hour == 4, "after that the page rules"


def test_a_new_hour_reaches_beat_and_is_announced() -> None:
    row = AIProcessingSettings.load()
    write_beat_schedule(row)
    announced = PeriodicTasks.last_change()
    row.schedule_hour, row.schedule_minute = 23, 45
    save_ai_settings(row)
    assert schedules()["process_pending_photos_batch"] == ("23", "45", True)
    assert schedules()["process_pending_videos_batch"] == ("0", "15", True)
    assert PeriodicTasks.last_change() > announced


def test_switching_off_disables_the_nights_and_keeps_the_check() -> None:
    row = AIProcessingSettings.load()
    row.scheduled_processing = False
    save_ai_settings(row)
    assert [schedules()[name][2] for name in sorted(schedules())] == [False, False, True]


def test_a_failure_while_telling_beat_changes_nothing(monkeypatch) -> None:
    row = AIProcessingSettings.load()
    row.schedule_hour = 5

    def fail(_: AIProcessingSettings) -> None:
        raise DatabaseError("disk full")

    monkeypatch.setattr(ai_settings, "write_beat_schedule", fail)
    with pytest.raises(DatabaseError):
        save_ai_settings(row)
    assert AIProcessingSettings.load().schedule_hour == 2


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("batch_size", 19),
        ("batch_size", 10_001),
        ("schedule_hour", 24),
        ("schedule_minute", 60),
        ("processing_timeout", 1),
    ],
)
def test_values_out_of_range_are_refused_by_name(field, value) -> None:
    row = AIProcessingSettings.load()
    setattr(row, field, value)
    with pytest.raises(ValidationError) as refusal:
        save_ai_settings(row)
    assert list(refusal.value.message_dict) == [field]


def test_only_a_new_schedule_moves_the_promise() -> None:
    row = AIProcessingSettings.load()
    before = row.schedule_changed_at
    row.batch_size = 40
    save_ai_settings(row)
    assert AIProcessingSettings.load().schedule_changed_at == before
    row.schedule_hour = 3
    save_ai_settings(row)
    assert AIProcessingSettings.load().schedule_changed_at > before
