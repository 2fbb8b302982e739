"""What leaves an album or a link as a whole, and single files for whoever may not know where they were taken."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Iterator
from typing import BinaryIO

from django.contrib.auth.decorators import login_required
from django.db.models import QuerySet
from django.http import Http404, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.http import content_disposition_header
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from album import queries
from album.exceptions import AlbumError
from album.models import MediaItem, ShareLink
from album.models.media import Kind
from album.preparation.unlocated import open_unlocated, video_copy
from album.services.sharing import TooManyDownloads, count_zip
from album.services.zips import NothingToZip, safe_name, zip_as_made, zip_files
from album.web.addresses import Holder
from album.web.files_door import SANDBOX
from album.web.ranges import file_response
from album.web.requests import MemberRequest, VisitorRequest
from album.web.views.bulk import zip_entries
from album.web.views.shared import for_visitors

logger = logging.getLogger(__name__)
MP4 = "video/mp4"


@require_POST
@login_required
def album_zip(request: MemberRequest, pk: int) -> HttpResponseBase:
    """All originals of an album, for whoever sees it."""
    album = get_object_or_404(queries.visible_albums(request.user), pk=pk)
    try:
        return _zip_originals(queries.items_of(album, request.user), album.title)
    except NothingToZip:
        return redirect("album:album", pk)


@require_safe
@for_visitors
def shared_zip(request: VisitorRequest, link: ShareLink, holder: Holder) -> HttpResponseBase:
    """All that a link shows, as it lets it be downloaded, some times an hour."""
    if not link.may_download:
        raise Http404
    try:
        if request.method == "GET":
            count_zip(link=link)
    except TooManyDownloads as error:
        answer = render(request, "album/share_refused.html", {"reason": str(error)}, status=429)
        answer.headers["Retry-After"] = str(math.ceil(error.retry_after_s))
        return answer
    items = queries.shared_items(link)
    title = link.album.title if link.album else _("Shared photos")
    if not link.shows_location:
        return _zip_answer(zip_as_made(_without_places(items.iterator(chunk_size=100))), title)
    try:
        return _zip_originals(items, title)
    except NothingToZip:
        raise Http404 from None


@require_safe
@for_visitors
def shared_original(request: VisitorRequest, link: ShareLink, holder: Holder, pk: int) -> HttpResponseBase:
    """One original to keep, without its place unless the link shows it."""
    item = _shared_item(link, pk) if link.may_download else None
    if item is None:
        raise Http404
    if link.shows_location:
        return redirect(reverse("album:original", args=(pk,)))
    try:
        copy = open_unlocated(item)
    except (AlbumError, OSError) as error:
        return _refusal(request, item, error)
    name = content_disposition_header(as_attachment=True, filename=copy.name) or "attachment"
    return _sent(request, copy.file, copy.mime_type, {"Content-Disposition": name})


@require_safe
@for_visitors
def shared_video(request: VisitorRequest, link: ShareLink, holder: Holder, pk: int) -> HttpResponseBase:
    """A video to look at, or a part of it, without its place."""
    item = _shared_item(link, pk)
    if item is None or item.kind != Kind.VIDEO:
        raise Http404
    try:
        return _sent(request, video_copy(item).open("rb"), MP4, {})
    except (AlbumError, OSError) as error:
        return _refusal(request, item, error)


def _shared_item(link: ShareLink, pk: int) -> MediaItem | None:
    return queries.shared_items(link).filter(pk=pk).first()


def _sent(request: VisitorRequest, file: BinaryIO, mime_type: str, headers: dict[str, str]) -> HttpResponseBase:
    response = file_response(file, request.headers.get("Range"))
    for name, value in {"Content-Type": mime_type, "Content-Security-Policy": SANDBOX, **headers}.items():
        response.headers[name] = value
    return response


def _refusal(request: VisitorRequest, item: MediaItem, error: Exception) -> HttpResponse:
    logger.warning("Item %s cannot be given without its place: %s", item.pk, error)
    reason = _("This file cannot be given without the place where it was taken. Ask whoever shared it.")
    return render(request, "album/share_refused.html", {"reason": reason}, status=409)


def _without_places(items: Iterable[MediaItem]) -> Iterator[tuple[str, BinaryIO]]:
    """Copies, made one after the other; what cannot be copied is left out."""
    for item in items:
        try:
            copy = open_unlocated(item)
        except (AlbumError, OSError) as error:
            logger.warning("Item %s cannot be given without its place: %s", item.pk, error)
            continue
        yield copy.name, copy.file


def _zip_originals(items: QuerySet[MediaItem], title: str) -> StreamingHttpResponse:
    """Raises NothingToZip."""
    zipped = zip_files(zip_entries(items))
    answer = _zip_answer(zipped.chunks, title)
    answer.headers["Content-Length"] = str(zipped.size_bytes)
    return answer


def _zip_answer(chunks: Iterator[bytes], title: str) -> StreamingHttpResponse:
    name = content_disposition_header(as_attachment=True, filename=f"{safe_name(title)}.zip")
    headers = {"Content-Disposition": name or "attachment", "Cache-Control": "private, no-store"}
    return StreamingHttpResponse(chunks, content_type="application/zip", headers=headers)
