"""How many: in each status, in each album, in each month."""

from __future__ import annotations

from django.db.models import Count, Q, QuerySet

from album.models import Album, MediaItem, Status
from album.queries.access import shown


def status_counts(items: QuerySet[MediaItem]) -> dict[Status, int]:
    """How many of ``items`` stand in each status, all four of them named."""
    rows = items.order_by().values_list("processing_status").annotate(count=Count("pk"))
    counts = {Status(status): count for status, count in rows}
    return {status: counts.get(status, 0) for status in Status}


def album_counts(albums: QuerySet[Album]) -> QuerySet[Album]:
    """``albums`` annotated with ``item_count`` and one ``<status>_count`` per status."""
    per_status = {
        f"{status.value}_count": Count("items", filter=shown("items__") & Q(items__processing_status=status))
        for status in Status
    }
    return albums.annotate(item_count=Count("items", filter=shown("items__")), **per_status)
