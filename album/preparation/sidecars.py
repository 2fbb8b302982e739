"""The sidecars of imported files, kept in the storage so that a later preparation finds them again.

``sidecars/ab/cd/<sha256>-<owner>.xmp``: by the content they are about and by owner, since two people who have the
same photo have not the same words for it. The original stays what it is; a newer sidecar replaces the older one.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from stat import S_ISREG

from django.conf import settings

from album.disk import written_whole
from album.exceptions import MediaError
from album.media.facts import FileFacts, Origin
from album.media.inspection import inspect_file
from album.media.sandbox import Sandbox
from album.media.sidecars import SIDECARS
from album.media.sniff import HEAD_BYTES, sniff
from album.models import MediaItem
from album.preparation.rows import take_back_words

FOLDER = "sidecars"
MAX_BYTES = 10_000_000
"""A sidecar is text of some kilobytes; what is larger than this is something else."""


def sidecars_of(item: MediaItem) -> tuple[Path, ...]:
    """The kept sidecars of ``item``: at most one XMP file and one JSON file."""
    kept = (sidecar_path(item.sha256, item.owner_id, extension) for extension in SIDECARS)
    return tuple(path for path in kept if path.is_file())


def sidecar_path(sha256: str, owner_id: int, extension: str) -> Path:
    """Where the sidecar of that kind is kept, whether there is one or not."""
    return Path(settings.MEDIA_ROOT) / FOLDER / sha256[:2] / sha256[2:4] / f"{sha256}-{owner_id}{extension}"


def newer_sidecars(item: MediaItem, sidecars: Iterable[Path], *, or_older: bool = False) -> list[Path]:
    """Those of ``sidecars`` that are not kept of ``item``, or are newer than the kept ones. Raises OSError.

    ``or_older``: also older ones, which somebody put back. Copies of one photo would take turns with theirs.
    """
    return [path for path in sidecars if _is_newer(path, _kept_path(item, path), or_older)]


def keep_sidecars(item: MediaItem, sidecars: Iterable[Path]) -> None:
    """Keeps ``sidecars`` in place of older ones.

    Raises:
        OSError: one cannot be read, or the storage cannot be written.
    """
    for path in sidecars:
        stat = path.stat()
        with written_whole(_kept_path(item, path)) as part:
            shutil.copyfile(path, part)
            os.utime(part, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def take_back_stated_words(item: MediaItem, box: Sandbox) -> None:
    """Takes the words away that ``item`` has from its file and its kept sidecars; those that people wrote differ.

    Raises:
        OSError: the original cannot be read.
    """
    facts = FileFacts()
    with suppress(MediaError):  # what cannot be read has said nothing
        with item.path.open("rb") as file:
            media_type = sniff(file.read(HEAD_BYTES), item.original_name)
        facts = box.run(inspect_file, item.path, media_type, Origin(sidecars=sidecars_of(item)), None).facts
    take_back_words(item, facts)


def _kept_path(item: MediaItem, sidecar: Path) -> Path:
    return sidecar_path(item.sha256, item.owner_id, sidecar.suffix.lower())


def _is_newer(sidecar: Path, kept: Path, or_older: bool) -> bool:
    stat = sidecar.stat()
    if not S_ISREG(stat.st_mode) or stat.st_size > MAX_BYTES:
        return False
    kept_ns = kept.stat().st_mtime_ns if kept.exists() else None
    return kept_ns is None or stat.st_mtime_ns > kept_ns or (or_older and stat.st_mtime_ns != kept_ns)
