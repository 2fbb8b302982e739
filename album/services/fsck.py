"""Reading the library again: are the originals there, and are they still what came in? Deletes nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.contrib.auth.models import User
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from album.disk import hash_file
from album.exceptions import MediaError
from album.media.renditions import GRID, PREVIEW
from album.media.storage import is_marked, require_mark
from album.models import MediaItem, Preview
from album.preparation.avif import AVIF
from album.preparation.originals import OriginalAway, OriginalMissing, locate_original
from album.preparation.paths import rendition_path
from album.preparation.prepare import ensure_rendition
from album.preparation.proxies import VIDEO_PROXY
from album.services.orphans import check_orphans
from album.services.spool import storage_errors

TRUSTED_FOR = timedelta(days=30)
"""An incremental check does not read an original again before that."""
GROUP, GROUP_S = 50, 10.0
"""Checked originals are marked in groups of so many, or after so many seconds: what a killed check does again."""


@dataclass(frozen=True, slots=True)
class FsckOptions:
    """``owner`` gets originals without a row, by default the first site admin; or they are only listed."""

    is_incremental: bool = False
    time_limit: timedelta | None = None
    repairs_renditions: bool = True
    adopts_orphans: bool = True
    owner: User | None = None


@dataclass(slots=True)
class FsckReport:
    """``findings`` want a person and ``mended`` tells what was done, each led by the item or file it is about."""

    checked: int = 0
    size_bytes: int = 0
    findings: list[str] = field(default_factory=list)
    mended: list[str] = field(default_factory=list)
    is_complete: bool = True


@storage_errors("fsck", "what was read before is marked")
def check_library(
    options: FsckOptions, *, progress: Callable[[int], object] = lambda size_bytes: None
) -> FsckReport:
    """What was found. ``progress`` is called with the size of each checked original, in bytes.

    First files without a row, then the originals, those first whose last check is longest ago. Each whole one is
    marked, so that the next incremental check goes on where this one was stopped or killed.

    Raises:
        StorageError: the storage is missing, or disk or database failed. What was marked before stays so.
    """
    report, root = FsckReport(), Path(settings.MEDIA_ROOT)
    limit_s = float("inf") if options.time_limit is None else options.time_limit.total_seconds()
    deadline = time.monotonic() + limit_s
    if MediaItem.objects.exists():
        require_mark(root)
    if is_marked(root):
        owner = options.owner or User.objects.filter(is_superuser=True, is_active=True).order_by("pk").first()
        orphans = check_orphans(owner=owner, deadline=deadline, adopts=options.adopts_orphans)
        report.mended, report.findings, report.is_complete = orphans.adopted, orphans.strays, orphans.is_complete
    whole: list[int] = []
    marked_at = time.monotonic()
    try:
        for item in _items(due_items(is_incremental=options.is_incremental)):
            if time.monotonic() > deadline:
                report.is_complete = False
                break
            if _check_item(item, report, repairs_renditions=options.repairs_renditions):
                whole.append(item.pk)
            progress(item.size_bytes)
            if len(whole) >= GROUP or time.monotonic() - marked_at > GROUP_S:
                _mark(whole)
                marked_at = time.monotonic()
    finally:
        _mark(whole)
    return report


def due_items(*, is_incremental: bool) -> QuerySet[MediaItem]:
    """What a check reads, in its order; the trash too, since it may be restored."""
    items = MediaItem.objects.order_by(F("verified_at").asc(nulls_first=True), "pk")
    if not is_incremental:
        return items
    return items.filter(Q(verified_at=None) | Q(verified_at__lt=timezone.now() - TRUSTED_FOR))


def _items(due: QuerySet[MediaItem]) -> Iterator[MediaItem]:
    """The rows as they are when their turn comes: a check may take a night."""
    ids = list(due.values_list("pk", flat=True))
    for start in range(0, len(ids), GROUP):
        group = ids[start : start + GROUP]
        rows = MediaItem.objects.in_bulk(group)
        yield from (rows[pk] for pk in group if pk in rows)


def _mark(whole: list[int]) -> None:
    MediaItem.objects.filter(pk__in=whole).update(verified_at=timezone.now())
    whole.clear()


def _check_item(item: MediaItem, report: FsckReport, *, repairs_renditions: bool) -> bool:
    """True if the original is whole."""
    try:
        problem = _problem(item)
    except OriginalAway as error:
        if str(error) not in report.findings:  # once for all that lies there
            report.findings.append(str(error))
        return False
    if problem and not _is_unchanged(item):
        return False  # deleted or replaced since its row was read
    report.checked += 1
    report.size_bytes += item.size_bytes
    if problem:
        report.findings.append(f"{item}: {item.path} {problem}")
    elif item.preview_status == Preview.READY:
        _check_renditions(item, report, repairs_renditions=repairs_renditions)
    return not problem


def _problem(item: MediaItem) -> str:
    """What is wrong with the original, in words that follow its path; empty if it is whole.

    Raises:
        StorageError, OriginalAway: the whole disk is missing, which says nothing about the original.
    """
    try:
        stat = item.path.stat()
        if item.source_path and stat.st_mtime_ns != item.source_modified_ns:
            return "has changed since it was indexed. Import its folder again."
        if stat.st_size != item.size_bytes:
            return f"is damaged: {stat.st_size:,} bytes instead of {item.size_bytes:,}. Restore it from a backup."
        sha256 = hash_file(item.path, is_needed_again=False)
    except OSError as error:
        with suppress(OriginalMissing):
            locate_original(item)
        if isinstance(error, FileNotFoundError):
            return "is missing. Restore it from a backup, or upload it again."
        return f"cannot be read ({error.strerror}). Check the disk."
    return "" if sha256 == item.sha256 else "is damaged: its content has changed. Restore it from a backup."


def _is_unchanged(item: MediaItem) -> bool:
    columns = ("sha256", "original", "source_path", "source_modified_ns")
    return MediaItem.objects.filter(pk=item.pk, **{name: getattr(item, name) for name in columns}).exists()


def _check_renditions(item: MediaItem, report: FsckReport, *, repairs_renditions: bool) -> None:
    names = [GRID, PREVIEW, *(extra.name for extra in (AVIF, VIDEO_PROXY) if getattr(item, extra.column))]
    lost = [name for name in names if not _is_written(rendition_path(item, name))]
    if lost and not repairs_renditions:
        report.findings.append(f"{item}: {', '.join(lost)} missing. Made again without --no-repair-renditions.")
    elif lost:
        try:
            _mend_renditions(item, lost)
        except MediaError as error:
            report.findings.append(f"{item}: {', '.join(lost)} missing, and cannot be made: {error}")
        else:
            report.mended.append(f"{item}: {', '.join(lost)} made again")


def _mend_renditions(item: MediaItem, lost: list[str]) -> None:
    for name in lost:
        rendition_path(item, name).unlink(missing_ok=True)
    for extra in (AVIF, VIDEO_PROXY):
        if extra.name in lost:  # slow to make: prepare_waiting_media does it, as it finds none in the row
            MediaItem.objects.filter(pk=item.pk).update(**{extra.column: "", extra.attempts: 0})
    for name in (GRID, PREVIEW):
        ensure_rendition(item, name)


def _is_written(path: Path) -> bool:
    """False of what a power cut leaves: no file, an empty one, or one of zeros."""
    try:
        with path.open("rb") as file:
            return any(file.read(16))
    except FileNotFoundError:
        return False
