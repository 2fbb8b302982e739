"""The map and its places, and the memories of this day. What one's own timeline shows."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST, require_safe

from album import queries
from album.models import MediaItem
from album.queries import BadFilter
from album.queries.memories import Memory, has_memories, memories_of
from album.queries.places import Group, countries, map_bounds, map_groups
from album.web.addresses import Holder, file_address
from album.web.requests import MemberRequest
from album.web.rows import Grid, grid_row

ZOOM_MAX = 18
FEW = 30
"""So many items of a group on the map are looked at; more are zoomed into."""
SHOWN_PER_YEAR = 60
DISMISSED = "memories_dismissed"
FOUND = "memories"
"""A cookie that says of which day the last strip was, and whether it had "some" or "none"."""
DAY_S = 86_400


@require_safe
@login_required
def world_map(request: MemberRequest) -> HttpResponse:
    """The map, and beside it countries and towns, which also lead there without JavaScript."""
    items = queries.timeline_of(request.user)
    count, bounds = map_bounds(items)
    context = {
        "bounds": bounds,
        "countries": countries(items),
        "few": FEW,
        "tiles": settings.MAP_TILES_URL,
        "attribution": settings.MAP_ATTRIBUTION,
        "without_position": items.count() - count,
        "grid": Grid(source="", rows=[]),
    }
    return render(request, "album/map.html", context)


@require_safe
@login_required
def map_points(request: MemberRequest) -> HttpResponse:
    """The groups of ``?bbox=west,south,east,north`` at ``?zoom=`` as JSON."""
    zoom = request.GET.get("zoom", "1")
    if not (zoom.isascii() and zoom.isdecimal() and len(zoom) <= 2 and int(zoom) <= ZOOM_MAX):
        return JsonResponse({"error": f"zoom is a number from 0 to {ZOOM_MAX}"}, status=400)
    holder = request.grants.holder
    try:
        box = {"bbox": request.GET.get("bbox", "")}
        items, _chips = queries.filter_items(queries.timeline_of(request.user), box, request.user)
    except BadFilter as error:
        return JsonResponse({"error": str(error)}, status=400)
    groups = map_groups(items, int(zoom))
    samples = MediaItem.objects.only("pk", "owner", "sha256", "video_proxy")
    pictures = samples.in_bulk([group.sample_id for group in groups])
    told = [_group(group, pictures[group.sample_id], holder) for group in groups if group.sample_id in pictures]
    return JsonResponse({"groups": told}, headers={"Cache-Control": "private, no-store"})


def _group(group: Group, sample: MediaItem, holder: Holder | None) -> dict[str, Any]:
    return {
        "count": group.count,
        "latitude": round(group.latitude_deg, 6),
        "longitude": round(group.longitude_deg, 6),
        "bbox": group.bbox,
        "place": group.place,
        "picture": file_address("thumbnail", sample, holder),
    }


@require_safe
@login_required
def memories(request: MemberRequest) -> HttpResponse:
    """This day in earlier years, by the clock of the cameras and the calendar of whoever looks."""
    today, holder = timezone.localdate(), request.grants.holder
    remembered = memories_of(request.user, today)
    rows = [grid_row(row, holder) for memory in remembered for row in memory.rows[:SHOWN_PER_YEAR]]
    context = {"today": today, "best": _best(remembered, holder)}
    context["grid"] = Grid(source="", rows=rows, is_selectable=False)  # whole as it is: nothing more is loaded
    return render(request, "album/memories.html", context)


@require_safe
@login_required
def memories_strip(request: MemberRequest) -> HttpResponse:
    """The best picture of each year, for the top of the timeline; nothing once somebody put it away for today."""
    today, holder = timezone.localdate(), request.grants.holder
    if request.COOKIES.get(DISMISSED) == today.isoformat():
        return HttpResponse()
    best = _best(memories_of(request.user, today), holder)
    answer = render(request, "album/_memories.html", {"best": best})
    answer.set_cookie(FOUND, f"{today}.{'some' if best else 'none'}", DAY_S, httponly=True, samesite="Lax")
    return answer


def strip_of(request: MemberRequest) -> str:
    """What the timeline does for the strip: "room" is kept where it comes, so that nothing jumps; "none" today.

    Else it is "asked" for, and nobody expects it.
    """
    today = timezone.localdate()
    if request.COOKIES.get(DISMISSED) == today.isoformat():
        return "none"
    told_on, _, found = request.COOKIES.get(FOUND, "").partition(".")
    is_expected = found == "some" if told_on == today.isoformat() else has_memories(request.user, today)
    return "room" if is_expected else "asked"


@require_POST
@login_required
def dismiss_memories(request: MemberRequest) -> HttpResponse:
    """Puts the strip away until tomorrow."""
    answer = HttpResponse() if request.headers.get("HX-Request") else redirect(_came_from(request))
    answer.set_cookie(DISMISSED, timezone.localdate().isoformat(), DAY_S, httponly=True, samesite="Lax")
    return answer


def _best(remembered: list[Memory], holder: Holder | None) -> list[tuple[Memory, dict[str, Any]]]:
    """Each year with the row of its best picture."""
    return [(memory, grid_row(memory.rows[0], holder)) for memory in remembered]


def _came_from(request: HttpRequest) -> str:
    where = request.POST.get("next", "")
    is_path = where.startswith("/") and url_has_allowed_host_and_scheme(where, None)
    return where if is_path else reverse("album:timeline")
