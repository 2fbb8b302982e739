"""The page of one item. A stranger gets the answer of an item that does not exist."""

from __future__ import annotations

from datetime import datetime
from itertools import groupby

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from album.models import ItemTag, MediaItem
from album.queries import visible_to, with_details
from album.web.requests import MemberRequest

Source = ItemTag.Source
MOVING_PICTURES = {"image/gif", "image/webp", "image/png", "image/avif"}
"""Types of photos that browsers play by themselves."""

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
    context = {
        "item": item,
        "tags": tags,
        "taken_at": taken_at,
        "exposure": _describe_exposure(item),
        "place": ", ".join(filter(None, (item.city, item.region, item.country))),
        "moves_by_itself": item.is_animated and item.mime_type in MOVING_PICTURES,
    }
    return render(request, "album/photo_detail.html", context)


def _describe_exposure(item: MediaItem) -> str:
    """``1/250 s, f/2.8, 50 mm, ISO 200``, as far as it is known."""
    parts = []
    if item.exposure_s:
        slow = item.exposure_s >= 0.4
        parts.append(f"{item.exposure_s:.3g} s" if slow else f"1/{round(1 / item.exposure_s)} s")
    if item.f_number:
        parts.append(f"f/{item.f_number:.3g}")
    if item.focal_length_mm:
        parts.append(f"{item.focal_length_mm:.3g} mm")
    if item.iso:
        parts.append(f"ISO {item.iso}")
    return ", ".join(parts)
