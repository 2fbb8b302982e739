"""A plain Django view of the same rows: session, user, one query set, JSON. Its settings and addresses.

Served as the album is, beside it, in the same run: what it takes tells how fast the machine is. Nothing is checked,
signed or told but the rows.
"""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path

from photo_album.settings import *  # noqa: F403 - the album's, but for what follows

MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "allauth.account.middleware.AccountMiddleware",  # without it allauth refuses to start
]
ROOT_URLCONF = __name__
COLUMNS = ("pk", "kind", "width_px", "height_px", "duration_s", "placeholder", "title", "timeline_at")


def items(request: HttpRequest) -> HttpResponse:
    """100 rows of the timeline of whoever is signed in."""
    from album.models import MediaItem, Shelf

    if not request.user.is_authenticated:
        return HttpResponse(status=403)
    rows = MediaItem.objects.filter(owner=request.user.pk, shelf=Shelf.TIMELINE).order_by("-timeline_at", "-pk")
    answer = JsonResponse({"rows": list(rows.values_list(*COLUMNS)[:100])})
    answer["Content-Length"] = len(answer.content)
    return answer


def healthz(_: HttpRequest) -> HttpResponse:
    return HttpResponse()


urlpatterns = [path("timeline/items/", items), path("healthz", healthz)]
