"""Reads in the shape of pages: a grid from any place on, an item with all that its page shows."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from django.contrib.auth.models import User
from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from album.exceptions import AlbumError
from album.models import Favourite, MediaItem, Shelf
from album.queries.access import Viewer, visible_to

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
CURSOR = re.compile(r"(-?[0-9a-f]{1,15})\.([0-9a-f]{1,15})")
MONTH = re.compile(r"([0-9]{4})-(0[1-9]|1[0-2])")


class BadPosition(AlbumError):
    """The place in a list from which to read on is not one that this album gave out."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """The place of an item in a timeline. As text it means nothing to whoever carries it."""

    timeline_at: datetime
    pk: int

    def __str__(self) -> str:
        return f"{(self.timeline_at - EPOCH) // timedelta(microseconds=1):x}.{self.pk:x}"

    @classmethod
    def read(cls, text: str) -> Cursor:
        """Raises BadPosition: ``text`` was not made by this class."""
        match = CURSOR.fullmatch(text)
        try:
            if match is None:
                raise ValueError
            return cls(EPOCH + timedelta(microseconds=int(match[1], 16)), int(match[2], 16))
        except (ValueError, OverflowError):
            message = _("This place in the list is not known. Open the list again from its beginning.")
            raise BadPosition(message) from None


def moment_of(clock: str) -> datetime:
    """The moment that a database writes so."""
    moment = datetime.fromisoformat(clock)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


class Stretch(NamedTuple):
    """A part of the timelines: the moment that it reaches back to, the least and the largest id there."""

    oldest: datetime
    first: int
    last: int


class GridRow(NamedTuple):
    """What a grid shows of an item. ``clock`` begins with the day it was taken: ``2026-11-21``."""

    pk: int
    owner_id: int
    sha256: str
    video_proxy: str
    kind: str
    width_px: int | None
    height_px: int | None
    duration_s: float | None
    placeholder: str
    preview_status: str
    processing_status: str
    mime_type: str
    is_animated: bool
    motion_offset: int | None
    title: str
    description: str
    ai_description: str
    ai_weights: str
    original_name: str
    clock: str
    has_clip: bool
    is_favourite: bool

    @property
    def cursor(self) -> Cursor:
        return Cursor(moment_of(self.clock), self.pk)


GRID_ROWS = f"""
    SELECT id, {", ".join(GridRow._fields[1:-3])}, CAST(timeline_at AS varchar),
        EXISTS(SELECT 1 FROM album_mediaitem clip WHERE clip.clip_of_id = item.id),
        EXISTS(SELECT 1 FROM album_favourite liked WHERE liked.user_id = %s AND liked.item_id = item.id)
    FROM album_mediaitem item WHERE
