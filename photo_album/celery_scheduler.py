"""Beat's scheduler: django-celery-beat's, which tells systemd that it is alive."""

from __future__ import annotations

from typing import Any

from django_celery_beat.schedulers import DatabaseScheduler

from photo_album.systemd import notify


class Scheduler(DatabaseScheduler):  # type: ignore[misc]
    """Set as CELERY_BEAT_SCHEDULER."""

    def tick(self, *args: Any, **kwargs: Any) -> Any:
        """The seconds until the next one; beat asks at least every CELERY_BEAT_MAX_LOOP_INTERVAL seconds."""
        notify("READY=1", "WATCHDOG=1")
        return super().tick(*args, **kwargs)
