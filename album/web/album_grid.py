"""The grid of an album or of a shared link: rows in the order of the album."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.http import HttpResponse, JsonResponse
from django.urls import reverse

from album.exceptions import AlbumError
from album.models import Album, MediaItem
from album.queries import GridRow, Viewer, cut, in_month, in_order_of, month_counts, place_of
from album.queries.access import is_walked
from album.queries.pages import ids_of, newest_ids, rows_of
from album.web.requests import MemberRequest
from album.web.rows import Grid, grid_answer, grid_row, read_limit

FIRST_ROWS = 60
"""As many as fill a large window, and few enough to be there at once."""


def page_grid(
    request: MemberRequest, view: str, pk: int, items: QuerySet[MediaItem], album: Album | None = None
) -> Grid:
    """The grid on the page ``view`` of ``pk``, from ``?before=`` on. By the newest first it has months.

    Raises:
        BadPosition: the place was not given out here.
    """
    rows, after = read_grid(request, items, album, (request.GET.get("before", ""), FIRST_ROWS))
    order = album.order if album else Album.Order.NEWEST
    return Grid(
        source=reverse(f"{view}_items", args=(pk,)),
        months=reverse(f"{view}_months", args=(pk,)) if order == Album.Order.NEWEST else "",
        rows=rows,
        after=after,
        has_days=order != Album.Order.BY_HAND,
    )


def read_grid(
    request: MemberRequest, items: QuerySet[MediaItem], album: Album | None, place: tuple[str, int]
) -> tuple[list[dict[str, Any]], str | None]:
    """Rows as a grid takes them, and the place from which to read on, None at the end.

    ``place``: of the last row that is known, empty at the beginning; and how many rows at most.

    Raises:
        BadPosition: the place was not given out here.
    """
    holder = request.grants.holder  # before the rows are read
    rows, after = read_rows(items, album, request.user, place)
    return [grid_row(row, holder) for row in rows], after


def answer_grid(request: MemberRequest, items: QuerySet[MediaItem], album: Album | None = None) -> HttpResponse:
    """A piece of the grid: ``?before=`` a place, ``?month=2026-11``, ``?limit=``; a wrong one is told."""
    place = (request.GET.get("before", ""), read_limit(request.GET.get("limit")))
    try:
        if month := request.GET.get("month"):
            items = in_month(items, month)
        rows, after = read_grid(request, items, album, place)
    except AlbumError as error:
        return JsonResponse({"error": str(error)}, status=400)
    return grid_answer(rows, after)


def months_answer(items: QuerySet[MediaItem]) -> JsonResponse:
    """The months of ``items``, latest first: ``[["2026-11", 12], …]``."""
    return JsonResponse(month_counts(items), safe=False, headers={"Cache-Control": "private, no-store"})


def read_rows(
    items: QuerySet[MediaItem], album: Album | None, user: Viewer, place: tuple[str, int]
) -> tuple[list[GridRow], str | None]:
    """The same as rows of the database."""
    before, limit = place
    ordered = in_order_of(album, items, before)
    is_long = album is not None and is_walked(album)
    ids = newest_ids(ordered, limit + 1) if is_long else ids_of(ordered[: limit + 1])
    rows, after = cut(rows_of(ids, user), limit)
    return rows, place_of(album, rows[-1].cursor) if after else None
