"""Doors to housekeeping: beat rings them, and what they find stands in the log."""

from __future__ import annotations

import logging
from datetime import timedelta

from celery import shared_task
from django.utils import timezone

from album.services.accounts import forget_expired
from album.services.cleanup import clean_up
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


@shared_task(name="album.tasks.check_library", soft_time_limit=2400, time_limit=2460)
def check_library() -> dict[str, int | bool]:
    """Reads originals again for twenty minutes, those first whose last check is longest ago. Only tells."""
    from album.services import fsck  # not when a worker starts: it decodes

    with fsck.polite():
        report = fsck.check_library(
            fsck.FsckOptions(is_incremental=True, time_limit=NIGHTLY_CHECK, adopts_orphans=False)
        )
    for finding in report.findings:
        logger.error("fsck: %s", finding)
    return {"checked": report.checked, "findings": len(report.findings), "is_complete": report.is_complete}


def _clean_up(*, hours: int, incomplete_only: bool) -> dict[str, int]:
    totals = clean_up(before=timezone.now() - timedelta(hours=hours), incomplete_only=incomplete_only)
    return {
        "incomplete": len(totals.incomplete),
        "renditions": len(totals.renditions),
        "size_bytes": totals.size_bytes,
    }
