"""The large AVIF of a photo: its preview in about half the bytes. An album knows while some are missing."""

from __future__ import annotations

from django.db.models import Exists, OuterRef, Q, QuerySet

from album.media.rendering import render_avif
from album.media.renditions import LARGE_AVIF
from album.media.sandbox import Sandbox
from album.models import Album, MediaItem, Preview
from album.models.media import Kind
from album.preparation.boxes import shared_box
from album.preparation.extras import Extra, make_extra
from album.preparation.prepare import MAX_ATTEMPTS

AVIF = Extra(LARGE_AVIF, column="image_avif", attempts="avif_attempts")
_IS_WAITED_FOR = Q(preview_status=Preview.READY) | Q(
    preview_status=Preview.WAITING, prepare_attempts__lt=MAX_ATTEMPTS
)
WITHOUT_AVIF = AVIF.is_missing() & Q(kind=Kind.PHOTO) & _IS_WAITED_FOR
"""Photos that are going to have one."""


def make_large_avif(item: MediaItem, *, box: Sandbox | None = None) -> bool:
    """True if the photo has its AVIF now. Errors as ``make_extra``."""
    return make_extra(item, AVIF, box or shared_box(), render_avif)


def clear_processed_albums(albums: QuerySet[Album]) -> int:
    """How many of ``albums`` lost their flag, as each of their photos has its AVIF or cannot have one."""
    missing = MediaItem.objects.filter(WITHOUT_AVIF, albums=OuterRef("pk"))
    return albums.filter(~Exists(missing), is_processing_photos=True).update(is_processing_photos=False)
