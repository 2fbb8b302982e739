"""How many: in each status, in each month."""

from __future__ import annotations

from django.db.models import Count, QuerySet

from album.models import MediaItem, Status


def status_counts(items: QuerySet[MediaItem]) -> dict[Status, int]:
    """How many of ``items`` stand in each status, all four of them named."""
    rows = items.order_by().values_list("processing_status").annotate(count=Count("pk"))
    counts = {Status(status): count for status, count in rows}
    return {status: counts.get(status, 0) for status in Status}
