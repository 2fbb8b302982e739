"""Celery's doors. A task is only a doorbell: it takes ids, reads the rows again, and calls one function."""

from album.tasks.ai import (
    process_pending_photos_batch,
    process_pending_videos_batch,
    process_photo_ai,
    process_video_ai,
    ring,
    start_missed_nights,
)

__all__ = (
    "process_pending_photos_batch",
    "process_pending_videos_batch",
    "process_photo_ai",
    "process_video_ai",
    "ring",
    "start_missed_nights",
)
