"""Doors to the resize jobs of the public API."""

from __future__ import annotations

import uuid
from functools import partial
from itertools import takewhile
from typing import Any

from celery import Task, shared_task
from django.utils import timezone

from album.services.jobs import MAX_ATTEMPTS, TRANSIENT, remove_old_jobs, run_job, waiting_jobs
from album.tasks.bell import ring_bell


@shared_task(name="album.tasks.process_image_job", bind=True, max_retries=MAX_ATTEMPTS - 1)
def process_image_job(self: Task[Any, Any], job_id: str) -> dict[str, str]:
    """Resizes one image. What may pass is tried again after 1, 2 and 4 seconds; delivered twice, it works once."""
    try:
        return {"job": job_id, "result": run_job(uuid.UUID(job_id))}
    except TRANSIENT as error:
        raise self.retry(exc=error, countdown=2**self.request.retries) from error


@shared_task(name="album.tasks.start_waiting_jobs")
def start_waiting_jobs() -> dict[str, int]:
    """Rings again for jobs whose message or worker was lost."""
    rung = takewhile(partial(ring_bell, process_image_job), map(str, waiting_jobs(timezone.now())))
    return {"started": sum(1 for _ in rung)}


@shared_task(name="album.tasks.cleanup_old_jobs")
def cleanup_old_jobs() -> dict[str, int]:
    """Removes jobs older than 24 hours, with their files."""
    return {"removed": remove_old_jobs(timezone.now())}
