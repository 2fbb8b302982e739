"""One item: its page, its preview, its original. A stranger gets the answer of an item that does not exist."""

from __future__ import annotations

import logging
from datetime import datetime
from itertools import groupby
from pathlib import Path

from django.contrib.auth.decorators import login_required
from django.http import FileResponse, Http404, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.templatetags.static import static
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_safe

from album.exceptions import MediaError
from album.models import ItemTag, MediaItem
from album.queries import visible_to, with_details
from album.services.previews import GRID_SIDE_PX, PAGE_SIDE_PX, make_preview
from album.web.ranges import file_response
from album.web.requests import MemberRequest

logger = logging.getLogger(__name__)
Source = ItemTag.Source
SOURCE_WORDS = {
    Source.PERSON: "From people",
    Source.FILE: "From the file",
    Source.CAPTION: "From the description",
    Source.ZERO_SHOT: "Recognized by AI",
    Source.DETECTOR: "Objects found by AI",
    Source.CLASSIFIER: "Classified by AI",
    Source.BUILT_IN: "Built-in",
}


@require_safe
@login_required
def photo_detail(request: MemberRequest, pk: int) -> HttpResponse:
    item = get_object_or_404(with_details(visible_to(request.user)), pk=pk)
    tags = [
        (SOURCE_WORDS[Source(source)], list(group))
        for source, group in groupby(item.item_tags.all(), key=lambda tag: tag.source)
    ]
    # The camera's clock is what people remember, wherever this server stands.
    taken_at = datetime.fromisoformat(item.taken_at_local) if item.taken_at_local else None
    return render(request, "album/photo_detail.html", {"item": item, "tags": tags, "taken_at": taken_at})


@require_safe
@login_required
def preview(request: MemberRequest, pk: int) -> HttpResponseBase:
    """A scaled JPEG without metadata: ``?side=480`` for the grid, else 1600 pixels."""
    item = get_object_or_404(visible_to(request.user), pk=pk)
    side_px = GRID_SIDE_PX if request.GET.get("side") == str(GRID_SIDE_PX) else PAGE_SIDE_PX
    try:
        file = make_preview(item=item, side_px=side_px).open("rb")
    except (MediaError, OSError) as error:
        logger.warning("No preview of item %s: %s", pk, error)
        return HttpResponseRedirect(static("album/unreadable.svg"))
    # The content of an item never changes; "private" keeps it out of shared caches.
    headers = {"Cache-Control": "private, max-age=86400"}
    return FileResponse(file, content_type="image/jpeg", headers=headers)


@require_safe
@login_required
def original(request: MemberRequest, pk: int) -> HttpResponseBase:
    """The stored file as it came, under the name it came with; parts of it for a video player that seeks."""
    item = get_object_or_404(visible_to(request.user), pk=pk)
    try:
        response = file_response(Path(item.original.path), request.headers.get("Range"))
    except FileNotFoundError:
        logger.warning("The original of item %s is missing: %s", pk, item.original.name)
        raise Http404 from None
    response.headers["Content-Type"] = item.mime_type
    response.headers["Content-Disposition"] = _attachment(item)
    response.headers["Cache-Control"] = "private, no-cache"
    # A polyglot file must not run as a page of this site even if a browser is talked into showing it.
    response.headers["Content-Security-Policy"] = "default-src 'none'; sandbox"
    return response


def _attachment(item: MediaItem) -> str:
    return content_disposition_header(as_attachment=True, filename=item.original_name) or "attachment"
