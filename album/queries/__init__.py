"""Page-shaped reads, and the one place that knows who may see and who may change what."""

from album.queries.access import (
    Viewer,
    editable_albums,
    editable_by,
    fillable_albums,
    in_trash,
    openable_by,
    owned_by,
    shown,
    visible_albums,
    visible_to,
)
from album.queries.counts import album_counts, status_counts
from album.queries.pages import timeline, with_details

__all__ = (
    "Viewer",
    "album_counts",
    "editable_albums",
    "editable_by",
    "fillable_albums",
    "in_trash",
    "openable_by",
    "owned_by",
    "shown",
    "status_counts",
    "timeline",
    "visible_albums",
    "visible_to",
    "with_details",
)
