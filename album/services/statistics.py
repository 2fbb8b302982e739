"""The numbers of the statistics page, counted once in a while and remembered."""

from __future__ import annotations

import shutil
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings
from django.contrib.auth.models import User
from django.core.cache import cache
from django.db.models import QuerySet
from django.utils import timezone

from album.models import BatchRun, MediaItem
from album.preparation.paths import rendition_path
from album.queries import statistics as queries

REMEMBERED_S = 600
"""Measured: all of it takes 1.3 s over 100,000 items with 500,000 tags, half of that for the tags, 2026-11."""
SAMPLE = 200
NIGHTS = timedelta(days=60)


@dataclass(frozen=True, slots=True)
class Statistics:
    """What there is of a library, or of all of them. Sizes in bytes; days and months in UTC."""

    counted_at: datetime
    growth: list[queries.Growth]
    processed: list[tuple[str, int]]
    failures: list[queries.Failure]
    tags: list[queries.Top]
    cameras: list[queries.Top]
    countries: list[queries.Top]
    cities: list[queries.Top]
    renditions_bytes: int
    """Estimated from some items."""

    def count_of(self, kind: str) -> int:
        return sum(each.item_count for each in self.growth if each.kind == kind)

    @property
    def originals_bytes(self) -> int:
        return sum(each.size_bytes for each in self.growth)


@dataclass(frozen=True, slots=True)
class Installation:
    """What only site admins are told: bytes of the disk of the originals, and the last batches."""

    disk_free_bytes: int
    disk_total_bytes: int
    runs: list[BatchRun]


def statistics_of(user: User) -> Statistics:
    """The numbers that ``user`` is told: of the own items; of everybody's for a site admin. At most minutes old."""
    key = f"statistics-{'all' if user.is_superuser else user.pk}"
    known: Statistics | None = cache.get(key)
    if known is None:
        known = _count(user)
        cache.set(key, known, REMEMBERED_S)
    return known


def installation() -> Installation:
    """The numbers of the machine now."""
    total = free = 0
    with suppress(OSError):  # the disk is away
        total, _, free = shutil.disk_usage(settings.MEDIA_ROOT)
    return Installation(free, total, queries.latest_runs())


def _count(user: User) -> Statistics:
    items, now = queries.counted_for(user), timezone.now()
    growth = queries.growth(items)
    return Statistics(
        counted_at=now,
        growth=growth,
        processed=queries.processed_per_day(items, now - NIGHTS),
        failures=queries.failures(items),
        tags=queries.top_tags(user),
        cameras=queries.top_of(items, "camera"),
        countries=queries.top_of(items, "country"),
        cities=queries.top_of(items, "city"),
        renditions_bytes=_estimate_renditions(items, sum(each.item_count for each in growth)),
    )


def _estimate_renditions(items: QuerySet[MediaItem], count: int) -> int:
    """Bytes of all renditions, from those of a sample: to look at each file would take minutes on a slow disk."""
    sample = queries.random_sample(items, SAMPLE)
    sizes = [_size_of(rendition_path(item, "")) for item in sample]
    return round(sum(sizes) / len(sizes) * count) if sizes else 0


def _size_of(folder: Path) -> int:
    size = 0
    with suppress(OSError):  # nothing was made yet, or the disk is away
        size = sum(file.stat().st_size for file in folder.iterdir())
    return size
