"""Fetching an image from another site into an album."""

from __future__ import annotations

import logging

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods
from kombu.exceptions import OperationalError as BrokerError

from album.queries import fillable_albums, visible_albums
from album.services.external_images import ExternalImageRefused, check_url, recent_failures
from album.services.noted import in_words
from album.tasks import download_external_image_and_attach
from album.web.requests import MemberRequest

logger = logging.getLogger(__name__)
HTTP_ACCEPTED, HTTP_UNPROCESSABLE, HTTP_UNAVAILABLE = 202, 422, 503


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def import_url(request: MemberRequest, pk: int) -> HttpResponse:
    """The form for the address of an image, and after it whether a worker will fetch it (202)."""
    album = get_object_or_404(visible_albums(request.user), pk=pk)
    if not fillable_albums(request.user).filter(pk=pk).exists():
        raise PermissionDenied
    failures = recent_failures(user=request.user, album=album)
    context = {"album": album, "url": "", "error": "", "host": "", "failures": failures}
    if request.method != "POST":
        return render(request, "album/import_url.html", context)
    url = request.POST.get("url", "").strip()
    try:
        context["host"] = check_url(url).host
        # Nobody waits for the result: without Redis asking for it takes 20 s and fails.
        download_external_image_and_attach.apply_async(
            args=("album", "album", album.pk, url),
            kwargs={"user_id": request.user.pk},
            retry=False,
            ignore_result=True,
        )
    except ExternalImageRefused as error:
        status, context["error"] = HTTP_UNPROCESSABLE, in_words(str(error))
    except BrokerError:
        logger.exception("An image from another site was not queued")
        status, context["error"] = HTTP_UNAVAILABLE, _("The worker cannot be reached now. Try again in a minute.")
    else:
        return render(request, "album/import_url.html", context, status=HTTP_ACCEPTED)
    return render(request, "album/import_url.html", context | {"url": url}, status=status)
