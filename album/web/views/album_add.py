"""Photos chosen from one's own timeline for an album."""

from __future__ import annotations

from dataclasses import replace

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_safe

from album import queries
from album.exceptions import AlbumError
from album.models import Album, MediaItem
from album.services import bulk
from album.web.album_grid import answer_grid, months_answer, page_grid
from album.web.requests import MemberRequest
from album.web.views.bulk import read_ids

MOST_ADDED = 5000


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def album_add(request: MemberRequest, pk: int) -> HttpResponse:
    """The own timeline without what is in the album already, to choose from; a POST puts ``ids`` into it.

    With ``leaf`` it shows the next page instead, which keeps them: how those without JavaScript go on.
    """
    here = _fillable(request, pk)
    chosen = ",".join(filter(None, request.POST.getlist("ids")))
    if request.method == "POST" and "leaf" not in request.POST:
        return _add(request, here, chosen)
    try:
        count = len(read_ids(chosen, MOST_ADDED)) if chosen else 0
        grid = page_grid(request, "album:album_add", pk, _others(request, here))
    except AlbumError as error:
        messages.error(request, str(error))
        return redirect("album:album_add", pk)
    context = {"album": here, "grid": replace(grid, form="chosen"), "chosen": chosen}
    context["selected"] = _("Selected: {count}").replace("{count}", str(count)) if count else ""
    return render(request, "album/album_add.html", context)


@require_safe
@login_required
def album_add_items(request: MemberRequest, pk: int) -> HttpResponse:
    """Rows to choose from: ``?before=`` a place, ``?month=2026-11``, ``?limit=``."""
    return answer_grid(request, _others(request, _fillable(request, pk)))


@require_safe
@login_required
def album_add_months(request: MemberRequest, pk: int) -> HttpResponse:
    """The months of what there is to choose from."""
    return months_answer(_others(request, _fillable(request, pk)))


def _add(request: MemberRequest, here: Album, chosen: str) -> HttpResponse:
    try:
        ids = read_ids(chosen, MOST_ADDED)
        pieces = [ids[start : start + bulk.MOST_ITEMS] for start in range(0, len(ids), bulk.MOST_ITEMS)]
        outcomes = [bulk.add_to_album(user=request.user, ids=piece, album_id=here.pk) for piece in pieces]
    except AlbumError as error:
        messages.error(request, str(error))
        return redirect("album:album_add", here.pk)
    done = sum(len(outcome.done) for outcome in outcomes)
    if done:
        words = ngettext("%(count)d item was added.", "%(count)d items were added.", done)
        messages.success(request, words % {"count": done})
    for reason in dict.fromkeys(reason for outcome in outcomes for reason in outcome.refused):
        messages.error(request, _("Some were left out: %(reason)s") % {"reason": reason})
    return redirect("album:album", here.pk)


def _others(request: MemberRequest, here: Album) -> QuerySet[MediaItem]:
    return queries.timeline_of(request.user).exclude(queries.in_album(here))


def _fillable(request: MemberRequest, pk: int) -> Album:
    """404 for strangers, 403 for those who may only look, and for everybody where an album fills itself."""
    here = get_object_or_404(queries.visible_albums(request.user), pk=pk)
    if not queries.fillable_albums(request.user).filter(pk=pk).exists():
        raise PermissionDenied
    return here
