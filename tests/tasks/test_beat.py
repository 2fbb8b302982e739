"""Beat's rows: what runs every few minutes is remembered in memory, and written once an hour."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.utils import timezone
from django_celery_beat.models import CrontabSchedule, PeriodicTask

from photo_album.celery import app
from photo_album.celery_scheduler import Entry

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def forget() -> Iterator[None]:
    yield
    Entry.ran_at.clear()


@pytest.fixture
def chore() -> PeriodicTask:
    crontab = CrontabSchedule.objects.create(minute="*/5")
    last = timezone.now() - timedelta(minutes=5)
    return PeriodicTask.objects.create(name="chore", task="some.task", crontab=crontab, last_run_at=last)


def run(chore: PeriodicTask) -> None:
    """As beat does: the entry is due, is sent, and is written with the next sync."""
    next(Entry(PeriodicTask.objects.get(pk=chore.pk), app=app)).save()


def test_run_within_the_hour_is_remembered_and_not_written(chore) -> None:
    stored = chore.last_run_at
    run(chore)
    chore.refresh_from_db()
    assert chore.last_run_at == stored
    read_again = Entry(chore, app=app)
    assert timezone.now() - read_again.last_run_at < timedelta(seconds=10)


def test_run_of_an_hour_ago_is_written(chore) -> None:
    PeriodicTask.objects.update(last_run_at=timezone.now() - timedelta(minutes=60))
    run(chore)
    chore.refresh_from_db()
    assert timezone.now() - chore.last_run_at < timedelta(seconds=10)


def test_hour_that_a_person_changed_counts_from_the_change(chore) -> None:
    run(chore)
    changed_at = timezone.now() + timedelta(seconds=1)
    PeriodicTask.objects.update(last_run_at=changed_at)
    chore.refresh_from_db()
    assert Entry(chore, app=app).last_run_at == changed_at
