"""The originals: where one lies, what it is, what lies beside it, and what it means when it is not there."""

from __future__ import annotations

import os
from collections.abc import Iterator, Set
from pathlib import Path

from django.conf import settings

from album.exceptions import MediaError, UnsupportedMedia
from album.media.sidecars import find_sidecars
from album.media.sniff import HEAD_BYTES, MediaType, sniff
from album.media.storage import require_mark
from album.models import MediaItem
from album.models.media import Kind
from album.preparation.sidecars import sidecars_of


class OriginalAway(MediaError):
    """The disk or share on which the original was indexed is not mounted: no fault of the item, which waits."""


class OriginalMissing(MediaError):
    """The original is not where it was, or not the same any more, though its neighbors are there."""


def locate_original(item: MediaItem) -> Path:
    """Where the original lies, as it was stored or indexed.

    Raises:
        StorageError: the whole storage is missing.
        OriginalAway: the folder in which it was indexed is.
        OriginalMissing: the file is, or it is not the one that was indexed.
    """
    path = item.path
    if not item.source_path:
        require_mark(Path(settings.MEDIA_ROOT))
        if not path.is_file():
            raise OriginalMissing(
                f"the original {item.original.name} is missing from the storage. Upload it again."
            )
        return path
    try:
        stat = path.lstat()
    except OSError as error:
        if not _is_mounted(path.parent):
            raise OriginalAway(f"storage missing: {path.parent} is not mounted. Mount it, this waits.") from error
        raise OriginalMissing(f"the original {path} is missing ({error.strerror}). Put it back.") from error
    if (stat.st_size, stat.st_mtime_ns) != (item.size_bytes, item.source_modified_ns):
        raise OriginalMissing(f"the original {path} has changed since it was indexed. Import its folder again.")
    return path


def _is_mounted(folder: Path) -> bool:
    """False of a folder that is empty or gone, as that of an unmounted disk is."""
    try:
        return any(folder.iterdir())
    except OSError:
        return False


def sniff_original(item: MediaItem, path: Path) -> MediaType:
    """By content, as the names in a folder that was indexed in place say little. Raises MediaError: unreadable."""
    try:
        with path.open("rb") as file:
            return sniff(file.read(HEAD_BYTES), item.original_name)
    except UnsupportedMedia:
        return MediaType("video" if item.kind == Kind.VIDEO else "photo", item.mime_type, path.suffix.lower())
    except OSError as error:
        raise MediaError(f"the original {path.name} cannot be read ({error.strerror})") from error


def sidecars_for(item: MediaItem, path: Path) -> tuple[Path, ...]:
    """Those beside an original that was indexed in place, or those that were kept of an imported one."""
    return find_sidecars(path, _FilesIn(path.parent)) if item.source_path else sidecars_of(item)


class _FilesIn(Set[str]):
    """The names of the files in a folder, each looked up when it is asked for: a folder may hold many others."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __bool__(self) -> bool:
        return True

    def __contains__(self, name: object) -> bool:
        return os.path.isfile(self.folder / str(name))  # noqa: PTH113 - Path's own raises if the name is too long

    def __iter__(self) -> Iterator[str]:
        return (path.name for path in self.folder.iterdir() if path.is_file())

    def __len__(self) -> int:
        return sum(1 for _ in self)
