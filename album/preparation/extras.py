"""Renditions that nobody waits for: made in the background, tried a few times, never needed to show an item."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from django.db.models import F, Q

from album.exceptions import MediaError
from album.media.sandbox import DecoderCrashed, DecoderTimedOut, Sandbox
from album.models import MediaItem
from album.preparation.locks import try_lock
from album.preparation.paths import rendition_name, rendition_path
from album.preparation.prepare import MAX_ATTEMPTS, locate_original, refresh

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

    False where it cannot be made, has failed too often, or is being made elsewhere.

    Raises:
        StorageError: the storage is missing, full or broken. That does not count as an attempt.
        MediaError: the original or the row is not there any more. Nor does that.
    """
    lock = try_lock(f"{extra.column}-{item.sha256[:2]}")
    if lock is None:
        return False
    with lock:
        refresh(item)
        target = rendition_path(item, extra.name)
        if getattr(item, extra.column) and target.is_file():
            return True
        if getattr(item, extra.attempts) >= MAX_ATTEMPTS:
            return False
        source = locate_original(item)
        row = MediaItem.objects.filter(pk=item.pk)
        try:
            box.run(render, source, target)
        except MediaError as error:
            logger.warning("Item %s: no %s: %s", item.pk, extra.name, error)
            may_pass = isinstance(error, DecoderCrashed | DecoderTimedOut)
            failed = {extra.attempts: F(extra.attempts) + 1 if may_pass else MAX_ATTEMPTS}
            row.update(**failed, **({extra.problem: str(error)} if extra.problem else {}))
            return False
        row.update(**{extra.column: rendition_name(item, extra.name)})
        return True
