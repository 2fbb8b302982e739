"""The page that tells site admins how the album is."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from album.services.status import check_status, worst
from album.web.requests import MemberRequest
from album.web.views.ai_settings import for_site_admins


@never_cache
@require_safe
@for_site_admins
def status(request: MemberRequest) -> HttpResponse:
    """A line for each thing that may fail, troubles first. Takes about a second: workers are asked."""
    lines = check_status(asks_web=False)
    troubles = [line for line in lines if line.state != "ok"]
    context = {
        "state": worst(lines),
        "troubles": sorted(troubles, key=lambda line: line.state),  # problem before warning
        "fine": [line for line in lines if line.state == "ok"],
        "asked_at": timezone.now(),
    }
    return render(request, "album/status.html", context)
