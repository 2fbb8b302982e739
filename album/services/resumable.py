"""Uploads in pieces, which go on after a lost connection, a closed tab or a restart.

What has come lies in a file beside the originals, and its length is the truth: no row tells it, none can be wrong.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import BinaryIO, Literal
from uuid import UUID

from django.conf import settings
from django.contrib.auth.models import User
from django.utils import timezone

from album.disk import hash_file
from album.exceptions import AlbumError, MediaError, StorageFull, UnsupportedMedia
from album.failpoints import failpoint
from album.media.sniff import HEAD_BYTES, MediaType
from album.models import Album, PartialUpload
from album.queries import fillable_albums
from album.services.ingest import IngestResult, ingest_spooled
from album.services.spool import (
    ORIGINAL_MODE,
    ORIGINALS,
    PART,
    Spooled,
    clean_name,
    prepare_storage,
    storage_errors,
)
from album.services.verdicts import sniff_file

LIFETIME = timedelta(hours=24)
"""After the last piece; then the nightly cleanup takes the file, too."""
RESERVE_BYTES = 100_000_000
"""What an upload leaves free: the database must be able to write the row."""


class UploadGone(AlbumError):
    """It was completed, cancelled, or waited too long."""


class WrongOffset(AlbumError):
    """The piece does not begin where the last one ended."""


class UploadBusy(AlbumError):
    """Another piece of the same file is coming in."""


def begin_upload(
    *, owner: User, name: str, size_bytes: int, album: Album | None = None, modified_at: datetime | None = None
) -> PartialUpload:
    """A new upload without bytes. Whether ``owner`` may fill ``album`` is the caller's question.

    Raises:
        MediaError: the file is empty or larger than ``UPLOAD_MAX_MB``.
        StorageError: the storage is missing, broken, or has no room for it.
    """
    name = clean_name(name)
    if size_bytes < 1:
        raise UnsupportedMedia(f"{name}: the file is empty. Check the copy on your device.")
    if size_bytes > settings.UPLOAD_MAX_BYTES:
        limit_mb = settings.UPLOAD_MAX_BYTES // 1_000_000
        raise MediaError(f"{name}: larger than {limit_mb} MB. An administrator may raise UPLOAD_MAX_MB.")
    upload = PartialUpload(owner=owner, name=name, size_bytes=size_bytes, album=album, modified_at=modified_at)
    upload.expires_at = timezone.now() + LIFETIME
    with storage_errors(name):
        prepare_storage(name)
        if shutil.disk_usage(settings.MEDIA_ROOT).free < size_bytes + RESERVE_BYTES:
            raise StorageFull(f"{name}: storage full, nothing was kept. Free some space and retry.")
        part_path(upload).touch(mode=0o640, exist_ok=False)
        upload.save(force_insert=True)
    return upload


def find_upload(owner: User, pk: UUID) -> PartialUpload:
    """The upload of ``owner``. Raises UploadGone."""
    upload = PartialUpload.objects.filter(pk=pk, owner=owner).first()
    if upload is None or not part_path(upload).is_file():
        raise UploadGone("This upload is not there any more. Start it again.")
    return upload


def received_bytes(upload: PartialUpload) -> int:
    """How much of the file has come."""
    return part_path(upload).stat().st_size


def append_to_upload(upload: PartialUpload, chunks: Iterable[bytes], *, offset: int) -> int:
    """How much has come after these chunks, which begin at ``offset``. What comes before an error stays.

    Raises:
        WrongOffset, UploadBusy: nothing was taken.
        UnsupportedMedia: its first bytes are those of no photo or video. The upload is gone.
        MediaError: more bytes than announced.
        StorageError: the disk is full or fails.
    """
    with _locked(upload, "r+b") as file:
        size_bytes = file.seek(0, os.SEEK_END)
        if size_bytes != offset:
            raise WrongOffset(f"{upload.name}: {size_bytes} bytes are here, not {offset}.")
        is_told = size_bytes >= HEAD_BYTES
        for chunk in chunks:
            if size_bytes + len(chunk) > upload.size_bytes:
                raise MediaError(f"{upload.name}: more bytes than the {upload.size_bytes} that were announced.")
            with storage_errors(upload.name, "what has come so far is kept"):
                file.write(chunk)
            size_bytes += len(chunk)
            if not is_told and size_bytes >= min(HEAD_BYTES, upload.size_bytes):
                is_told = True
                file.flush()
                _sniff(upload)
            failpoint("upload-piece")
        with storage_errors(upload.name, "what has come so far is kept"):
            file.flush()
    PartialUpload.objects.filter(pk=upload.pk).update(expires_at=timezone.now() + LIFETIME)
    return size_bytes


def finish_upload(upload: PartialUpload) -> IngestResult:
    """The item of a file that has come completely.

    Raises:
        UnsupportedMedia: it is no photo or video. The upload is gone.
        StorageError: the disk or the database fails; the bytes stay, and it can be asked again.
    """
    with _locked(upload, "rb") as file, storage_errors(upload.name, "what has come is kept"):
        path = part_path(upload)
        media_type = _sniff(upload)
        os.fchmod(file.fileno(), ORIGINAL_MODE)
        os.fsync(file.fileno())
        spooled = Spooled(path, upload.name, hash_file(path), upload.size_bytes, media_type)
        result = ingest_spooled(
            owner=upload.owner, spooled=spooled, album=_still_fillable(upload), modified_at=upload.modified_at
        )
        cancel_upload(upload)
    return result


def _still_fillable(upload: PartialUpload) -> Album | None:
    """Its album, unless ``owner`` lost the right to fill it while the pieces came in: that may take a day."""
    return fillable_albums(upload.owner).filter(pk=upload.album_id or 0).first()


def cancel_upload(upload: PartialUpload) -> None:
    """Removes what has come of it and did not become an original."""
    part_path(upload).unlink(missing_ok=True)
    upload.delete()


def part_path(upload: PartialUpload) -> Path:
    """Where its bytes lie."""
    return Path(settings.MEDIA_ROOT, ORIGINALS, upload.pk.hex + PART)


def _sniff(upload: PartialUpload) -> MediaType:
    """Its type. Raises UnsupportedMedia: it is no photo or video, and gone."""
    try:
        return sniff_file(part_path(upload), upload.name)
    except UnsupportedMedia as error:
        cancel_upload(upload)
        raise UnsupportedMedia(f"{upload.name}: {error}") from error


@contextmanager
def _locked(upload: PartialUpload, mode: Literal["rb", "r+b"]) -> Iterator[BinaryIO]:
    """Its file, for one writer: the browser that lost a connection may be back before the server knows of it."""
    try:
        file = part_path(upload).open(mode)
    except FileNotFoundError:
        raise UploadGone("This upload is not there any more. Start it again.") from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UploadBusy(f"{upload.name}: another piece is coming in. Try again in a moment.") from None
        yield file
