"""How far the analysis is, album by album."""

from __future__ import annotations

from typing import NamedTuple

from django.db.models import Count, QuerySet

from album.models import Album, AlbumItem, MediaItem, Status
from album.models.media import Kind
from album.queries.access import in_album, shown
from album.queries.counts import status_counts


class AlbumCounts(NamedTuple):
    """An album and how many of its items of one kind stand in each status."""

    album: Album
    pending: int
    processing: int
    completed: int
    failed: int


def album_status_counts(albums: QuerySet[Album], kind: Kind) -> list[AlbumCounts]:
    """The counts of each of ``albums``, by title. Two queries, and one for each automatic album."""
    entries = AlbumItem.objects.filter(
        shown("mediaitem__"), album__in=albums.order_by().values("pk"), mediaitem__kind=kind
    )
    rows = entries.order_by().values_list("album", "mediaitem__processing_status").annotate(n=Count("pk"))
    found = {(album, status): count for album, status, count in rows}
    listed = list(albums.select_related("owner").order_by("title", "pk"))
    for album in listed:
        if album.rule is not None:
            counts = status_counts(MediaItem.objects.filter(in_album(album), shown(), kind=kind))
            found |= {(album.pk, status.value): count for status, count in counts.items()}
    return [AlbumCounts(album, *(found.get((album.pk, status.value), 0) for status in Status)) for album in listed]


def library_status_counts(kind: Kind) -> dict[Status, int]:
    """How many items of this kind stand in each status, whoever owns them."""
    return status_counts(MediaItem.objects.filter(shown(), kind=kind))
