"""Indexing files where they lie. The rows follow the files; no file is ever written, moved or removed."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from album.disk import hash_file
from album.exceptions import MediaError, StorageError
from album.media.facts import FileFacts
from album.models import MediaItem, Preview, StageResult, Status
from album.models.media import edited_columns, wall_clock
from album.preparation.rows import take_back_words
from album.preparation.sidecars import sidecars_of
from album.services.folders import Folder
from album.services.ingest import clean_name
from album.services.verdicts import Content, Outcome, Verdict, find_item, sniff_file


@dataclass(frozen=True, slots=True)
class Place:
    """Where a row says that its file lies, and by what it knows that file again without reading it."""

    pk: int
    size_bytes: int
    modified_ns: int | None
    is_settled: bool = False

    def holds(self, path: Path) -> bool:
        try:
            stat = path.stat()
        except OSError:
            return False
        return (stat.st_size, stat.st_mtime_ns) == (self.size_bytes, self.modified_ns)


class Indexing:
    """Takes files as they lie: known by path, size and time without reading them, else by content.

    What is left of ``places`` in the end are files that were not met.
    """

    def __init__(self, owner: User, places: dict[str, Place]) -> None:
        self.owner, self.places = owner, places

    def judge(self, path: Path) -> Verdict:
        """Raises MediaError and OSError: the file cannot be taken."""
        path = _behind_link(path)
        if not _fits_into_a_row(path):
            raise MediaError("its path is not valid UTF-8. Rename it, or import without --in-place.")
        place = self.places.pop(str(path), None)
        if place is not None and place.holds(path):
            if place.is_settled:
                return Verdict(Outcome.KNOWN, settled_id=place.pk)
            item = MediaItem.objects.filter(pk=place.pk, source_path=str(path)).first()
            if item is not None:
                return Verdict(Outcome.IN_TRASH if item.trashed_at else Outcome.KNOWN, item)
        content = _read(path)
        twin = find_item(self.owner, content.sha256)
        if twin is not None:
            return Verdict(self._judge_twin(path, twin), twin, content)
        item = MediaItem.objects.filter(pk=place.pk, trashed_at=None).first() if place else None
        return Verdict(Outcome.CHANGED if item else Outcome.NEW, item, content)

    def _judge_twin(self, path: Path, twin: MediaItem) -> Outcome:
        """Of a row with the same content: is this another copy of its file, or the file itself elsewhere?"""
        if twin.trashed_at:
            return Outcome.IN_TRASH
        if not twin.source_path or twin.source_path == str(path):
            return Outcome.KNOWN
        if Place(twin.pk, twin.size_bytes, twin.source_modified_ns).holds(twin.path):
            return Outcome.KNOWN
        self.places.pop(twin.source_path, None)
        return Outcome.MOVED

    def take(self, path: Path, verdict: Verdict) -> MediaItem:
        """The row after it was written as ``verdict`` says."""
        path = _behind_link(path)
        item, content = verdict.item, verdict.content
        if verdict.settled_id is not None:
            return _load(verdict.settled_id)
        if item is None:
            assert content is not None  # noqa: S101 - for mypy: what is new was read
            try:
                with transaction.atomic():
                    values = _new_values(path, content)
                    return MediaItem.objects.create(owner=self.owner, sha256=content.sha256, **values)
            except IntegrityError:  # an upload was quicker
                return MediaItem.objects.get(owner=self.owner, sha256=content.sha256)
        if content is None:
            return item
        if verdict.outcome is Outcome.CHANGED:
            sidecars = sidecars_of(item)
            _begin_anew(item)
            values, edited = _new_values(path, content) | _forgotten(content), edited_columns(item.edited_fields)
            _write(item, {name: value for name, value in values.items() if name not in edited})
            for sidecar in sidecars:  # of a content that its owner has no more
                sidecar.unlink(missing_ok=True)
            take_back_words(item, FileFacts())
        elif item.source_path == str(path) or verdict.outcome is Outcome.MOVED:
            _write(item, {"source_path": str(path), "source_modified_ns": content.modified_ns})
        return item


def places_below(owner: User, root: Path) -> dict[str, Place]:
    """The files that the album knows below ``root``, by path."""
    if not _fits_into_a_row(root):
        return {}
    rows = MediaItem.objects.filter(owner=owner, source_path__startswith=f"{root}/")
    # SQLite compares the beginnings of texts without regard to case.
    return {path: place for path, place in _places(rows) if path.startswith(f"{root}/")}


def places_of(owner: User, paths: Iterable[Path]) -> dict[str, Place]:
    """The same for some paths."""
    rows = MediaItem.objects.filter(
        owner=owner, source_path__in=[str(path) for path in paths if _fits_into_a_row(path)]
    )
    return dict(_places(rows))


def _places(rows: QuerySet[MediaItem]) -> Iterator[tuple[str, Place]]:
    columns = ("source_path", "pk", "size_bytes", "source_modified_ns", "preview_status", "trashed_at")
    for path, pk, size_bytes, modified_ns, preview, trashed_at in rows.values_list(*columns).iterator():
        yield path, Place(pk, size_bytes, modified_ns, preview != Preview.WAITING and trashed_at is None)


def refuse_missing_storage(root: Path, places: dict[str, Place]) -> None:
    """Returns where the folder is there: it holds a known file, be it elsewhere than before, or none is known.

    Raises:
        StorageError: the disk is not mounted, or another one is in its place. Nothing was changed.
    """
    if not places or any(Path(path).exists() for path in places):
        return
    known = {(place.size_bytes, place.modified_ns) for place in places.values()}
    if not any(key in known for key in _sizes_and_times(root)):
        raise StorageError(
            f"{root}: storage missing: none of the {len(places)} files that the album knows there is there. "
            "Nothing was changed. Mount the disk and retry."
        )


def _sizes_and_times(root: Path) -> Iterator[tuple[int, int]]:
    if not root.is_dir():
        return
    for found in Folder(root):
        stat = found.path.lstat()
        yield stat.st_size, stat.st_mtime_ns


def _load(pk: int) -> MediaItem:
    try:
        return MediaItem.objects.get(pk=pk)
    except MediaItem.DoesNotExist:
        raise MediaError("its item was deleted meanwhile. Import again.") from None


def _behind_link(path: Path) -> Path:
    """Where the file itself lies: originals are opened without following links, which others could bend."""
    # Path.resolve() raises RuntimeError for a link to itself.
    return Path(os.path.realpath(path)) if path.is_symlink() else path


def _fits_into_a_row(path: Path) -> bool:
    """False for names that are not valid UTF-8, which file systems allow and databases do not."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True


