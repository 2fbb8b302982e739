"""Celery's doors. A task is only a doorbell: it takes ids, reads the rows again, and calls one function."""

from album.tasks.ai import (
    process_pending_photos_batch,
    process_pending_videos_batch,
    process_photo_ai,
    process_video_ai,
    ring,
    start_missed_nights,
)
from album.tasks.jobs import cleanup_old_jobs, process_image_job, ring_job, start_waiting_jobs

__all__ = (
    "cleanup_old_jobs",
    "process_image_job",
    "process_pending_photos_batch",
    "process_pending_videos_batch",
    "process_photo_ai",
    "process_video_ai",
    "ring",
    "ring_job",
    "start_missed_nights",
    "start_waiting_jobs",
)
