"""From incoming bytes to a stored original and its row. No model, no decoding."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Q

from album.failpoints import failpoint
from album.media.storage import content_lock
from album.models import Album, MediaItem
from album.models.media import Kind, Preview
from album.services.spool import ORIGINALS, Spool, Spooled, clean_name, place, storage_errors

__all__ = ("IngestResult", "Spool", "Spooled", "clean_name", "ingest_spooled", "ingest_upload", "place")

CHUNK_BYTES = 1024 * 1024


class Readable(Protocol):
    """An open binary file."""

    def read(self, size: int, /) -> bytes: ...


@dataclass(frozen=True, slots=True)
class IngestResult:
    """The row of the file; whether this call made it, or took it back out of the trash."""

    item: MediaItem
    is_new: bool
    was_trashed: bool = False


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
        relative = original_path(spooled.sha256, spooled.media_type.extension)
        known = MediaItem.objects.filter(owner=owner, sha256=spooled.sha256).only("original", "source_path").first()
        is_whole = known is not None and _holds(known.path, spooled)
        is_placed = not is_whole and _place_original(spooled, relative)
        failpoint("upload-placed")
        try:
            with transaction.atomic():
                # Looked for once more: it may have left the trash for good meanwhile.
                item, is_new = MediaItem.objects.select_for_update().get_or_create(
                    owner=owner, sha256=spooled.sha256, defaults=_row_values(spooled, relative, modified_at)
                )
                if not _holds(item.path, spooled):
                    _place_original(spooled, relative)
                    _mend(item, relative)
                was_trashed = _take_back(item)
                if album is not None:
                    add_to_album(item, album)
        except BaseException:
            if is_placed and not MediaItem.objects.filter(original=relative).exists():
                Path(settings.MEDIA_ROOT, relative).unlink(missing_ok=True)
            raise
    failpoint("upload-committed")
    return IngestResult(item, is_new, was_trashed)


def original_path(sha256: str, extension: str) -> str:
    """Where an original lies under MEDIA_ROOT: ``originals/ab/cd/<sha256>.jpg`` and the like."""
    return f"{ORIGINALS}/{sha256[:2]}/{sha256[2:4]}/{sha256}{extension}"


def _holds(path: Path, spooled: Spooled) -> bool:
    """True when the content is there: its name says which it is, and its size that it is not torn."""
    with suppress(OSError):
        return path.stat().st_size == spooled.size_bytes
    return False


def _place_original(spooled: Spooled, relative: str) -> bool:
    """True if the file was not there yet and now is."""
    target = Path(settings.MEDIA_ROOT, relative)
    if _holds(target, spooled):
        return False
    place(spooled.path, target)
    return True


def _row_values(spooled: Spooled, relative: str, modified_at: datetime | None) -> dict[str, Any]:
    return {
        "kind": spooled.media_type.kind,
        "mime_type": spooled.media_type.mime,
        "size_bytes": spooled.size_bytes,
        "original": relative,
        "original_name": spooled.name,
        "file_modified_at": modified_at,
    }


def _mend(item: MediaItem, relative: str) -> None:
    """The row of an original that was lost, or whose folder is gone, points to the file that came in now."""
    item.original.name, item.source_path = relative, ""
    item.save(update_fields=["original", "source_path"])


def _take_back(item: MediaItem) -> bool:
    """True if the item lay in the trash. The clip of a motion photo comes back with it."""
    if item.trashed_at is None:
        return False
    MediaItem.objects.filter(Q(pk=item.pk) | Q(clip_of=item)).update(trashed_at=None)
    item.trashed_at = None
    return True


def add_to_album(item: MediaItem, album: Album) -> None:
    """Puts the item into the album, whose large copies are not complete then."""
    album.items.add(item)
    if item.kind == Kind.PHOTO and not item.image_avif and item.preview_status != Preview.NONE:
        Album.objects.filter(pk=album.pk).update(is_processing_photos=True)
