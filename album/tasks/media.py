"""Doors to preparation: one item as soon as it is stored, and in the end whatever still waits."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from celery import shared_task
from django.db.models import QuerySet
from django.utils import timezone

from album.exceptions import AlbumError
from album.log_fields import about
from album.models import Album, MediaItem, Preview
from album.models.media import Kind
from album.tasks.bell import ring_bell

logger = logging.getLogger(__name__)

WAITING_FOR = timedelta(minutes=2)
"""So long an item may wait for its own message before the periodic task takes it."""
PREPARE_FOR_S, AVIF_FOR_S = 180.0, 60.0
"""Together less than the five minutes after which the task comes again. What preparation leaves of its time goes to
AVIFs as well, until an upload comes."""
PROXIES_AT_ONCE = 3
"""Rung for each time; those that are made already are passed over by their task."""
PROXY_LIMIT_S = 6 * 3600 + 60
CHUNK = 50


@shared_task(name="album.tasks.prepare_media", soft_time_limit=900, time_limit=960)
def prepare_media(item_id: int) -> dict[str, Any]:
    """Reads the facts of one item and makes its previews. For an item that is prepared it changes nothing."""
    from album.preparation.prepare import prepare_item

    item = MediaItem.objects.filter(pk=item_id, trashed_at=None).first()
    if item is None:
        return {"skipped": f"there is no item {item_id}"}
    try:
        prepare_item(item)
    except AlbumError as error:
        return _waits(item, error)
    if item.kind == Kind.PHOTO and item.preview_status == Preview.READY and not item.image_avif:
        ring_bell(process_photo_to_avif, item.pk)
    elif item.kind == Kind.PHOTO:
        _clear_albums(Album.objects.filter(items=item))
    elif item.needs_proxy and not item.video_proxy:
        ring_bell(make_video_proxy, item.pk)
    return {"preview": item.preview_status, "problem": item.preview_problem}


@shared_task(name="album.tasks.prepare_waiting_media", soft_time_limit=600, time_limit=660)
def prepare_waiting_media() -> dict[str, Any]:
    """Prepares for some minutes what no message has reached, and makes what is missing beside the previews."""
    from album.preparation.avif import WITHOUT_AVIF
    from album.preparation.boxes import shared_box
    from album.preparation.prepare import prepare_many
    from album.preparation.proxies import WITHOUT_PROXY

    started_at, until = timezone.now(), time.monotonic() + PREPARE_FOR_S
    waiting = MediaItem.objects.filter(preview_status=Preview.WAITING, trashed_at=None)
    waiting = waiting.filter(created_at__lt=timezone.now() - WAITING_FOR).order_by("prepare_attempts", "pk")
    try:
        prepared = sum(1 for _ in prepare_many(_until(until, waiting), shared_box()))
    except AlbumError as error:
        logger.warning("Nothing can be prepared: %s", error)
        return {"waiting": str(error)}
    without_avif = MediaItem.objects.filter(WITHOUT_AVIF, preview_status=Preview.READY).order_by("pk")
    own_until, avifs = time.monotonic() + AVIF_FOR_S, 0
    for photo in _until(until + AVIF_FOR_S, without_avif):
        if time.monotonic() >= own_until and _has_upload_since(started_at):
            break
        avifs += _make_avif(photo)
    _clear_albums(Album.objects.all())
    without_proxy = MediaItem.objects.filter(WITHOUT_PROXY).order_by("proxy_attempts", "pk")
    for video in islice(filter(_has_original, without_proxy.iterator()), PROXIES_AT_ONCE):
        if not ring_bell(make_video_proxy, video.pk):
            break
    return {"prepared": prepared, "avifs": avifs}


@shared_task(name="album.tasks.process_photo_to_avif")
def process_photo_to_avif(photo_id: int) -> dict[str, Any]:
    """Makes the large AVIF of a photo. For a photo that has it, or that can have none, it changes nothing."""
    from album.preparation.avif import WITHOUT_AVIF

    photo = MediaItem.objects.filter(WITHOUT_AVIF, pk=photo_id).first()
    if photo is None:
        return {"skipped": f"there is no photo {photo_id} without AVIF"}
    is_made = _make_avif(photo)
    _clear_albums(Album.objects.filter(items=photo_id))
    return {"made": is_made}


@shared_task(name="album.tasks.check_item_photo_processing")
def check_item_photo_processing(album_id: int) -> dict[str, Any]:
    """Says whether AVIFs of the album's photos are still being made; takes its flag away when none is."""
    _clear_albums(Album.objects.filter(pk=album_id))
    return {"processing": Album.objects.filter(pk=album_id, is_processing_photos=True).exists()}


@shared_task(name="album.tasks.make_video_proxy", soft_time_limit=PROXY_LIMIT_S, time_limit=PROXY_LIMIT_S + 60)
def make_video_proxy(item_id: int) -> dict[str, Any]:
    """Makes the copy of a video that browsers can play; where it is there, or not needed, it changes nothing."""
    from album.preparation import proxies

    video = MediaItem.objects.filter(proxies.WITHOUT_PROXY, pk=item_id).first()
    if video is None:
        return {"skipped": f"there is no video {item_id} without its proxy"}
    try:
        return {"made": proxies.make_video_proxy(video)}
    except AlbumError as error:
        return _waits(video, error)


def _has_upload_since(moment: datetime) -> bool:
    return MediaItem.objects.filter(preview_status=Preview.WAITING, created_at__gt=moment).exists()


def _has_original(item: MediaItem) -> bool:
    from album.preparation.originals import locate_original

    try:
        return bool(locate_original(item))
    except AlbumError:
        return False


def _make_avif(photo: MediaItem) -> bool:
    from album.preparation.avif import make_large_avif

    try:
        return make_large_avif(photo)
    except AlbumError as error:
        _waits(photo, error)
        return False


def _waits(item: MediaItem, error: AlbumError) -> dict[str, Any]:
    """Nothing was written about the item: the periodic task comes back to it."""
    logger.warning("Item %s waits: %s", item.pk, error, extra=about(item.pk))
    return {"waiting": str(error)}


def _clear_albums(albums: QuerySet[Album]) -> None:
    from album.preparation.avif import clear_processed_albums

    clear_processed_albums(albums)


def _until(moment: float, items: QuerySet[MediaItem]) -> Iterator[MediaItem]:
    """Those items that stand there now, one by one until the moment has come; no query is open meanwhile."""
    ids = list(items.values_list("pk", flat=True))
    for start in range(0, len(ids), CHUNK):
        for item in items.filter(pk__in=ids[start : start + CHUNK]):
            if time.monotonic() >= moment:
                return
            yield item
