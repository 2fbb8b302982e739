"""What was taken on this day in earlier years."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import groupby

from django.db.models import Case, Exists, F, OuterRef, Q, QuerySet, Value, When

from album.models import Favourite, MediaItem
from album.queries.access import Viewer
from album.queries.pages import GridRow, grid_rows, timeline_of

ROWS_MAX = 1000
YEARS_MAX = 100


@dataclass(frozen=True, slots=True)
class Memory:
    """The items of this day in one year, the best first."""

    year: int
    years_ago: int
    rows: list[GridRow]


def memories_of(user: Viewer, today: date) -> list[Memory]:
    """What ``user`` took on this day of earlier years by the clock of the camera, the latest year first.

    Where this year has no 29 February, those of that day are remembered on the 28th.
    """
    ids = _ids_of_day(user, today)
    if not ids:
        return []
    rows = grid_rows(_best_first(MediaItem.objects.filter(pk__in=ids), user)[:ROWS_MAX], user)
    years = sorted(rows, key=lambda row: row.clock[:4], reverse=True)  # stable: the best stay first
    return [
        Memory(int(year), today.year - int(year), list(of_year))
        for year, of_year in groupby(years, key=lambda row: row.clock[:4])
    ]


def has_memories(user: Viewer, today: date) -> bool:
    """Whether ``memories_of`` would find something. Two short statements."""
    return bool(_ids_of_day(user, today, most=1))


def _ids_of_day(user: Viewer, today: date, most: int | None = None) -> list[int]:
    items = timeline_of(user)
    first = items.order_by("timeline_at").values_list("timeline_at", flat=True).first()
    days = [] if first is None else _days(today, first.year)
    # Each day is read from the index; for an OR of them SQLite would read the whole library.
    found = [items.filter(timeline_at__gte=start, timeline_at__lt=end).values("pk") for start, end in days]
    return list(found[0].union(*found[1:], all=True).values_list("pk", flat=True)[:most]) if found else []


def _days(today: date, first_year: int) -> list[tuple[datetime, datetime]]:
    """Beginning and end of this day in each year before, as ``timeline_at`` counts."""
    days = []
    ends_february = (today.month, today.day) == (2, 28) and not _is_leap(today.year)
    for year in range(max(first_year, today.year - YEARS_MAX), today.year):
        if (today.month, today.day) == (2, 29) and not _is_leap(year):
            continue
        start = datetime.combine(today.replace(year=year), time(), UTC)
        days.append((start, start + timedelta(days=2 if ends_february and _is_leap(year) else 1)))
    return days


def _is_leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def _best_first(items: QuerySet[MediaItem], user: Viewer) -> QuerySet[MediaItem]:
    """What people marked, rated or described stands before the rest."""
    is_described = When(~Q(description="") | ~Q(title=""), then=Value(1))
    return items.annotate(
        liked=Exists(Favourite.objects.filter(user=user.pk, item=OuterRef("pk"))),
        described=Case(is_described, default=Value(0)),
    ).order_by("-liked", F("rating").desc(nulls_last=True), "-described", "timeline_at", "pk")
