"""Grids of a person's own choice: the timeline, the favourites, the archive. Pages, their rows, their months."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.decorators import login_required
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from album import queries
from album.exceptions import AlbumError
from album.models import MediaItem, Shelf
from album.queries import Chip, Cursor, GridRow, Viewer, cut
from album.queries.filters import KIND_WORDS, STATUS_WORDS
from album.web.album_grid import FIRST_ROWS, months_answer
from album.web.requests import MemberRequest
from album.web.rows import Grid, beside, grid_answer, grid_row, read_limit
from album.web.views.places import strip_of

WITHOUT_CHOICE = frozenset({"before", "limit"})
"""Parameters that leave nothing out."""


@dataclass(frozen=True, slots=True)
class Room:
    """A grid with a page of its own. Its addresses are called ``name``, ``name_items`` and so on."""

    name: str
    title: Promise
    empty: Promise
    items: Callable[[Viewer], QuerySet[MediaItem]]
    shelf: Shelf | None = None
    """Where all that stands on one shelf of the viewer is shown, and nothing else."""
    leaves: str = ""
    """After these actions on picked items they stand here no longer."""


TIMELINE = Room(
    "timeline", _("Timeline"), _("There is nothing here yet."), queries.timeline_of, Shelf.TIMELINE, "archive"
)
FAVOURITES = Room(
    "favourites",
    _("Favorites"),
    _("Nothing here yet. Mark what you like best with the heart."),
    queries.favourites_of,
    leaves="unfavourite",
)
ARCHIVE = Room(
    "archive",
    _("Archive"),
    _("The archive is empty. What you put here leaves the timeline, and stays in albums and search."),
    queries.archive_of,
    Shelf.ARCHIVE,
    "unarchive",
)
SHARED_MOST = 5
"""Albums of others that an empty timeline names."""
ROOMS = (TIMELINE, FAVOURITES, ARCHIVE)


@require_safe
@login_required
def grid_page(request: MemberRequest, room: Room) -> HttpResponse:
    """The page of ``room`` with its first rows; ``?before=`` and ``?after=`` lead on without JavaScript."""
    holder = request.grants.holder
    choice = choice_of(request)
    query = f"?{choice}" if choice else ""
    context: dict[str, Any] = {"room": room, "filters": reverse(f"album:{room.name}_filters") + query}
    try:
        rows, (newer, older), chips = _page(request, room)
    except AlbumError as error:
        return render(request, "album/timeline.html", context | {"problem": str(error)}, status=400)
    context["chips"] = [(chip, without(request, chip)) for chip in chips]
    context["leaves"] = room.leaves
    context["newer"] = beside(choice, "after", newer)
    context["grid"] = Grid(
        source=reverse(f"album:{room.name}_items") + query,
        months=reverse(f"album:{room.name}_months") + query,
        rows=[grid_row(row, holder) for row in rows],
        after=older,
    )
    if room is TIMELINE and not rows and not chips:
        context["shared"] = queries.visible_albums(request.user).exclude(owner=request.user)[:SHARED_MOST]
    if room is TIMELINE and rows and not chips and not (request.GET.get("before") or request.GET.get("after")):
        context["strip"] = strip_of(request)
    return render(request, "album/timeline.html", context)


@require_safe
@login_required
def grid_items(request: MemberRequest, room: Room) -> HttpResponse:
    """A piece of ``room`` as JSON: ``?before=``, ``?after=`` a place, ``?month=2026-11``, ``?limit=``."""
    holder = request.grants.holder
    try:
        month, limit = request.GET.get("month", ""), read_limit(request.GET.get("limit"))
        rows, (_newer, older), _chips = _page(request, room, month, limit)
    except AlbumError as error:
        return refusal(error)
    return grid_answer((grid_row(row, holder) for row in rows), older)


@require_safe
@login_required
def grid_months(request: MemberRequest, room: Room) -> HttpResponse:
    """The months of ``room``, latest first: ``[["2026-11", 12], …]``."""
    try:
        return months_answer(chosen(request, room)[0])
    except AlbumError as error:
        return refusal(error)


@require_safe
@login_required
def filters(request: MemberRequest, room: Room) -> HttpResponse:
    """The form of all filters: a page, and what the timeline shows in a dialog."""
    choices = queries.filter_choices(room.items(request.user), request.user)
    context = {"room": room, "choices": choices, "set": request.GET, "action": reverse(f"album:{room.name}")}
    context |= {"kinds": KIND_WORDS, "statuses": STATUS_WORDS}
    return render(request, "album/filters.html", context)


def chosen(request: MemberRequest, room: Room) -> tuple[QuerySet[MediaItem], list[Chip]]:
    """The items of ``room`` that the filters of the address let through."""
    return queries.filter_items(room.items(request.user), request.GET.dict(), request.user)


def choice_of(request: HttpRequest) -> str:
    """The filters of the address as they are, without the place: ``kind=video``, or nothing."""
    kept = request.GET.copy()
    for name in ("before", "after", "month", "limit"):
        kept.pop(name, None)
    return kept.urlencode()


def without(request: HttpRequest, chip: Chip) -> str:
    """The address of this page without the filter ``chip``."""
    kept = request.GET.copy()
    for name in (chip.name, "before", "after"):
        kept.pop(name, None)
    return f"{request.path}?{kept.urlencode()}" if kept else request.path


def refusal(error: AlbumError) -> JsonResponse:
    return JsonResponse({"error": str(error)}, status=400)


def _page(
    request: MemberRequest, room: Room, month: str = "", limit: int = FIRST_ROWS
) -> tuple[list[GridRow], tuple[Cursor | None, Cursor | None], list[Chip]]:
    """Rows, newest first, the places before and after them where there are others (or may be), and the filters.

    Raises:
        AlbumError: a filter, a month or a place that is none.
    """
    before, after = request.GET.get("before"), request.GET.get("after")
    place = Cursor.read(before) if before else None
    if room.shelf is not None and WITHOUT_CHOICE.issuperset(request.GET):
        found, chips = queries.shelf_rows(request.user, room.shelf, place, limit + 1), list[Chip]()
    else:
        items, chips = chosen(request, room)
        if month:
            items = queries.in_month(items, month)
        if after:
            items = queries.newer_than(items, Cursor.read(after))
        else:
            items = queries.older_than(items, place) if place else items.order_by("-timeline_at", "-pk")
        found = queries.grid_rows(items[: limit + 1], request.user)
    rows, further = cut(found, limit)
    if after:
        rows = rows[::-1]
        return rows, (further, rows[-1].cursor if rows else None), chips
    return rows, (rows[0].cursor if place and rows else None, further), chips
