"""A sign of life for whoever watches this machine, and numbers for a program that draws them."""

from __future__ import annotations

from hmac import compare_digest

from django.conf import settings
from django.db import DatabaseError, connection
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from album.services.status import check_status
from album.services.status.metrics import write_metrics


@never_cache
@require_safe
def healthz(request: HttpRequest) -> JsonResponse:
    """200 where web and database answer, 503 where the database does not. Says nothing else to strangers."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM django_migrations LIMIT 1")  # of a table: SQLite opens its file with it
    except DatabaseError:
        return JsonResponse({"status": "unavailable"}, status=503)
    return JsonResponse({"status": "ok"})


@never_cache
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """What the status page tells, as Prometheus reads it; only for whoever has ``METRICS_TOKEN``."""
    if not settings.METRICS_TOKEN:
        raise Http404
    given = request.headers.get("Authorization", "")
    if not compare_digest(given.encode(), f"Bearer {settings.METRICS_TOKEN}".encode()):
        return HttpResponse("", status=401, headers={"WWW-Authenticate": "Bearer"}, content_type="text/plain")
    text = write_metrics(check_status(asks_web=False))
    return HttpResponse(text, content_type="text/plain; version=0.0.4; charset=utf-8")
