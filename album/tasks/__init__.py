"""Celery's doors. A task is only a doorbell: it takes ids, reads the rows again, and calls one function."""

from album.tasks.ai import (
    process_pending_photos_batch,
    process_pending_videos_batch,
    process_photo_ai,
    process_video_ai,
    ring,
    start_missed_nights,
)
from album.tasks.external import download_external_image_and_attach
from album.tasks.housekeeping import (
    check_library,
    cleanup_old_incomplete_photos,
    cleanup_orphaned_photos,
    purge_trash,
)
from album.tasks.jobs import cleanup_old_jobs, process_image_job, start_waiting_jobs
from album.tasks.media import (
    check_item_photo_processing,
    make_video_proxy,
    prepare_media,
    prepare_waiting_media,
    process_photo_to_avif,
)
from album.tasks.on_demand import download_weights, is_worker_there, start_batch, start_download

__all__ = (
    "check_item_photo_processing",
    "check_library",
    "cleanup_old_incomplete_photos",
    "cleanup_old_jobs",
    "cleanup_orphaned_photos",
    "download_external_image_and_attach",
    "download_weights",
    "is_worker_there",
    "make_video_proxy",
    "prepare_media",
    "prepare_waiting_media",
    "process_image_job",
    "process_pending_photos_batch",
    "process_pending_videos_batch",
    "process_photo_ai",
    "process_photo_to_avif",
    "process_video_ai",
    "purge_trash",
    "ring",
    "start_batch",
    "start_download",
    "start_missed_nights",
    "start_waiting_jobs",
)
