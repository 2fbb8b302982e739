"""From incoming bytes to a stored original and its row. No model, no decoding."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from django.conf import settings
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone

from album.failpoints import failpoint
from album.media.storage import content_lock
from album.models import Album, MediaItem
from album.models.media import Kind, Preview, wall_clock
from album.services.spool import ORIGINALS, Spool, Spooled, clean_name, place, storage_errors
from album.services.verdicts import holds

__all__ = ("IngestResult", "Spool", "Spooled", "clean_name", "ingest_spooled", "ingest_upload", "place")

CHUNK_BYTES = 1024 * 1024


class Readable(Protocol):
    """An open binary file."""

    def read(self, size: int, /) -> bytes: ...


@dataclass(frozen=True, slots=True)
class IngestResult:
    """The row of the file, and what this call did: made it, took it out of the trash, gave it back its original.

    ``was_mended``: the original was missing or damaged, or lay outside the storage; it is in the storage now.
    """

    item: MediaItem
    is_new: bool
    was_trashed: bool = False
    was_mended: bool = False

    @property
    def status(self) -> str:
        """``stored``, ``restored`` (it lay in the trash) or ``duplicate``."""
        if self.was_trashed:
            return "restored"
        return "stored" if self.is_new or self.was_mended else "duplicate"


def ingest_upload(
    *, owner: User, file: Readable, name: str, album: Album | None = None, modified_at: datetime | None = None
) -> IngestResult:
    """The row of ``file``, new and waiting, or the one that ``owner`` already has for the same content.

    The original is durable before its row is committed. Whether ``owner`` may fill ``album`` is the caller's
    question. ``modified_at`` is the time of the file where it comes from.

    Raises:
        AlbumError: as ``Spool`` says. Nothing stays behind then.
    """
    with Spool.open(name) as spool:
        while chunk := file.read(CHUNK_BYTES):
            spool.write(chunk)
        return ingest_spooled(owner=owner, spooled=spool.finish(), album=album, modified_at=modified_at)


def ingest_spooled(
    *, owner: User, spooled: Spooled, album: Album | None = None, modified_at: datetime | None = None
) -> IngestResult:
    """The same for a file that a ``Spool`` has taken in.

    Raises:
        StorageError: disk or database failed. Whoever made the spool discards it.
    """
    # The lock is held over both, file and row: who removes originals holds it too, and two uploads of one file
    # come one after the other. The row's transaction is short: no other writer waits for a disk.
    with storage_errors(spooled.name), content_lock(Path(settings.MEDIA_ROOT), spooled.sha256):
        known = MediaItem.objects.filter(owner=owner, sha256=spooled.sha256).values_list("original", flat=True)[:1]
        relative = next(iter(known), "") or original_path(spooled.sha256, spooled.media_type.extension)
        try:
            is_placed = _place_original(spooled, relative)
            failpoint("upload-placed")
            with transaction.atomic():
                item, is_new = _get_or_create(
                    owner, spooled, _row_values(spooled, relative, modified_at), bool(known)
                )
                is_elsewhere = item.original.name != relative
                if is_elsewhere:
                    _take_in(item, relative)
                was_mended = not is_new and (is_placed or is_elsewhere)
                if was_mended:
                    _try_anew(item)
                was_trashed = _take_back(item)
                if album is not None:
                    add_to_album(item, album)
        except BaseException:
            # Back to whoever brought it: it may be the only copy, of pieces or of an original without a row.
            if not spooled.path.exists() and not MediaItem.objects.filter(original=relative).exists():
                Path(settings.MEDIA_ROOT, relative).replace(spooled.path)
            raise
    failpoint("upload-committed")
    return IngestResult(item, is_new, was_trashed, was_mended)


def _get_or_create(owner: User, spooled: Spooled, values: dict[str, Any], is_known: bool) -> tuple[MediaItem, bool]:
    """The row, and whether it is new."""
    if not is_known:  # most are not: no reading of all columns first
        with suppress(IntegrityError), transaction.atomic():  # unless it was indexed in place meanwhile
            return MediaItem.objects.create(owner=owner, sha256=spooled.sha256, **values), True
    # Looked for once more: it may have left the trash for good meanwhile.
    rows = MediaItem.objects.select_for_update()
    return rows.get_or_create(owner=owner, sha256=spooled.sha256, defaults=values)


def original_path(sha256: str, extension: str) -> str:
    """Where an original lies under MEDIA_ROOT: ``originals/ab/<sha256>.jpg`` and the like.

    256 folders, which are soon there: each new one is two more syncs, and on an SD card each takes 20 ms.
    """
    return f"{ORIGINALS}/{sha256[:2]}/{sha256}{extension}"


def _place_original(spooled: Spooled, relative: str) -> bool:
    """True if the file was not there, or not whole, and now is."""
    target = Path(settings.MEDIA_ROOT, relative)
    if holds(target, spooled.sha256, spooled.size_bytes):
        return False
    place(spooled.path, target)
    return True


def _row_values(spooled: Spooled, relative: str, modified_at: datetime | None) -> dict[str, Any]:
    try:
        timeline_at = wall_clock(modified_at or timezone.now())
    except OverflowError:  # the clock of this album is past the year 9999 then, or before the first: no time at all
        return _row_values(spooled, relative, None)
    return {
        "kind": spooled.media_type.kind,
        "mime_type": spooled.media_type.mime,
        "size_bytes": spooled.size_bytes,
        "original": relative,
        "original_name": spooled.name,
        "file_modified_at": modified_at,
        "timeline_at": timeline_at,
    }


def _take_in(item: MediaItem, relative: str) -> None:
    """The row of a file that was indexed in place points to the copy: whoever uploads relies on no other folder."""
    item.original.name, item.source_path = relative, ""
    item.save(update_fields=["original", "source_path"])


def _try_anew(item: MediaItem) -> None:
    """What failed for want of a whole original is tried once more."""
    again: dict[str, Any] = {"prepare_attempts": 0, "avif_attempts": 0, "proxy_attempts": 0, "proxy_problem": ""}
    if item.preview_status == Preview.NONE:
        again |= {"preview_status": Preview.WAITING, "preview_problem": "", "prepared_at": None}
    for name, value in again.items():
        setattr(item, name, value)
    item.save(update_fields=list(again))


def _take_back(item: MediaItem) -> bool:
    """True if the item lay in the trash. Photo and clip of a motion photo come back together, whichever it is."""
    if item.trashed_at is None:
        return False
    photo_id = item.clip_of_id or item.pk
    MediaItem.objects.filter(Q(pk=photo_id) | Q(clip_of=photo_id)).update(trashed_at=None)
    item.trashed_at = None
    return True


def find_album(owner: User, title: str) -> Album:
    """The album of ``owner`` with this title that is picked by hand, made if there is none."""
    picked = Album.objects.filter(owner=owner, title=title, rule__isnull=True)
    return picked.first() or Album.objects.create(owner=owner, title=title)


def add_to_album(item: MediaItem, album: Album) -> None:
    """Puts the item into the album, whose large copies are not complete then."""
    album.items.add(item)
    if item.kind == Kind.PHOTO and not item.image_avif and item.preview_status != Preview.NONE:
        Album.objects.filter(pk=album.pk).update(is_processing_photos=True)
