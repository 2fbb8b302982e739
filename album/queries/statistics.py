"""What a library consists of, in numbers that the database counts alone, also where there are 100,000 rows."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

from django.db.models import Count, F, QuerySet, Sum

from album.models import BatchRun, ItemTag, MediaItem, Stage, StageResult, Status
from album.queries.access import Viewer, shown
from album.queries.counts import Day, Month

TOP = 10
MOST_RUNS = 12


class Growth(NamedTuple):
    """What came in within a month: ``2026-11``."""

    month: str
    kind: str
    item_count: int
    size_bytes: int


class Top(NamedTuple):
    """A name and how many items bear it."""

    name: str
    item_count: int


class Failure(NamedTuple):
    """A reason in words and how many items failed for it."""

    stage: str
    error: str
    item_count: int


def counted_for(user: Viewer) -> QuerySet[MediaItem]:
    """The items whose numbers ``user`` is told: the own ones; everybody's for a site admin."""
    items = MediaItem.objects.filter(shown()).order_by()
    return items if user.is_authenticated and user.is_superuser else items.filter(owner=user.pk)


def growth(items: QuerySet[MediaItem]) -> list[Growth]:
    """Count and bytes per month in which ``items`` came in, and kind; the oldest month first."""
    groups = items.annotate(month=Month("created_at")).values_list("month", "kind")
    rows = groups.annotate(count=Count("*"), size=Sum("size_bytes")).order_by("month", "kind")
    return [Growth(*row) for row in rows]


def processed_per_day(items: QuerySet[MediaItem], since: datetime) -> list[tuple[str, int]]:
    """How many of ``items`` were completed on each day since then; days without any are left out."""
    done = items.filter(processed_at__gte=since).annotate(day=Day("processed_at")).values_list("day")
    return list(done.annotate(count=Count("*")).order_by("day"))


def failures(items: QuerySet[MediaItem]) -> list[Failure]:
    """The most frequent reasons for which ``items`` have failed."""
    failed = items.filter(processing_status=Status.FAILED).values("pk")
    results = StageResult.objects.filter(item__in=failed, state=Status.FAILED).order_by()
    rows = results.values_list("stage", "error").annotate(count=Count("*")).order_by("-count", "error")[:TOP]
    return [Failure(str(Stage(stage).label), error, count) for stage, error, count in rows]


def top_tags(user: Viewer) -> list[Top]:
    """The most frequent tags, by whomever, of the items whose numbers ``user`` is told."""
    tags = ItemTag.objects.exclude(source=ItemTag.Source.REMOVED).order_by()
    if not (user.is_authenticated and user.is_superuser):
        tags = tags.filter(item__owner=user.pk)
    rows = tags.filter(shown("item__")).values_list("tag__name").annotate(count=Count("item", distinct=True))
    return _top(rows)


def top_of(items: QuerySet[MediaItem], column: str) -> list[Top]:
    """The most frequent values of a column of text, such as ``camera`` or ``city``."""
    return _top(items.exclude(**{column: ""}).values_list(column).annotate(count=Count("*")))


def latest_runs() -> list[BatchRun]:
    """The last batches of the installation, the newest first; none for a single item or with nothing to do."""
    runs = BatchRun.objects.filter(item=None, started_at__isnull=False).select_related("album")
    runs = runs.exclude(BatchRun.IDLE)
    return list(runs.order_by("-pk")[:MOST_RUNS])


def random_sample(items: QuerySet[MediaItem], count: int) -> list[MediaItem]:
    """Some of ``items``, picked by chance: hashes come in no order."""
    return list(items.only("sha256", "kind").order_by("sha256")[:count])


def _top(rows: QuerySet[Any, Any]) -> list[Top]:
    return [Top(*row) for row in rows.order_by(F("count").desc())[:TOP]]
