"""The sidecars of imported files, kept in the storage so that a later preparation finds them again.

``sidecars/ab/cd/<sha256>-<owner>.xmp``: by the content they are about and by owner, since two people who have the
same photo have not the same words for it. The original stays what it is; a newer sidecar replaces the older one.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path

from django.conf import settings

from album.media.sidecars import SIDECARS
from album.models import MediaItem

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


def keep_sidecars(sha256: str, owner_id: int, sidecars: Iterable[Path]) -> bool:
    """True if one of ``sidecars`` was not known, or is newer than the one that was.

    Raises:
        OSError: it cannot be read, or the storage cannot be written.
    """
    changes = [_keep(path, sidecar_path(sha256, owner_id, path.suffix.lower())) for path in sidecars]
    return any(changes)


def _keep(source: Path, target: Path) -> bool:
    stat = source.stat()
    if stat.st_size > MAX_BYTES or (target.exists() and target.stat().st_mtime_ns >= stat.st_mtime_ns):
        return False
    target.parent.mkdir(parents=True, exist_ok=True)
    descriptor, part = tempfile.mkstemp(dir=target.parent, suffix=".part")
    try:
        with os.fdopen(descriptor, "wb") as copy, source.open("rb") as file:
            shutil.copyfileobj(file, copy)
            copy.flush()
            os.fsync(copy.fileno())
        os.utime(part, ns=(stat.st_atime_ns, stat.st_mtime_ns))
        Path(part).replace(target)
    finally:
        Path(part).unlink(missing_ok=True)
    return True
