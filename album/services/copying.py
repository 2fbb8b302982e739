"""Copying files into the storage, each content once."""

from __future__ import annotations

import os
from pathlib import Path

from django.contrib.auth.models import User

from album.disk import hash_file, moment_of_file
from album.exceptions import MediaError
from album.models import MediaItem
from album.services.ingest import CHUNK_BYTES, Spool, ingest_spooled
from album.services.verdicts import Outcome, Verdict, find_item, holds, sniff_file


class Copying:
    """Takes files as uploads of ``owner``; what is known is read once and not written again."""

    def __init__(self, owner: User, sizes: set[int] | None = None) -> None:
        """Of files with none of these ``sizes`` it is certain that they are new: they need no first reading."""
        self.owner, self.sizes = owner, sizes

    def judge(self, path: Path) -> Verdict:
        """Raises MediaError and OSError: the file cannot be taken."""
        sniff_file(path)
        if self.sizes is not None and path.stat().st_size not in self.sizes:
            return Verdict(Outcome.NEW)
        item = find_item(self.owner, hash_file(path))
        if item is None:
            return Verdict(Outcome.NEW)
        if item.trashed_at:
            return Verdict(Outcome.IN_TRASH, item)
        return Verdict(Outcome.KNOWN, item) if _is_kept(item, path) else Verdict(Outcome.NEW)

    def take(self, path: Path, verdict: Verdict) -> MediaItem:
        """Raises AlbumError and OSError: the file was not taken."""
        if verdict.item is not None:
            return verdict.item
        with path.open("rb") as file, Spool.open(path.name) as spool:
            while chunk := file.read(CHUNK_BYTES):
                spool.write(chunk)
            spooled, stat = spool.finish(), os.fstat(file.fileno())
            if stat.st_size != spooled.size_bytes:
                raise MediaError("it is being written. Import again when that is done.")
            modified_at = moment_of_file(stat.st_mtime_ns)
            item = ingest_spooled(owner=self.owner, spooled=spooled, modified_at=modified_at).item
        if self.sizes is not None:
            self.sizes.add(item.size_bytes)
        return item


def _is_kept(item: MediaItem, path: Path) -> bool:
    """Whether the original is in the storage, and whole, or is ``path`` itself, indexed in place."""
    if item.source_path:
        return item.source_path == str(path)
    return holds(item.path, item.sha256, item.size_bytes)


def known_sizes(owner: User) -> set[int]:
    """The sizes in bytes of all files that ``owner`` has in the album."""
    return set(MediaItem.objects.filter(owner=owner).values_list("size_bytes", flat=True))
