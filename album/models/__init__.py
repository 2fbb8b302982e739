"""Rows and the rules of a single row."""

from album.models.albums import Album, ItemTag, Tag
from album.models.media import MediaItem, Photo, Status, Video
from album.models.processing import AIProcessingSettings, BatchRun, Embedding, Stage, StageResult

__all__ = (
    "AIProcessingSettings",
    "Album",
    "BatchRun",
    "Embedding",
    "ItemTag",
    "MediaItem",
    "Photo",
    "Stage",
    "StageResult",
    "Status",
    "Tag",
    "Video",
)
