"""From a stream of bytes to a hashed, synced file beside the originals that has not got its final name yet."""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Self

from django.conf import settings
from django.db import OperationalError

from album.disk import sync
from album.exceptions import MediaError, StorageError, StorageFull, UnsupportedMedia
from album.failpoints import failpoint
from album.media.sniff import HEAD_BYTES, MediaType, sniff
from album.media.storage import is_marked, mark
from album.models import MediaItem

ORIGINALS = "originals"
PART = ".part"
NAME_MAX_LENGTH = 255
FULL_DISK = {errno.ENOSPC, errno.EDQUOT}
POSTGRESQL_DISK_FULL = "53100"
"""Source: PostgreSQL's table of error codes."""
ORIGINAL_MODE = 0o440
"""Nobody writes to an original again, not even by accident."""


@dataclass(frozen=True, slots=True)
class Spooled:
    """A complete, synced file at ``path``; ``place`` gives it its final name."""

    path: Path
    name: str
    sha256: str
    size_bytes: int
    media_type: MediaType


class Spool:
    """One incoming file, written and hashed as it comes; what is left of it goes away with the ``with`` block.

    The type is told by the first bytes, before anything is on the disk. Each method raises, in words that begin
    with the file's name, and leaves nothing behind then:

    - UnsupportedMedia: the content is no photo or video that the album takes.
    - MediaError: the file is larger than the setting ``UPLOAD_MAX_MB``, or ``<limit>_MB``, allows.
    - StorageFull, StorageError: the disk is full, not there, or fails.
    """

    def __init__(self, name: str, limit: str = "UPLOAD_MAX") -> None:
        self.name, self._limit = clean_name(name), limit
        self._head = b""
        self._digest = hashlib.sha256()
        self._size_bytes = 0
        self._media_type: MediaType | None = None
        self._path: Path | None = None
        self._file: BinaryIO | None = None

    @classmethod
    def open(cls, name: str, limit: str = "UPLOAD_MAX") -> Spool:
        """A spool for a file of this name, if the storage is there."""
        spool = cls(name, limit)
        with storage_errors(spool.name):
            prepare_storage(spool.name)
        return spool

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.discard()

    def write(self, chunk: bytes) -> None:
        """Takes the next bytes."""
        with self._nothing_left_behind():
            if self._file is None:
                self._head += chunk
                if len(self._head) >= HEAD_BYTES:
                    self._append(self._begin())
                    failpoint("upload-begun")
            else:
                self._append(chunk)

    def finish(self) -> Spooled:
        """The whole file, durable."""
        with self._nothing_left_behind():
            if self._file is None:
                self._append(self._begin())
            assert self._file is not None and self._path is not None and self._media_type is not None  # noqa: S101 - for mypy
            self._file.flush()
            failpoint("upload-written")
            os.fsync(self._file.fileno())
            self._file.close()
            failpoint("upload-synced")
            return Spooled(self._path, self.name, self._digest.hexdigest(), self._size_bytes, self._media_type)

    def discard(self) -> None:
        """Removes what is on the disk, unless it has got its final name."""
        if self._file is not None:
            with suppress(OSError):  # a full disk refuses the last bytes once more
                self._file.close()
        if self._path is not None:
            self._path.unlink(missing_ok=True)

    @contextmanager
    def _nothing_left_behind(self) -> Iterator[None]:
        try:
            with storage_errors(self.name):
                yield
        except BaseException:
            self.discard()
            raise

    def _begin(self) -> bytes:
        """The first bytes, after they told the type and the file was made."""
        if not self._head:
            raise UnsupportedMedia(f"{self.name}: the file is empty. Check the copy on your device.")
        try:
            self._media_type = sniff(self._head[:HEAD_BYTES], self.name)
        except UnsupportedMedia as error:
            raise UnsupportedMedia(f"{self.name}: {error}") from error
        path = Path(settings.MEDIA_ROOT, ORIGINALS, secrets.token_hex(16) + PART)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, ORIGINAL_MODE)
        self._path, self._file = path, os.fdopen(descriptor, "wb")
        head, self._head = self._head, b""  # a request may hold hundreds of finished spools
        return head

    def _append(self, chunk: bytes) -> None:
        self._size_bytes += len(chunk)
        max_bytes = getattr(settings, f"{self._limit}_BYTES")
        if self._size_bytes > max_bytes:
            words = f"larger than {max_bytes // 1_000_000} MB. An administrator may raise {self._limit}_MB."
            raise MediaError(f"{self.name}: {words}")
        assert self._file is not None  # noqa: S101 - for mypy
        self._file.write(chunk)
        self._digest.update(chunk)


def place(part: Path, target: Path) -> None:
    """Gives a synced file its final name and makes that name durable, the folders made for it included."""
    changed = [target.parent]
    while not changed[-1].is_dir():
        changed.append(changed[-1].parent)
    target.parent.mkdir(parents=True, exist_ok=True)
    part.replace(target)
    for folder in changed:
        sync(folder)


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
def storage_errors(name: str, left: str = "nothing was kept") -> Iterator[None]:
    """Failures of disk and database, within the block, in words about ``name`` and what is ``left`` of the work."""
    try:
        yield
    except (OSError, OperationalError) as error:
        if _is_full(error):
            raise StorageFull(f"{name}: storage full, {left}. Free some space and retry.") from error
        if isinstance(error, OSError):
            reason = error.strerror or str(error)
            raise StorageError(f"{name}: the disk failed ({reason}), {left}. Check it and retry.") from error
        raise StorageError(f"{name}: the database failed ({error}), {left}. Retry later.") from error


def _is_full(error: OSError | OperationalError) -> bool:
    if isinstance(error, OSError):
        return error.errno in FULL_DISK
    cause = error.__cause__
    if isinstance(cause, sqlite3.OperationalError):
        return cause.sqlite_errorcode == sqlite3.SQLITE_FULL
    return getattr(cause, "sqlstate", None) == POSTGRESQL_DISK_FULL


def prepare_storage(name: str) -> None:
    """Returns when files may be written: an empty library gets its marker, a missing disk is an error."""
    storage = Path(settings.MEDIA_ROOT)
    if not is_marked(storage):
        if MediaItem.objects.exists() and not is_marked(storage):  # the first upload may have been made meanwhile
            raise StorageError(f"{name}: storage missing: {storage} is not mounted, nothing was kept.")
        mark(storage)
    (storage / ORIGINALS).mkdir(exist_ok=True)
