"""Doors to housekeeping: beat rings them, and what they find stands in the log."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

from celery import shared_task
from django.conf import settings
from django.utils import timezone

from album.exceptions import AlbumError
from album.search.index import tidy
from album.services.accounts import forget_expired
from album.services.cleanup import clean_up
from album.services.polite import polite
from album.services.trash import purge_trash as purge

logger = logging.getLogger(__name__)
NIGHTLY_CHECK = timedelta(minutes=20)


@shared_task(name="album.tasks.cleanup_orphaned_photos", soft_time_limit=1800, time_limit=1860)
def cleanup_orphaned_photos() -> dict[str, int]:
    """Removes what uploads left unfinished more than 24 hours ago."""
    return _clean_up(hours=24, incomplete_only=True)


@shared_task(name="album.tasks.cleanup_old_incomplete_photos", soft_time_limit=1800, time_limit=1860)
def cleanup_old_incomplete_photos() -> dict[str, int]:
    """Removes what was left unfinished more than 168 hours ago, since then unused renditions, and old sessions."""
    forget_expired()
    return _clean_up(hours=168, incomplete_only=False)


@shared_task(name="album.tasks.purge_trash", soft_time_limit=1800, time_limit=1860)
def purge_trash() -> dict[str, int]:
    """Deletes for good what has lain in the trash for ``TRASH_DAYS``."""
    totals = purge(now=timezone.now())
    return {"items": totals.items, "files": totals.files, "size_bytes": totals.size_bytes}


@shared_task(name="album.tasks.tidy_text_index", soft_time_limit=600, time_limit=660)
def tidy_text_index() -> None:
    """Merges what a night of descriptions has left of the index, so that searches of the day are quick."""
    tidy()


@shared_task(name="album.tasks.check_library", soft_time_limit=2400, time_limit=2460)
def check_library() -> dict[str, int | bool]:
    """Reads originals again for twenty minutes, those first whose last check is longest ago. Only tells."""
    from album.services import fsck  # not when a worker starts: it decodes

    with polite():
        report = fsck.check_library(
            fsck.FsckOptions(is_incremental=True, time_limit=NIGHTLY_CHECK, adopts_orphans=False)
        )
    for finding in report.findings:
        logger.error("fsck: %s", finding)
    return {"checked": report.checked, "findings": len(report.findings), "is_complete": report.is_complete}


@shared_task(name="album.tasks.backup_database", soft_time_limit=3000, time_limit=3060)
def backup_database() -> dict[str, Any]:
    """Makes the day's backup of the database; rung for hourly, since the host may be off at any hour."""
    from album.services.backup.make import BackupOptions, make_backup
    from album.services.backup.status import is_backup_due

    if not is_backup_due(settings.BACKUP_DIR, timezone.now()):
        return {"skipped": "today's is made"}
    try:
        report = make_backup(settings.BACKUP_DIR, BackupOptions(folders=(), keep=settings.BACKUP_KEEP))
    except AlbumError as error:
        logger.error("No backup of the database: %s", error)
        return {"failed": str(error)}
    return {"folder": str(report.folder), "size_bytes": report.size_bytes, "removed": report.removed}


@shared_task(name="album.tasks.restore_drill", soft_time_limit=4 * 3600, time_limit=4 * 3600 + 60)
def restore_drill() -> dict[str, Any]:
    """Restores the newest backup beside the library, and tells if that fails. Off until an admin wants it."""
    from album.services.backup.drill import run_drill

    try:
        report = run_drill(settings.BACKUP_DIR)
    except AlbumError as error:
        logger.error("The restore drill failed: %s", error)
        return {"failed": str(error)}
    return {"folder": str(report.backup.folder), "steps": [result for _, result, _ in report.steps]}


def _clean_up(*, hours: int, incomplete_only: bool) -> dict[str, int]:
    totals = clean_up(before=timezone.now() - timedelta(hours=hours), incomplete_only=incomplete_only)
    return {
        "incomplete": len(totals.incomplete),
        "renditions": len(totals.renditions),
        "size_bytes": totals.size_bytes,
    }
