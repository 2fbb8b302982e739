"""The files of an item: previews, the original, what players ask for. One rule for all of them: ``openable_by``."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from stat import S_ISREG
from typing import BinaryIO

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.templatetags.static import static
from django.utils.cache import patch_vary_headers
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_safe

from album.exceptions import AlbumError
from album.media.renditions import ANIMATION, GRID, GRID_SIDE_PX, PREVIEW
from album.models import MediaItem
from album.models.media import Kind
from album.preparation.prepare import BeingPrepared, ensure_rendition
from album.queries import openable_by
from album.web.addresses import version_of
from album.web.ranges import file_response
from album.web.requests import MemberRequest

logger = logging.getLogger(__name__)
MP4, AVIF = "video/mp4", "image/avif"
ALIKE = {"video/quicktime", "video/x-m4v"}
"""Containers that browsers play as MP4, and some of them only under that name."""
FOREVER = "max-age=31536000, immutable"
WAIT_S = 3.0
"""So long a page waits for a preview that is not there yet; then its place is held until the next look."""


@require_safe
@login_required
def preview(request: MemberRequest, pk: int) -> HttpResponseBase:
    """A small picture without metadata: ``?side=400`` for the grid, else 1600 pixels, as AVIF if that is there."""
    item = get_object_or_404(openable_by(request.user), pk=pk)
    is_small = request.GET.get("side") == str(GRID_SIDE_PX)
    takes_avif = AVIF in request.headers.get("Accept", "")
    try:
        if not is_small and takes_avif and item.image_avif and Path(item.image_avif.path).is_file():
            response = _serve(request, item, AVIF, Path(item.image_avif.path))
        elif is_small:
            response = _serve(request, item, "image/webp", ensure_rendition(item, GRID, wait_s=WAIT_S))
        else:
            response = _serve(request, item, "image/jpeg", ensure_rendition(item, PREVIEW, wait_s=WAIT_S))
    except BeingPrepared:
        placeholder = HttpResponseRedirect(static("album/waiting.svg"))
        placeholder.headers["Cache-Control"] = "no-store"
        return placeholder
    except (AlbumError, OSError) as error:
        logger.warning("No preview of item %s: %s", pk, error)
        return HttpResponseRedirect(static("album/unreadable.svg"))
    if not is_small:
        patch_vary_headers(response, ["Accept"])
    return response


@require_safe
@login_required
def original(request: MemberRequest, pk: int) -> HttpResponseBase:
    """The stored file as it came, under the name it came with; parts of it for a video player that seeks."""
    item = get_object_or_404(openable_by(request.user), pk=pk)
    response = _serve(request, item, item.mime_type)
    name = content_disposition_header(as_attachment=True, filename=item.original_name)
    response.headers["Content-Disposition"] = name or "attachment"
    return response


@require_safe
@login_required
def playback(request: MemberRequest, pk: int) -> HttpResponseBase:
    """A video as browsers can play it: the copy made for them where there is one, else the original."""
    item = get_object_or_404(openable_by(request.user), pk=pk, kind=Kind.VIDEO)
    return _play(request, item)


@require_safe
@login_required
def motion(request: MemberRequest, pk: int) -> HttpResponseBase:
    """The clip of a motion photo: a part of its original, or the video that belongs to it."""
    item = get_object_or_404(openable_by(request.user), pk=pk)
    if item.motion_offset is not None and item.motion_size_bytes:
        return _serve(request, item, MP4, part=(item.motion_offset, item.motion_size_bytes))
    clip = item.clips.order_by("pk").first()
    if clip is None:
        raise Http404
    return _play(request, clip)


@require_safe
@login_required
def animation(request: MemberRequest, pk: int) -> HttpResponseBase:
    """A few moving seconds of a video, as a WebP."""
    item = get_object_or_404(openable_by(request.user), pk=pk, kind=Kind.VIDEO)
    try:
        return _serve(request, item, "image/webp", ensure_rendition(item, ANIMATION, wait_s=WAIT_S))
    except (AlbumError, OSError) as error:
        logger.info("No animation of item %s: %s", pk, error)
        raise Http404 from None


def _play(request: MemberRequest, video: MediaItem) -> HttpResponseBase:
    if video.video_proxy:
        return _serve(request, video, MP4, Path(video.video_proxy.path))
    return _serve(request, video, MP4 if video.mime_type in ALIKE else video.mime_type)


def _serve(
    request: MemberRequest,
    item: MediaItem,
    mime_type: str,
    rendition: Path | None = None,
    part: tuple[int, int] | None = None,
) -> HttpResponseBase:
    """A file of ``item``, its original unless a rendition is given, or the range of it that a player asks for.

    Of ``part``, an offset and a size in bytes, the rest of the file is kept back.
    """
    try:
        file = rendition.open("rb") if rendition else _open_original(item)
        response = file_response(file, request.headers.get("Range"), part)
    except OSError as error:
        logger.warning("A file of item %s cannot be read: %s", item.pk, error)
        raise Http404 from None
    response.headers["Content-Type"] = mime_type
    # "private" keeps it out of shared caches. Without its version an address may show something else tomorrow.
    is_versioned = request.GET.get("v") == version_of(item)
    response.headers["Cache-Control"] = f"private, {FOREVER if is_versioned else 'no-cache'}"
    # A polyglot file must not run as a page of this site even if a browser is talked into showing it.
    response.headers["Content-Security-Policy"] = "default-src 'none'; sandbox"
    return response


def _open_original(item: MediaItem) -> BinaryIO:
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
