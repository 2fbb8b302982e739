"""Originals without a row: what an interruption between file and row, or an older database, leaves behind."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.contrib.auth.models import User

from album.disk import hash_file, moment_of_file, printable
from album.exceptions import UnsupportedMedia
from album.media.sniff import HEAD_BYTES, MediaType, sniff
from album.media.storage import content_lock
from album.models import MediaItem
from album.services.ingest import find_album, ingest_spooled
from album.services.spool import ORIGINALS, PART, Spooled

RECOVERED = "Recovered"
PART_AGE = timedelta(hours=24)
_ORIGINAL = re.compile(r"([0-9a-f]{64})(\.[a-z0-9]+)?")


@dataclass(slots=True)
class Orphans:
    """Files without a row: those that got one, and those that a person should look at, with the reason."""

    adopted: list[str] = field(default_factory=list)
    strays: list[str] = field(default_factory=list)
    is_complete: bool = True


def check_orphans(*, owner: User | None, deadline: float = float("inf"), adopts: bool = True) -> Orphans:
    """What was found among the originals. Whole ones now belong to ``owner``, in the album "Recovered".

    Nothing is deleted or renamed. ``deadline`` is a time of ``time.monotonic()``. Unless it ``adopts``, nothing is
    written or read either: files without a row are only listed.

    Raises:
        StorageError: disk or database failed.
    """
    orphans = Orphans()
    for path in _files_without_row():
        if time.monotonic() > deadline:
            orphans.is_complete = False
            break
        relative = path.relative_to(settings.MEDIA_ROOT)
        try:
            item = _adopt(path, str(relative), owner, adopts=adopts)
        except FileNotFoundError:  # an upload that has ended or failed since
            continue
        except OSError as error:
            orphans.strays.append(f"{printable(relative)}: cannot be read ({error.strerror}). Check the disk.")
        except _Stray as reason:
            orphans.strays.append(f"{printable(relative)}: {reason}")
        else:
            if item is not None:
                orphans.adopted.append(f"{relative}: is item {item.pk} of {item.owner} now, in {RECOVERED}")
    return orphans


class _Stray(Exception):
    """Why a file cannot become an item."""


def _files_without_row() -> Iterator[Path]:
    root = Path(settings.MEDIA_ROOT, ORIGINALS)
    if not root.is_dir():
        return
    for entry in sorted(root.iterdir()):
        # First the files, then the rows: a file whose row is committed in between has one.
        files = [entry] if entry.is_file() else _files_below(entry)
        # "g" follows every digit: all contents that begin like this folder. No database is asked for broken UTF-8.
        start = printable(Path(entry.name[:2]))
        rows = MediaItem.objects.filter(sha256__gt=start, sha256__lt=f"{start}g")
        known = set(rows.exclude(original="").values_list("original", flat=True)) if files else set()
        yield from (path for path in files if str(path.relative_to(settings.MEDIA_ROOT)) not in known)


def _files_below(folder: Path) -> list[Path]:
    return sorted(Path(parent, name) for parent, _, names in os.walk(folder) for name in names)


def _adopt(path: Path, relative: str, owner: User | None, *, adopts: bool) -> MediaItem | None:
    """The new item; None if the file is that of an upload under way. Raises _Stray and OSError."""
    stat = path.stat()
    if path.suffix == PART:
        if time.time() - stat.st_mtime < PART_AGE.total_seconds():
            return None
        raise _Stray("left by an upload that was interrupted. cleanup_orphaned_photos removes it.")
    sha256 = _stated_sha256(path, relative)
    with content_lock(Path(settings.MEDIA_ROOT), sha256):
        # An upload holds this lock until its row is there.
        if MediaItem.objects.filter(original=relative).exists():
            return None
    if not adopts:
        raise _Stray("belongs to no item. To make one of it, run: manage.py fsck")
    if hash_file(path) != sha256:
        raise _Stray("cut off or damaged: its content is not what its name says. It was not adopted.")
    if owner is None:
        raise _Stray("belongs to no item, and no admin is there to get it. Run: fsck --owner NAME")
    known = MediaItem.objects.filter(owner=owner, sha256=sha256).first()
    if known is not None:
        raise _Stray(f"a second copy of item {known.pk} of {owner}, which lies at {known.path}.")
    name = f"recovered-{sha256[:8]}{path.suffix}"
    spooled = Spooled(path, name, sha256, stat.st_size, _media_type(path))
    modified_at = moment_of_file(stat.st_mtime_ns)
    album = find_album(owner, RECOVERED)
    return ingest_spooled(owner=owner, spooled=spooled, album=album, modified_at=modified_at).item


def _stated_sha256(path: Path, relative: str) -> str:
    """The content that the file has by its name, where files of such names lie."""
    name = _ORIGINAL.fullmatch(path.name)
    if name is None or not name[1].startswith("".join(Path(relative).parts[1:-1])):
        raise _Stray("no original of this album. Move it away, and import it if it is a photo.")
    return name[1]


def _media_type(path: Path) -> MediaType:
    """Its type, with the extension that it has: adopting renames nothing."""
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    try:
        return replace(sniff(head, path.name), extension=path.suffix)
    except UnsupportedMedia as error:
        raise _Stray(str(error)) from error