def _read(path: Path) -> Content:
    """The content of a file that did not change while it was read."""
    media_type, before = sniff_file(path), path.stat()
    if not -(2**63) <= before.st_mtime_ns < 2**63:  # what a column takes
        raise MediaError(
            "its time is outside of the years 1678 to 2262. Set it (touch), or import without --in-place."
        )
    content = Content(hash_file(path), media_type, before.st_size, before.st_mtime_ns)
    after = path.stat()
    if (after.st_size, after.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
        raise MediaError("it is being written. Import again when that is done.")
    return content


def _new_values(path: Path, content: Content) -> dict[str, Any]:
    modified_at = datetime.fromtimestamp(content.modified_ns / 1e9, UTC)
    return {
        "kind": content.media_type.kind,
        "mime_type": content.media_type.mime,
        "size_bytes": content.size_bytes,
        "original_name": clean_name(path.name),
        "source_path": str(path),
        "source_modified_ns": content.modified_ns,
        "file_modified_at": modified_at,
        "timeline_at": wall_clock(modified_at),
    }


def _forgotten(content: Content) -> dict[str, Any]:
    """What a program made of the old content is to be made of the new one. Words of people stay."""
    return {
        "sha256": content.sha256,
        "prepared_at": None,
        "prepare_attempts": 0,
        "preview_status": Preview.WAITING,
        "image_avif": "",
        "avif_attempts": 0,
        "video_proxy": "",
        "proxy_attempts": 0,
        "proxy_problem": "",
        "processing_status": Status.PENDING,
        "clip_of": None,
    }


def _begin_anew(item: MediaItem) -> None:
    """Every stage is to be done again; a run that holds the item now looks at the old picture, and loses it."""
    reset = {"state": Status.PENDING, "run": None, "attempts": 0, "error": "", "lease_expires_at": None}
    StageResult.objects.filter(item=item).update(**reset)


def _write(item: MediaItem, values: dict[str, Any]) -> None:
    MediaItem.objects.filter(pk=item.pk).update(**values)
    for name, value in values.items():
        setattr(item, name, value)
