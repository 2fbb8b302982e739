"""From a stream of bytes to a stored original and its pending row. No model, no full decode."""

from __future__ import annotations

import errno
import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from datetime import timezone as fixed_offset
from pathlib import Path
from typing import Any, Protocol

from django.conf import settings
from django.contrib.auth.models import User
from django.db import OperationalError, transaction
from django.utils import timezone

from album.exceptions import MediaError, StorageError, UnsupportedMedia
from album.media.exif import FileFacts, read_facts
from album.media.sniff import HEIC, MediaType, sniff
from album.media.storage import is_marked, mark
from album.models import Album, MediaItem

ORIGINALS = "originals"
CHUNK_BYTES = 1024 * 1024
NAME_MAX_LENGTH = 255
FULL_DISK = {errno.ENOSPC, errno.EDQUOT}


class Readable(Protocol):
    """An open binary file, or an upload."""

    def read(self, size: int, /) -> bytes: ...


@dataclass(frozen=True, slots=True)
class IngestResult:
    """The row of the file, and whether this call made it."""

    item: MediaItem
    is_new: bool


@dataclass(frozen=True, slots=True)
class _Spooled:
    """A complete, synced copy that has not got its final name yet."""

    path: Path
    sha256: str
    size_bytes: int
    media_type: MediaType


def ingest_upload(*, owner: User, file: Readable, name: str, album: Album | None = None) -> IngestResult:
    """The row of ``file``, new and pending, or the one that ``owner`` already has for the same content.

    The original is durable before its row is committed. Whether ``owner`` may fill ``album`` is the caller's
    question.

    Raises:
        UnsupportedMedia: the content is no photo or video that the album takes.
        MediaError: it is one, but its header cannot be read, or it is too large.
        StorageError: disk or database failed. In each of these cases nothing stays behind.
    """
    name = clean_name(name)
    with _storage_errors(name), _spool(file, name) as spooled:
        values = _row_values(spooled, _read_facts(spooled, name))
        relative = original_path(spooled.sha256, spooled.media_type.extension)
        with transaction.atomic():
            # get_or_create settles parallel uploads of one file by the unique constraint. The file gets its
            # name inside the transaction: a failure there takes the row back, and no row is ever without file.
            item, is_new = MediaItem.objects.get_or_create(
                owner=owner,
                sha256=spooled.sha256,
                defaults={**values, "original": relative, "original_name": name},
            )
            if album is not None:
                album.items.add(item)
            _place(spooled.path, Path(item.original.path))
    return IngestResult(item, is_new)


def original_path(sha256: str, extension: str) -> str:
    """Where an original lies under MEDIA_ROOT: ``originals/ab/cd/<sha256>.jpg`` and the like."""
    return f"{ORIGINALS}/{sha256[:2]}/{sha256[2:4]}/{sha256}{extension}"


def clean_name(name: str) -> str:
    """The last part of a path, printable characters only, at most 255 of them, its extension kept."""
    last = name.replace("\\", "/").rpartition("/")[2]
    printable = "".join(character for character in last if character.isprintable()).strip()
    if printable.strip(".") == "":
        return "unnamed"
    if len(printable) <= NAME_MAX_LENGTH:
        return printable
    extension = Path(printable).suffix[:20]
    return printable[: NAME_MAX_LENGTH - len(extension)] + extension


@contextmanager
def _storage_errors(name: str) -> Iterator[None]:
    """Failures of disk and database in words."""
    try:
        yield
    except OSError as error:
        if error.errno in FULL_DISK:
            raise StorageError(f"{name}: the disk is full, nothing was kept. Free some space and retry.") from error
        reason = error.strerror or str(error)
        raise StorageError(f"{name}: cannot be stored ({reason}), nothing was kept. Check {ORIGINALS}/.") from error
    except OperationalError as error:
        raise StorageError(
            f"{name}: the database refused it ({error}), nothing was kept. Check the free space and retry."
        ) from error


@contextmanager
def _spool(file: Readable, name: str) -> Iterator[_Spooled]:
    """A synced copy of ``file`` beside the originals, removed at the end unless it was renamed."""
    head = file.read(CHUNK_BYTES)
    if not head:
        raise UnsupportedMedia(f"{name}: the file is empty. Check the copy on your device.")
    media_type = _sniff(head, name)
    storage = Path(settings.MEDIA_ROOT)
    if not is_marked(storage):
        if MediaItem.objects.exists():
            raise StorageError(f"{name}: storage missing: {storage} is not mounted, nothing was kept.")
        mark(storage)
    root = storage / ORIGINALS
    root.mkdir(exist_ok=True)
    descriptor, part = tempfile.mkstemp(dir=root, suffix=".part")
    try:
        with os.fdopen(descriptor, "wb") as target:
            digest, size_bytes, chunk = hashlib.sha256(), 0, head
            while chunk:
                size_bytes += len(chunk)
                if size_bytes > settings.UPLOAD_MAX_BYTES:
                    limit = f"{settings.UPLOAD_MAX_BYTES // 1_000_000} MB"
                    raise MediaError(f"{name}: larger than {limit}. An administrator may raise UPLOAD_MAX_MB.")
                digest.update(chunk)
                target.write(chunk)
                chunk = file.read(CHUNK_BYTES)
            target.flush()
            os.fsync(target.fileno())
        yield _Spooled(Path(part), digest.hexdigest(), size_bytes, media_type)
    finally:
        Path(part).unlink(missing_ok=True)


def _sniff(head: bytes, name: str) -> MediaType:
    try:
        media_type = sniff(head)
    except UnsupportedMedia as error:
        raise UnsupportedMedia(f"{name}: {error}") from error
    if media_type is HEIC:
        raise UnsupportedMedia(f"{name}: HEIC photos cannot be decoded here yet. Convert it to JPEG and retry.")
    return media_type


def _read_facts(spooled: _Spooled, name: str) -> FileFacts:
    try:
        return read_facts(spooled.path, spooled.media_type.mime)
    except MediaError as error:
        raise type(error)(f"{name}: {error}") from error


def _place(part: Path, target: Path) -> None:
    """Gives the copy its final name and makes that name durable."""
    target.parent.mkdir(parents=True, exist_ok=True)
    part.replace(target)
    for folder in (target.parent, target.parent.parent, target.parent.parent.parent):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _row_values(spooled: _Spooled, facts: FileFacts) -> dict[str, Any]:
    local = facts.taken_at_local
    return {
        "kind": spooled.media_type.kind,
        "mime_type": spooled.media_type.mime,
        "size_bytes": spooled.size_bytes,
        "width_px": facts.width_px,
        "height_px": facts.height_px,
        "duration_s": facts.duration_s,
        "taken_at": _moment(facts),
        "taken_at_local": local.isoformat(timespec="seconds") if local else "",
        "latitude_deg": facts.latitude_deg,
        "longitude_deg": facts.longitude_deg,
    }


def _moment(facts: FileFacts) -> datetime | None:
    """When it was taken; a camera that names no offset is read in the time zone of this album."""
    if facts.taken_at_local is None:
        return None
    offset = facts.utc_offset
    zone = timezone.get_default_timezone() if offset is None else fixed_offset(offset)
    try:
        return facts.taken_at_local.replace(tzinfo=zone).astimezone(UTC)
    except OverflowError:  # the years 1 and 9999
        return None