"""  # noqa: S608 - names of columns
ON_SHELF = "owner_id = %s AND shelf = %s"


def timeline_of(user: Viewer) -> QuerySet[MediaItem]:
    """The own items of ``user`` that are not put away."""
    return _own(user, Shelf.TIMELINE)


def archive_of(user: Viewer) -> QuerySet[MediaItem]:
    """The own items of ``user`` that lie in the archive."""
    return _own(user, Shelf.ARCHIVE)


def favourites_of(user: Viewer) -> QuerySet[MediaItem]:
    """What ``user`` likes best of all that the user may see."""
    if not user.is_authenticated:
        return MediaItem.objects.none()
    return visible_to(user).filter(pk__in=Favourite.objects.filter(user=user).values("item"))


def _own(user: Viewer, shelf: Shelf) -> QuerySet[MediaItem]:
    if not user.is_authenticated or not user.is_active:
        return MediaItem.objects.none()
    return MediaItem.objects.filter(owner=user, shelf=shelf)


def older_than(items: QuerySet[MediaItem], cursor: Cursor) -> QuerySet[MediaItem]:
    """Those of ``items`` that come after the place ``cursor`` where the newest stand first."""
    at, pk = cursor.timeline_at, cursor.pk
    # The first condition alone is what an index can start at; an OR of two ranges would read all of it.
    return items.filter(Q(timeline_at__lte=at), Q(timeline_at__lt=at) | Q(pk__lt=pk)).order_by(
        "-timeline_at", "-pk"
    )


def newer_than(items: QuerySet[MediaItem], cursor: Cursor) -> QuerySet[MediaItem]:
    """Those of ``items`` that come before the place ``cursor``, the nearest first."""
    at, pk = cursor.timeline_at, cursor.pk
    return items.filter(Q(timeline_at__gte=at), Q(timeline_at__gt=at) | Q(pk__gt=pk)).order_by("timeline_at", "pk")


def in_month(items: QuerySet[MediaItem], month: str) -> QuerySet[MediaItem]:
    """Those of ``items`` that were taken in ``month``, such as ``2026-11``.

    Raises:
        BadPosition: that is no month.
    """
    match = MONTH.fullmatch(month)
    if match is None or match[1] == "0000":
        raise BadPosition(_("“%(month)s” is not a month. Write it like 2026-11.") % {"month": month[:20]})
    first = datetime(int(match[1]), int(match[2]), 1, tzinfo=UTC)
    if first.year == first.max.year and first.month == 12:
        return items.filter(timeline_at__gte=first)
    after = first.replace(year=first.year + first.month // 12, month=first.month % 12 + 1)
    return items.filter(timeline_at__gte=first, timeline_at__lt=after)


def grid_rows(items: QuerySet[MediaItem], user: Viewer) -> list[GridRow]:
    """What a grid shows of ``items``, in their order, with the favourites of ``user``.

    The second statement is written by hand: Django takes longer to write it than the database to answer it.
    Measured: 0.6 ms for 100 rows, by way of the query set 1.1, 2026-11.
    """
    return rows_of(ids_of(items), user)


def shelf_rows(user: User, shelf: Shelf, before: Cursor | None, most: int) -> list[GridRow]:
    """At most ``most`` rows of ``timeline_of`` or ``archive_of``, the newest first, from the place ``before`` on.

    It is asked for most, and is what ``grid_rows`` of those gives, in one statement.
    Measured: 100 rows 0.34 ms, by ``grid_rows`` 0.65, 2026-11.
    """
    if not user.is_active:
        return []
    after, values = _after(before)
    statement = f"{GRID_ROWS} {ON_SHELF} {after} ORDER BY timeline_at DESC, id DESC LIMIT %s"
    with connection.cursor() as cursor:
        cursor.execute(statement, [user.pk, user.pk, shelf, *values, most])
        return [GridRow._make(row) for row in cursor.fetchall()]


def ids_of(items: QuerySet[MediaItem]) -> list[int]:
    """The ids of ``items``, in their order. Measured: of 1,000 0.5 ms less than the query set, 2026-11."""
    return [pk for (pk,) in _raw(items.values_list("pk"))]


def stretch(before: Cursor | None, length: int, since: datetime | None) -> Stretch | None:
    """The next ``length`` items of everybody's timelines, and what archives have of that time; None: all there are.

    Nothing older than ``since`` belongs to it.
    """
    after, values = _after(before)
    oldest = f"SELECT CAST(timeline_at AS varchar) FROM album_mediaitem WHERE shelf = %s {after}"  # noqa: S608
    ends = f"SELECT MIN(id), MAX(id) FROM album_mediaitem WHERE shelf IN (%s, %s) {after} AND timeline_at >= %s"  # noqa: S608
    with connection.cursor() as cursor:
        oldest += " ORDER BY timeline_at DESC, id DESC LIMIT 1 OFFSET %s"
        cursor.execute(oldest, [Shelf.TIMELINE, *values, length - 1])
        found = cursor.fetchone()
        moment = max(filter(None, (found and moment_of(found[0]), since)), default=None)
        if moment is None:
            return None
        cursor.execute(ends, [Shelf.TIMELINE, Shelf.ARCHIVE, *values, _adapted(moment)])
        first, last = cursor.fetchone()
    return Stretch(moment, first or 0, last or 0)


def newest_ids(items: QuerySet[MediaItem], most: int) -> list[int]:
    """The ids of the newest of ``items``, none of which lies in the trash: for conditions that many meet.

    Each shelf is walked in the order of its index until ``most`` are found; where few meet the conditions that
    costs a walk through all. Measured: 1,000 of 12,500 matches in 100,000 items: 5 ms, sorting all 16, 2026-11.
    """
    found = []
    for shelf in (Shelf.TIMELINE, Shelf.ARCHIVE):
        ordered = items.filter(shelf=shelf).order_by("-timeline_at", "-pk")
        found += _raw(ordered.values_list("timeline_at", "pk")[:most])
    return [pk for _at, pk in sorted(found, reverse=True)[:most]]


def _after(before: Cursor | None) -> tuple[str, list[Any]]:
    """The end of a condition for what comes after the place ``before``, as ``older_than`` says, and its values."""
    if before is None:
        return "", []
    at = _adapted(before.timeline_at)
    return " AND timeline_at <= %s AND (timeline_at < %s OR id < %s)", [at, at, before.pk]


def _adapted(moment: datetime) -> Any:
    """The moment as a parameter of a statement that is written by hand."""
    return connection.ops.adapt_datetimefield_value(moment)


def _raw(rows: QuerySet[Any, Any]) -> list[tuple[Any, ...]]:
    """``rows`` as the database gives them."""
    try:
        sql, values = rows.query.sql_with_params()
    except EmptyResultSet:
        return []
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return list(cursor.fetchall())


def rows_of(ids: list[int], user: Viewer) -> list[GridRow]:
    """What a grid shows of the items ``ids``, in their order; of what is gone nothing. ``user`` may see them."""
    if not ids:
        return []
    with connection.cursor() as cursor:
        cursor.execute(f"{GRID_ROWS} id IN ({', '.join(map(str, ids))})", [user.pk or 0])
        rows = {row[0]: GridRow._make(row) for row in cursor.fetchall()}
    return [rows[pk] for pk in ids if pk in rows]


def cut(rows: list[GridRow], limit: int) -> tuple[list[GridRow], Cursor | None]:
    """The first ``limit`` of ``rows``, of which one more was read, and the place after them if there are others."""
    return rows[:limit], rows[limit - 1].cursor if len(rows) > limit else None


def cursor_of(item: MediaItem) -> Cursor:
    """The place of ``item`` in a timeline."""
    return Cursor(item.timeline_at, item.pk)
