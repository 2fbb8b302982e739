"""Renditions that nobody waits for: made in the background, tried a few times, never needed to show an item."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.db.models import F, Q

from album.exceptions import AlbumError, MediaError
from album.log_fields import about
from album.media.sandbox import DecoderCrashed, DecoderTimedOut, Sandbox, StorageAway
from album.media.storage import require_mark
from album.models import MediaItem
from album.preparation.locks import try_lock
from album.preparation.originals import OriginalAway, OriginalMissing, locate_original
from album.preparation.paths import rendition_name, rendition_path
from album.preparation.prepare import MAX_ATTEMPTS, refresh

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Extra:
    """The file ``name``, named in ``column``; ``attempts`` counts how often making it failed."""

    name: str
    column: str
    attempts: str
    problem: str = ""
    """The column for the reason of a failure, if there is one."""

    def is_missing(self) -> Q:
        """Items that have none, and for which it has not failed too often."""
        return Q(**{self.column: "", f"{self.attempts}__lt": MAX_ATTEMPTS, "trashed_at": None})


def make_extra(item: MediaItem, extra: Extra, box: Sandbox, render: Callable[[Path, Path], None]) -> bool:
    """True if the file is there, made now by ``render(source, target)`` in the box or before.

    False where it cannot be made, has failed too often, or is being made elsewhere. An original that is missing
    itself counts as a failure.

    Raises:
        StorageError: the storage is missing, full or broken. That does not count as an attempt.
        OriginalAway: the disk of the original is. Nor does that.
        MediaError: the row is not there any more.
    """
    lock = try_lock(f"{extra.column}-{item.sha256[:2]}")
    if lock is None:
        return False
    with lock:
        refresh(item)
        target, name = rendition_path(item, extra.name), rendition_name(item, extra.name)
        row = MediaItem.objects.filter(pk=item.pk, sha256=item.sha256)  # the file may change while this takes hours
        if target.is_file():  # be it made for somebody else who has the same content
            if getattr(item, extra.column) != name:
                row.update(**{extra.column: name})
            return True
        if getattr(item, extra.attempts) >= MAX_ATTEMPTS:
            return False
        require_mark(Path(settings.MEDIA_ROOT))
        try:
            _render(item, target, box, render)
        except OriginalAway:
            raise
        except (MediaError, StorageAway) as error:
            logger.warning("Item %s: no %s: %s", item.pk, extra.name, error, extra=about(item.pk))
            row.update(**_failure(extra, error))
            return False
        row.update(**{extra.column: name})
        return True


def _render(item: MediaItem, target: Path, box: Sandbox, render: Callable[[Path, Path], None]) -> None:
    source = locate_original(item)
    try:
        box.run(render, source, target)
    except (MediaError, StorageAway):
        locate_original(item)  # raises if it went away meanwhile: no verdict on the file
        raise


def _failure(extra: Extra, error: AlbumError) -> dict[str, object]:
    """The columns that tell of it: what may pass is tried again."""
    may_pass = isinstance(error, DecoderCrashed | DecoderTimedOut | OriginalMissing | StorageAway)
    attempts = F(extra.attempts) + 1 if may_pass else MAX_ATTEMPTS
    return {extra.attempts: attempts} | ({extra.problem: str(error)} if extra.problem else {})
