"""The files of an item: small pictures, the original, what players ask for. One rule for all: ``openable_by``.

Whoever opened a shared link gets the pictures that it shows. Most small pictures are asked for elsewhere:
``album.web.files_door``.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from stat import S_ISREG
from typing import BinaryIO

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.http import Http404, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.templatetags.static import static
from django.utils.cache import patch_vary_headers
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_safe

from album.exceptions import AlbumError
from album.media.renditions import ANIMATION, GRID, PREVIEW
from album.models import ApiKey, MediaItem, ShareLink
from album.models.media import Kind
from album.preparation.paths import find_video_proxy
from album.preparation.prepare import BeingPrepared, ensure_rendition
from album.queries.access import openable_by
from album.queries.files import is_current
from album.queries.sharing import openable_through
from album.web.files_door import AVIF, FOREVER, SANDBOX, accel_address
from album.web.keys import user_of
from album.web.ranges import file_response
from album.web.requests import VisitorRequest

logger = logging.getLogger(__name__)
MP4 = "video/mp4"
ALIKE = {"video/quicktime", "video/x-m4v"}
"""Containers that browsers play as MP4, and some of them only under that name."""
WAIT_S = 3.0
"""So long a page waits for a preview that is not there yet; then its place is held until the next look."""

View = Callable[[VisitorRequest, MediaItem, ShareLink | None], HttpResponseBase]


def _of_item(view: View) -> Callable[[VisitorRequest, int], HttpResponseBase]:
    """The view, called with the item if the visitor may open it, and with the link by which alone that is so."""

    @require_safe
    @wraps(view)
    def asked(request: VisitorRequest, pk: int) -> HttpResponseBase:
        user = user_of(request, ApiKey.Scope.READ)
        if item := openable_by(user).filter(pk=pk).first():
            return view(request, item, None)
        links = request.grants.opened_links()
        for link in links:
            if item := openable_through(link).filter(pk=pk).first():
                return view(request, item, link)
        if user.is_authenticated or links:
            raise Http404
        return redirect_to_login(request.get_full_path())

    return asked


@_of_item
def thumbnail(request: VisitorRequest, item: MediaItem, _link: ShareLink | None) -> HttpResponseBase:
    """400 pixels for grids, without metadata."""
    return _small_picture(request, item, GRID, "image/webp")


@_of_item
def preview(request: VisitorRequest, item: MediaItem, _link: ShareLink | None) -> HttpResponseBase:
    """1600 pixels without metadata, as AVIF for browsers that take it once there is one."""
    if AVIF in request.headers.get("Accept", "") and item.image_avif and Path(item.image_avif.path).is_file():
        response = _serve(request, item, AVIF, Path(item.image_avif.path))
    else:
        response = _small_picture(request, item, PREVIEW, "image/jpeg")
    patch_vary_headers(response, ["Accept"])
    return response


@_of_item
def animation(request: VisitorRequest, item: MediaItem, _link: ShareLink | None) -> HttpResponseBase:
    """A few moving seconds of a video, as a WebP."""
    if item.kind != Kind.VIDEO:
        raise Http404
    try:
        return _serve(request, item, "image/webp", ensure_rendition(item, ANIMATION, wait_s=WAIT_S))
    except (AlbumError, OSError) as error:
        logger.info("No animation of item %s: %s", item.pk, error, extra={"media_id": item.pk})
        raise Http404 from None


@_of_item
def original(request: VisitorRequest, item: MediaItem, link: ShareLink | None) -> HttpResponseBase:
    """The stored file as it came, under the name it came with; parts of it for a video player that seeks.

    It tells where it was taken, which not every link may. What links give without: ``album.web.views.sharing``.
    """
    if link and not (link.may_download and link.shows_location):
        raise Http404
    response = _serve(request, item, item.mime_type)
    name = content_disposition_header(as_attachment=True, filename=item.original_name)
    response.headers["Content-Disposition"] = name or "attachment"
    return response


@_of_item
def playback(request: VisitorRequest, item: MediaItem, link: ShareLink | None) -> HttpResponseBase:
    """A video as browsers can play it: the copy made for them where there is one, else the original."""
    if item.kind != Kind.VIDEO:
        raise Http404
    return _play(request, item, link)


@_of_item
def motion(request: VisitorRequest, item: MediaItem, link: ShareLink | None) -> HttpResponseBase:
    """The clip of a motion photo: a part of its original, or the video that belongs to it."""
    if item.motion_offset is not None and item.motion_size_bytes:
        _require_location(link)
        return _serve(request, item, MP4, part=(item.motion_offset, item.motion_size_bytes))
    clip = item.clips.order_by("pk").first()
    if clip is None:
        raise Http404
    return _play(request, clip, link)


def _play(request: VisitorRequest, video: MediaItem, link: ShareLink | None) -> HttpResponseBase:
    if proxy := find_video_proxy(video):
        return _serve(request, video, MP4, proxy)
    _require_location(link)
    return _serve(request, video, MP4 if video.mime_type in ALIKE else video.mime_type)


def _require_location(link: ShareLink | None) -> None:
    """Raises Http404 if what says where it was taken is not for whoever has ``link``."""
    if link and not link.shows_location:
        raise Http404


def _small_picture(request: VisitorRequest, item: MediaItem, name: str, mime_type: str) -> HttpResponseBase:
    """The rendition, made now if need be; a sign in its place while it is being made, or if it cannot be."""
    try:
        return _serve(request, item, mime_type, ensure_rendition(item, name, wait_s=WAIT_S))
    except BeingPrepared:
        sign = "album/waiting.svg"
    except (AlbumError, OSError) as error:
        logger.warning("No preview of item %s: %s", item.pk, error, extra={"media_id": item.pk})
        sign = "album/unreadable.svg"
    return HttpResponseRedirect(static(sign), headers={"Cache-Control": "no-store"})


def _serve(
    request: VisitorRequest,
    item: MediaItem,
    mime_type: str,
    rendition: Path | None = None,
    part: tuple[int, int] | None = None,
) -> HttpResponseBase:
    """A file of ``item``, its original unless a rendition is given, or the range of it that a player asks for.

    Of ``part``, an offset and a size in bytes, the rest of the file is kept back.
    """
    try:
        file = rendition.open("rb") if rendition else open_original(item)
        if part is None and (address := _nginx_address(rendition or item.path)):
            file.close()
            response: HttpResponseBase = HttpResponse(headers={"X-Accel-Redirect": address})
        else:
            response = file_response(file, request.headers.get("Range"), part)
    except OSError as error:
        logger.warning("A file of item %s cannot be read: %s", item.pk, error, extra={"media_id": item.pk})
        raise Http404 from None
    response.headers["Content-Type"] = mime_type
    # "private" keeps it out of shared caches. Without its version an address may show something else tomorrow.
    response.headers["Cache-Control"] = FOREVER if is_current(request.GET.get("v"), item) else "private, no-cache"
    response.headers["Content-Security-Policy"] = SANDBOX
    return response


def _nginx_address(path: Path) -> str:
    """Where nginx has the file; empty where it does not.

    It has what lies below MEDIA_ROOT. What was indexed in place may be another file a moment later.
    """
    folder = f"{settings.MEDIA_ROOT}{os.sep}"
    is_there = settings.X_ACCEL_REDIRECT_PREFIX and str(path).startswith(folder)
    return accel_address(str(path).removeprefix(folder)) if is_there else ""


def open_original(item: MediaItem) -> BinaryIO:
    """The original, open. One that was indexed in place is the file that was indexed, and no other in its place.

    Others write to such a folder, and a link there must not lead to what this program can read and they cannot.

    Raises:
        OSError: it is not there, cannot be read, or has changed.
    """
    descriptor = os.open(item.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)  # a pipe would be waited for
    found, known = os.fstat(descriptor), (item.size_bytes, item.source_modified_ns)
    is_known = not item.source_path or (found.st_size, found.st_mtime_ns) == known
    if not (S_ISREG(found.st_mode) and is_known):
        os.close(descriptor)
        raise OSError(f"{item.path} is not the file that was indexed. It can be had after the next import.")
    return os.fdopen(descriptor, "rb")
