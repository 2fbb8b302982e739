"""Beat's scheduler: django-celery-beat's, which tells systemd that it is alive and spares the disk."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, ClassVar

from django_celery_beat.schedulers import DatabaseScheduler, ModelEntry

from photo_album.systemd import notify

WRITE_AGAIN_AFTER = timedelta(minutes=55)
"""What runs more often is written once an hour. A beat that is killed rings once more, which is harmless."""


class Entry(ModelEntry):  # type: ignore[misc]
    """A row whose last run is kept in memory for a while: a chore of every five minutes would wear out a card."""

    ran_at: ClassVar[dict[int, datetime]] = {}

    def __init__(self, model: Any, app: Any = None) -> None:
        remembered = self.ran_at.get(model.pk)
        if remembered is not None and (model.last_run_at is None or remembered > model.last_run_at):
            model.last_run_at = remembered
        super().__init__(model, app=app)

    def __next__(self) -> Any:
        following = super().__next__()
        self.ran_at[self.model.pk] = self.model.last_run_at
        return following

    def save(self) -> None:
        """Writes the row where what it says is an hour old."""
        stored = type(self.model).objects.values_list("last_run_at", flat=True).get(pk=self.model.pk)
        if stored is None or self.model.one_off or abs(self.model.last_run_at - stored) >= WRITE_AGAIN_AFTER:
            super().save()


class Scheduler(DatabaseScheduler):  # type: ignore[misc]
    """Set as CELERY_BEAT_SCHEDULER."""

    Entry = Entry

    def tick(self, *args: Any, **kwargs: Any) -> Any:
        """The seconds until the next one; beat asks at least every CELERY_BEAT_MAX_LOOP_INTERVAL seconds."""
        notify("READY=1", "WATCHDOG=1", "STATUS=rings by the schedule")
        return super().tick(*args, **kwargs)
