"""Links as members make, list and revoke them."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.db.models import Count
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from album import queries
from album.exceptions import AlbumError
from album.models import Album, ShareLink
from album.services import sharing as service
from album.web.album_forms import LinkForm
from album.web.album_grid import read_grid
from album.web.requests import MemberRequest

PICKED_DIGITS = 15


@require_safe
@login_required
def links(request: MemberRequest) -> HttpResponse:
    """All links that the asking person may revoke."""
    return render(request, "album/share_links.html", {"links": _listed(request)})


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def album_links(request: MemberRequest, pk: int) -> HttpResponse:
    """The links to an album, and the form of another one, whose address is shown once: in its answer."""
    album = get_object_or_404(queries.visible_albums(request.user), pk=pk)
    if not queries.editable_albums(request.user).filter(pk=pk).exists():
        raise PermissionDenied
    posted = request.POST if request.method == "POST" else None
    form, address = LinkForm(posted), ""
    if posted is not None and form.is_valid():
        try:
            _link, token = service.create_link(user=request.user, album=album, terms=form.terms())
            address, form = _address(request, token), LinkForm()
        except AlbumError as error:
            form.add_error(None, str(error))
    context = {"album": album, "form": form, "address": address, "qr": address and _qr(address)}
    status = 422 if form.errors else 200
    return render(request, "album/share_links.html", context | {"links": _listed(request, album)}, status=status)


@require_POST
@login_required
def items_link(request: MemberRequest) -> HttpResponse:
    """The form of a link to picked items, ``ids``; filled in, with ``terms``, the link's address."""
    words = request.POST.get("ids", "").split(",")
    ids = [int(word) for word in words if word.isascii() and word.isdecimal() and len(word) <= PICKED_DIGITS]
    picked = ids[: service.ITEMS_MAX]
    mine = queries.owned_by(request.user).filter(pk__in=picked)
    is_filled = "terms" in request.POST
    form, address = LinkForm(request.POST if is_filled else None), ""
    if is_filled and form.is_valid():
        try:
            _link, token = service.create_link(user=request.user, item_ids=picked, terms=form.terms())
            address, form = _address(request, token), LinkForm()
        except AlbumError as error:
            form.add_error(None, str(error))
    rows, _more = read_grid(request, mine, None, ("", 12))
    context = {"form": form, "address": address, "qr": address and _qr(address), "rows": rows}
    context |= {"ids": ",".join(map(str, ids)), "total": mine.count(), "left_out": len(picked) - mine.count()}
    context |= {"beyond": len(ids) - len(picked), "most": service.ITEMS_MAX}
    return render(request, "album/share_items.html", context, status=422 if form.errors else 200)


@require_POST
@login_required
def link_revoke(request: MemberRequest, pk: int) -> HttpResponseRedirect:
    link = get_object_or_404(service.links_to(request.user), pk=pk)
    service.revoke_link(user=request.user, link=link)
    messages.success(request, _("The link is revoked. Whoever has its address sees nothing any more."))
    is_from_album = link.album_id and "from_album" in request.POST
    return redirect("album:album_links", link.album_id) if is_from_album else redirect("album:links")


def _listed(request: MemberRequest, album: Album | None = None) -> list[ShareLink]:
    return list(service.links_to(request.user, album).annotate(picked=Count("items")))


def _address(request: HttpRequest, token: str) -> str:
    return request.build_absolute_uri(reverse("album:shared", args=(token,)))


def _qr(address: str) -> str:
    """The drawing of the address that phones read, as SVG."""
    from qrcode import make
    from qrcode.image.svg import SvgPathImage

    return str(make(address, image_factory=SvgPathImage, border=2).to_string(encoding="unicode"))
