"""A folder of photos and videos, copied into the album as pending items."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from hashlib import file_digest
from pathlib import Path

from django.contrib.auth.models import User

from album.exceptions import AlbumError, StorageError, UnsupportedMedia
from album.models import Album, MediaItem
from album.services.ingest import ingest_upload

SKIPPED_FOLDERS = {"@eaDir", "#recycle", "$RECYCLE.BIN", "System Volume Information"}
"""Folders in which file servers and file systems keep their own pictures and waste."""


@dataclass(slots=True)
class ImportTotals:
    """What became of the files of a folder; each refused one with its reason."""

    imported: int = 0
    known: int = 0
    unsupported: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    @property
    def total(self) -> int:
        return self.imported + self.known + len(self.unsupported) + len(self.failed)


def import_folder(
    *,
    owner: User,
    folder: Path,
    album: Album | None = None,
    progress: Callable[[Path, ImportTotals], None] = lambda path, totals: None,
) -> ImportTotals:
    """The totals after every file below ``folder`` was copied, found known by its content, or refused.

    Hidden files and links to folders are not followed. ``progress`` is called after each file. The folder is
    only read. Doing it again imports what is new.

    Raises:
        AlbumError: ``folder`` cannot be read.
        StorageError: the disk is full or fails; what was imported before stays.
    """
    totals = ImportTotals()
    for path in list_files(folder):
        try:
            is_new = _import_file(owner, path, album)
        except StorageError:
            raise
        except UnsupportedMedia as error:
            totals.unsupported.append(_name_in(folder, path, error))
        except (AlbumError, OSError) as error:
            totals.failed.append(_name_in(folder, path, error))
        else:
            totals.imported += is_new
            totals.known += not is_new
        progress(path, totals)
    return totals


def list_files(folder: Path) -> Iterator[Path]:
    """The files below ``folder``, hidden ones left out, in the order of their names."""
    if not folder.is_dir():
        fault = "is not a folder" if folder.exists() else "there is no such folder"
        raise AlbumError(f"{folder}: {fault}. Check the path.")

    def refuse(error: OSError) -> None:
        if error.filename == str(folder):
            raise AlbumError(f"{folder}: cannot be read ({error.strerror}). Check its permissions.") from error

    for parent, folders, names in os.walk(folder, onerror=refuse):
        folders[:] = sorted(name for name in folders if name[0] != "." and name not in SKIPPED_FOLDERS)
        yield from (Path(parent, name) for name in sorted(names) if name[0] != ".")


def _import_file(owner: User, path: Path, album: Album | None) -> bool:
    """True if it was new. A known file is read once and not written again, which spares SD cards."""
    if not path.is_file():
        raise UnsupportedMedia(f"{path.name}: not a file.")
    with path.open("rb") as file:
        sha256 = file_digest(file, "sha256").hexdigest()
        known = MediaItem.objects.filter(owner=owner, sha256=sha256).first()
        if known is not None and Path(known.original.path).is_file():
            if album is not None:
                album.items.add(known)
            return False
        file.seek(0)
        return ingest_upload(owner=owner, file=file, name=path.name, album=album).is_new


def _name_in(folder: Path, path: Path, error: Exception) -> str:
    """The reason, led by the path within the folder: names repeat in other folders."""
    relative = str(path.relative_to(folder))
    return f"{relative}: {str(error).removeprefix(path.name).removeprefix(': ').strip()}"
