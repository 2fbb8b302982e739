"""Removing what was never finished, and renditions that nobody refers to. An original is never removed here."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from django.conf import settings
from django.utils import timezone

from album.models import MediaItem, PartialUpload
from album.preparation.paths import RENDITIONS
from album.services.spool import PART

_CONTENT = re.compile(r"[0-9a-f]{64}")


@dataclass(slots=True)
class CleanupTotals:
    """What was removed, or would be, relative to the folder of the storage where it lies in it."""

    incomplete: list[str] = field(default_factory=list)
    renditions: list[str] = field(default_factory=list)
    size_bytes: int = 0


def clean_up(*, before: datetime, incomplete_only: bool, is_dry_run: bool = False) -> CleanupTotals:
    """The totals after files of uploads and renditions that were left unfinished ``before`` then were removed.

    Unless ``incomplete_only``, the renditions of items that are gone are removed as well.

    Raises:
        OSError: a folder cannot be read or written.
    """
    totals = CleanupTotals()
    for path in _older(_incomplete(), before):
        totals.incomplete.append(_shown(path))
        totals.size_bytes += _size_bytes(path)
        if is_dry_run:
            continue
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    if not is_dry_run:
        PartialUpload.objects.filter(expires_at__lt=timezone.now()).delete()
    if not incomplete_only:
        for folder in _older(_unreferenced(), before):
            totals.renditions.append(_shown(folder))
            totals.size_bytes += _size_bytes(folder)
            if not is_dry_run:
                shutil.rmtree(folder)
    return totals


def _older(paths: Iterable[Path], before: datetime) -> Iterator[Path]:
    for path in paths:
        with suppress(FileNotFoundError):  # its upload has ended since
            if path.stat().st_mtime < before.timestamp():
                yield path


def _incomplete() -> Iterator[Path]:
    """Files that get another name once they are whole, what Django spools, and copies for one answer."""
    for parent, _, names in os.walk(settings.MEDIA_ROOT):
        yield from (Path(parent, name) for name in names if name.endswith(PART))
    spool = Path(settings.FILE_UPLOAD_TEMP_DIR)
    yield from (path for path in spool.glob("*") if path.is_file())
    yield from spool.glob("unlocated-*/")  # each is gone with its answer, unless that was killed


def _unreferenced() -> Iterator[Path]:
    """Folders of renditions without an item of that content."""
    for first in Path(settings.MEDIA_ROOT, RENDITIONS).glob("[0-9a-f][0-9a-f]"):
        folders = [path for path in first.glob("*/*") if path.is_dir() and _CONTENT.fullmatch(path.name)]
        # "g" follows every digit: all contents that begin like this folder.
        rows = MediaItem.objects.filter(sha256__gt=first.name, sha256__lt=f"{first.name}g")
        known = set(rows.values_list("sha256", flat=True))
        yield from (path for path in folders if path.name not in known)


def _size_bytes(path: Path) -> int:
    """Of a file, or of the files in a folder."""
    return sum(each.stat().st_size for each in (path.iterdir() if path.is_dir() else (path,)))


def _shown(path: Path) -> str:
    root = Path(settings.MEDIA_ROOT)
    return str(path.relative_to(root) if path.is_relative_to(root) else path)
