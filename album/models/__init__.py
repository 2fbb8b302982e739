"""Rows and the rules of a single row."""

from album.models.albums import Album, ItemTag, Tag
from album.models.jobs import ImageJob
from album.models.media import MediaItem, Photo, Preview, Status, Video
from album.models.processing import AIProcessingSettings, BatchRun, Embedding, Stage, StageResult

__all__ = (
    "AIProcessingSettings",
    "Album",
    "BatchRun",
    "Embedding",
    "ImageJob",
    "ItemTag",
    "MediaItem",
    "Photo",
    "Preview",
    "Stage",
    "StageResult",
    "Status",
    "Tag",
    "Video",
)
