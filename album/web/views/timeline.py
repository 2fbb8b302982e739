"""The list of what a person may see, newest first, searched and filtered."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from album import queries
from album.models import Status
from album.search.filters import search_media
from album.web.requests import MemberRequest

PAGE_SIZE = 60


@require_safe
@login_required
def timeline(request: MemberRequest) -> HttpResponse:
    """The page ``?page=`` of the items that match ``?q=`` and stand in ``?status=``."""
    text = request.GET.get("q", "").replace("\x00", "").strip()[:300]
    found = search_media(request.user, text)
    counts = queries.status_counts(found)
    status = request.GET.get("status", "")
    if status in Status:
        items, count = found.filter(processing_status=status), counts[Status(status)]
    else:
        items, count, status = found, sum(counts.values()), ""
    paginator = Paginator(queries.timeline(items), PAGE_SIZE)
    paginator.count = count  # known already: no second count
    context = {
        "text": text,
        "status": status,
        "counts": [(name, number) for name, number in counts.items() if number],
        "total": sum(counts.values()),
        "page": paginator.get_page(request.GET.get("page")),
    }
    return render(request, "album/timeline.html", context)
