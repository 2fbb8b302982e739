"""What whoever has a link sees: its pictures, the question for its password, or that it is over."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from album import queries
from album.exceptions import AlbumError
from album.inference.catalogue import BUILT_IN
from album.models import Album, ShareLink
from album.queries import GridRow
from album.services import sharing as service
from album.web.addresses import Holder
from album.web.album_grid import FIRST_ROWS, read_rows
from album.web.requests import VisitorRequest
from album.web.rows import Grid, grid_answer, grid_row, read_limit


def for_visitors(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """The view, called with the link of the token once its password was given, out of sight of search engines."""

    @wraps(view)
    def asked(request: VisitorRequest, token: str, **arguments: Any) -> HttpResponseBase:
        link = service.find_link(token)
        if link is None:
            response: HttpResponseBase = render(request, "album/share_over.html", status=404)
        elif link.password and not request.grants.has_opened(link):
            response = _ask_password(request, link)
        else:
            service.note_visit(link=link, is_new=not request.grants.has_opened(link))
            response = view(request, link, request.grants.open_link(link), **arguments)
        response.headers["X-Robots-Tag"] = "noindex, nofollow"
        response.headers.setdefault("Referrer-Policy", "no-referrer")
        return response

    return asked


@require_http_methods(["GET", "HEAD", "POST"])
@for_visitors
def shared(request: VisitorRequest, link: ShareLink, holder: Holder) -> HttpResponse:
    """What a link shows."""
    if request.method == "POST":  # the password, sent twice
        return redirect(request.path)
    try:
        rows, older = _read(request, link, holder, FIRST_ROWS)
    except AlbumError:
        return redirect(request.path)
    grid = Grid(
        source=f"{request.path}items/",
        rows=rows,
        after=older,
        page="",
        has_days=link.album is None or link.album.order != Album.Order.BY_HAND,
        is_selectable=False,
    )
    total = queries.shared_items(link).count()
    title = link.album.title if link.album else _("Shared photos")
    return render(
        request, "album/shared.html", {"link": link, "grid": grid, "total": total, "title": title, "holder": holder}
    )


@require_safe
@for_visitors
def shared_items(request: VisitorRequest, link: ShareLink, holder: Holder) -> HttpResponse:
    """Rows of a link for its grid."""
    try:
        rows, after = _read(request, link, holder, read_limit(request.GET.get("limit")))
    except AlbumError as error:
        return JsonResponse({"error": str(error)}, status=400)
    return grid_answer(rows, after)


def _read(
    request: VisitorRequest, link: ShareLink, holder: Holder, limit: int
) -> tuple[list[dict[str, Any]], str | None]:
    place = (request.GET.get("before", ""), limit)
    rows, after = read_rows(queries.shared_items(link), link.album, AnonymousUser(), place)
    base = reverse("album:shared", args=(_token(request),))
    return [_for_visitor(grid_row(_without_facts(row, link), holder), link, base) for row in rows], after


def _without_facts(row: GridRow, link: ShareLink) -> GridRow:
    """The row, its description left out where the built-in analyzer wrote it: it names places and people."""
    is_told = link.shows_location or BUILT_IN.id not in row.ai_weights
    return row if is_told else row._replace(ai_description="")


def _for_visitor(row: dict[str, Any], link: ShareLink, base: str) -> dict[str, Any]:
    """The row without what is the members' business, and with addresses that give no more than the link allows."""
    row["badges"] = [badge for badge in row["badges"] if badge in {"motion", "no-preview"}]
    if not (link.may_download and link.shows_location):
        row.pop("moving", None)  # it is the original
    if not link.shows_location:
        row.pop("motion", None)
        row["badges"] = [badge for badge in row["badges"] if badge != "motion"]
        if "playback" in row:
            row["playback"] = f"{base}video/{row['id']}/"
    return row


def _ask_password(request: VisitorRequest, link: ShareLink) -> HttpResponse:
    """The page that asks for the password of ``link``; 403 for other addresses of it, which nobody types in."""
    if not request.path.endswith(f"{_token(request)}/"):
        raise PermissionDenied
    error, status = "", 200
    if request.method == "POST":
        try:
            address = _client_address(request)
            service.check_link_password(link=link, password=request.POST.get("password", ""), address=address)
        except service.TooManyAttempts as refusal:
            error, status = str(refusal), 429
        except AlbumError as refusal:
            error, status = str(refusal), 403
        else:
            service.note_visit(link=link, is_new=True)
            request.grants.open_link(link)
            return redirect(request.path)
    response = render(request, "album/share_locked.html", {"error": error}, status=status)
    # Without a referrer browsers send "Origin: null" with the form, which is refused as coming from elsewhere.
    response.headers["Referrer-Policy"] = "same-origin"
    return response


def _client_address(request: HttpRequest) -> str:
    from allauth.account.adapter import get_adapter

    return str(get_adapter().get_client_ip(request))


def _token(request: HttpRequest) -> str:
    match = request.resolver_match
    return str(match.kwargs["token"]) if match else ""
