"""What a browser needs to install the album as an app, and to say that it is offline."""

from __future__ import annotations

from pathlib import Path

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import render
from django.templatetags.static import static
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

WORKER = Path(__file__).resolve().parents[2] / "static/album/js/service_worker.js"
DAY = "public, max-age=86400"


@require_safe
def manifest(request: HttpRequest) -> HttpResponse:
    """The album as an installable app that takes what other apps share."""
    files = [{"name": "uploads", "accept": ["image/*", "video/*"]}]
    app = {
        "name": "Photo Album",
        "id": "/",
        "start_url": reverse("album:timeline"),
        "scope": "/",
        "display": "standalone",
        "background_color": "#f5f6f5",
        "theme_color": "#2f6f6a",
        "description": _("Your photos and videos, on your own machine"),
        "icons": [
            {"src": static(f"album/app-{purpose}.png"), "sizes": "512x512", "type": "image/png", "purpose": purpose}
            for purpose in ("any", "maskable")
        ],
        "shortcuts": [{"name": _("Upload"), "url": reverse("album:upload")}],
        "share_target": {
            "action": reverse("album:share_target"),
            "method": "POST",
            "enctype": "multipart/form-data",
            "params": {"files": files},
        },
    }
    return JsonResponse(app, content_type="application/manifest+json", headers={"Cache-Control": DAY})


@require_safe
def favicon(request: HttpRequest) -> HttpResponse:
    """Where the icon lies: browsers ask for it beside what names none, as the admin and originals do."""
    return HttpResponseRedirect(static("album/icon.svg"), headers={"Cache-Control": DAY})


@require_safe
def service_worker(request: HttpRequest) -> HttpResponse:
    """The script of the app, at the root: it may only look after what lies below its own address."""
    headers = {"Cache-Control": "no-cache"}
    return HttpResponse(WORKER.read_bytes(), content_type="text/javascript; charset=utf-8", headers=headers)


@require_safe
def offline(request: HttpRequest) -> HttpResponse:
    """What the installed app shows without a connection. Nothing of anybody stands on it."""
    response = render(request, "album/offline.html")
    response.headers["Cache-Control"] = DAY
    return response
