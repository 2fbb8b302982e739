"""Rows and the rules of a single row."""

from album.models import any_case  # noqa: F401 - its lookups hold from now on
from album.models.access import ApiKey, GrantEpoch, Invitation, Preferences, ShareLink
from album.models.albums import Album, AlbumItem, Favourite, ItemTag, Tag
from album.models.jobs import ImageJob
from album.models.media import MediaItem, Photo, Preview, Shelf, Status, Video
from album.models.people import ItemPerson, Person
from album.models.processing import (
    AIProcessingSettings,
    BatchRun,
    Embedding,
    Stage,
    StageResult,
    WeightsDownload,
)
from album.models.uploads import PartialUpload

__all__ = (
    "AIProcessingSettings",
    "Album",
    "AlbumItem",
    "ApiKey",
    "BatchRun",
    "Embedding",
    "Favourite",
    "GrantEpoch",
    "ImageJob",
    "Invitation",
    "ItemPerson",
    "ItemTag",
    "MediaItem",
    "PartialUpload",
    "Person",
    "Photo",
    "Preferences",
    "Preview",
    "ShareLink",
    "Shelf",
    "Stage",
    "StageResult",
    "Status",
    "Tag",
    "Video",
    "WeightsDownload",
)
