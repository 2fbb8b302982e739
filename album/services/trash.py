"""Deleting in two steps: into the trash, from which everything comes back, and after some weeks for good."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from album.failpoints import failpoint
from album.media.storage import content_lock, require_mark
from album.models import MediaItem
from album.preparation.paths import rendition_path
from album.preparation.sidecars import sidecars_of
from album.queries import in_trash, owned_by
from album.services.grants import revoke_items

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class PurgeTotals:
    """What was deleted for good: items with their clips, and the files that nobody else needs."""

    items: int = 0
    files: int = 0
    size_bytes: int = 0


def move_to_trash(*, user: User, items: Iterable[MediaItem]) -> int:
    """How many of ``items`` lie in the trash now, with their clips; those that ``user`` may not delete stay."""
    return _set_trashed(owned_by(user), items, timezone.now())


def restore(*, user: User, items: Iterable[MediaItem]) -> int:
    """How many of ``items`` came back out of the trash, into the albums in which they were."""
    return _set_trashed(in_trash(user), items, None)


def delete_now(*, user: User, items: Iterable[MediaItem]) -> PurgeTotals:
    """The totals after those of ``items`` that ``user`` has in the trash were deleted for good.

    Raises:
        StorageError: the storage is missing; nothing was deleted.
    """
    return _delete(in_trash(user).filter(pk__in=[item.pk for item in items]))


def purge_trash(*, now: datetime) -> PurgeTotals:
    """The totals after everything that has lain in the trash for ``TRASH_DAYS`` was deleted for good.

    Raises:
        StorageError: the storage is missing; nothing was deleted.
    """
    return _delete(MediaItem.objects.filter(trashed_at__lte=now - timedelta(days=settings.TRASH_DAYS)))


def _set_trashed(allowed: QuerySet[MediaItem], items: Iterable[MediaItem], at: datetime | None) -> int:
    with transaction.atomic():
        ids = list(allowed.filter(pk__in=[item.pk for item in items]).values_list("pk", flat=True))
        MediaItem.objects.filter(Q(pk__in=ids) | Q(clip_of__in=ids)).update(trashed_at=at)
        if at is not None:
            revoke_items(ids)
    return len(ids)


def _delete(trashed: QuerySet[MediaItem]) -> PurgeTotals:
    totals = PurgeTotals()
    ids = list(trashed.order_by("pk").values_list("pk", flat=True))
    if ids:
        require_mark(Path(settings.MEDIA_ROOT))
    for pk in ids:
        with transaction.atomic():
            # Again: the item may have been restored since.
            photos = list(trashed.filter(pk=pk).select_for_update())
            rows = [*MediaItem.objects.filter(clip_of__in=photos), *photos]
            MediaItem.objects.filter(pk__in=[row.pk for row in rows]).delete()
        failpoint("purge")
        totals.items += len(rows)
        for row in rows:
            _remove_files(row, totals)
    return totals


def _remove_files(row: MediaItem, totals: PurgeTotals) -> None:
    """Removes what belonged to the deleted ``row`` alone. Without the lock, an upload of the same could lose it."""
    try:
        with content_lock(Path(settings.MEDIA_ROOT), row.sha256):
            for path in _orphaned_files(row):
                size_bytes = path.stat().st_size
                path.unlink()
                totals.files += 1
                totals.size_bytes += size_bytes
            with suppress(OSError):  # not empty, or never made
                rendition_path(row, "").rmdir()
    except OSError as error:
        logger.error("Files of the deleted item %s stay behind: %s. fsck will list them.", row.pk, error)


def _orphaned_files(row: MediaItem) -> Iterator[Path]:
    """Existing files of a deleted row that no row refers to. What was indexed in place is never among them."""
    left = MediaItem.objects.filter(sha256=row.sha256)
    if not left.filter(owner=row.owner_id).exists():  # it may have been uploaded again since
        yield from sidecars_of(row)
    if not left.exists():
        folder = rendition_path(row, "")
        yield from (path for path in folder.glob("*") if path.is_file())
    if row.original and not left.filter(original=row.original.name).exists():
        # Last: should this be interrupted, what stays behind is an original, which fsck finds.
        path = Path(row.original.path)
        if path.is_file():
            yield path
