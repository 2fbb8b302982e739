"""The pages that start, watch and stop batches, one for photos and one for videos."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from album import tasks
from album.exceptions import BatchRefused
from album.models import AIProcessingSettings, BatchRun
from album.models.media import Kind
from album.queries.processing import album_status_counts, library_status_counts
from album.services import batch_requests as service
from album.services.batch_progress import RunProgress, latest_run, progress_of, results_of
from album.tasks.bell import ring_bell
from album.web.ai_forms import BatchForm
from album.web.durations import describe_duration, describe_pace
from album.web.requests import MemberRequest

HTTP_BAD_REQUEST, HTTP_CONFLICT = 400, 409
RESULTS, FAILURES = 24, 20
PAGES = {Kind.PHOTO: "album:process_photos_ai", Kind.VIDEO: "album:process_videos_ai"}
View = Callable[..., HttpResponse]


def for_album_admins(view: View) -> View:
    """Lets in who may process something; others who are signed in are refused."""

    @login_required
    @wraps(view)
    def guarded(request: MemberRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not service.may_process(request.user):
            raise PermissionDenied
        return view(request, *args, **kwargs)

    return guarded


@require_http_methods(["GET", "HEAD", "POST"])
@for_album_admins
def processing(request: MemberRequest, kind: Kind) -> HttpResponse:
    """Counts, the latest batch, what it found and what failed; a POST starts a batch."""
    row = AIProcessingSettings.load()
    data = request.POST if request.method == "POST" else None
    form = BatchForm(request.user, row.on_demand_limit, data, initial={"album": request.GET.get("album")})
    if data is None:
        return _page(request, kind, form, row)
    if not form.is_valid():
        return _page(request, kind, form, row, status=HTTP_BAD_REQUEST)
    asked = {name: form.cleaned_data[name] for name in ("album", "limit")}
    try:
        tasks.start_batch(user=request.user, kind=kind, is_forced=form.cleaned_data["force"], **asked)
    except BatchRefused as refusal:
        form.add_error(None, str(refusal))
        return _page(request, kind, form, row, status=HTTP_CONFLICT)
    return redirect(PAGES[kind])


@require_GET
@for_album_admins
def run_status(request: MemberRequest, kind: Kind) -> HttpResponse:
    """The panel of the latest run alone. One that has ended since ``?active=`` tells the page."""
    context = _run_context(request, kind, asks_workers=True)
    response = render(request, "album/_run.html", context)
    progress: RunProgress | None = context["progress"]
    if request.GET.get("active") and not (progress and progress.is_active):
        response.headers["HX-Trigger"] = "batch-ended"
    response.headers["Cache-Control"] = "no-store"
    return response


@require_POST
@for_album_admins
def stop(request: MemberRequest, kind: Kind, pk: int) -> HttpResponse:
    service.request_stop(run=get_object_or_404(service.runs_of(request.user), pk=pk, kind=kind))
    if request.headers.get("HX-Request"):
        return render(request, "album/_run.html", _run_context(request, kind))
    return redirect(PAGES[kind])


@require_POST
@for_album_admins
def retry(request: MemberRequest, kind: Kind) -> HttpResponse:
    """Failed items wait again: all of them, or the one named by ``item``, which is also begun at once."""
    text = request.POST.get("item", "")
    if text and not (text.isascii() and text.isdecimal() and len(text) < 19):
        return HttpResponse(_("That is not the number of an item."), status=HTTP_BAD_REQUEST)
    count = service.retry_failed(user=request.user, kind=kind, item_id=int(text) if text else None)
    if text and not count:
        raise Http404
    if text and AIProcessingSettings.load().processing_enabled:
        ring_bell(tasks.process_photo_ai if kind == Kind.PHOTO else tasks.process_video_ai, int(text))
        messages.success(request, _("It is tried again as soon as the worker is free."))
    else:
        words = ngettext(
            "%(count)d item waits again. Start a batch, or leave it to the night.",
            "%(count)d items wait again. Start a batch, or leave them to the night.",
            count,
        )
        messages.success(request, words % {"count": count})
    return redirect(PAGES[kind])


def _page(
    request: MemberRequest, kind: Kind, form: BatchForm, row: AIProcessingSettings, status: int = 200
) -> HttpResponse:
    user = request.user
    failed = service.failed_items(user, kind).prefetch_related("stage_results").order_by("-pk")
    context = _run_context(request, kind) | {
        "form": form,
        "row": row,
        "albums": album_status_counts(service.batch_albums(user), kind),
        "library": library_status_counts(kind) if user.is_superuser else None,
        "page": Paginator(failed, FAILURES).get_page(request.GET.get("page")),
        "max_attempts": settings.AI_MAX_ATTEMPTS,
    }
    if (progress := context["progress"]) is not None:
        context["results"] = results_of(progress.run, user)[:RESULTS]
    return render(request, "album/processing.html", context, status=status)


def _words_of(progress: RunProgress) -> dict[str, str]:
    run = progress.run
    words = {}
    if run.items_per_second:
        words["pace"] = describe_pace(run.items_per_second)
    if progress.left_s is not None:
        words["left"] = describe_duration(progress.left_s)
    if run.started_at and run.finished_at:
        words["lasted"] = describe_duration((run.finished_at - run.started_at).total_seconds())
    return words


def _run_context(request: MemberRequest, kind: Kind, *, asks_workers: bool = False) -> dict[str, Any]:
    run: BatchRun | None = latest_run(request.user, kind)
    progress = None if run is None else progress_of(run)
    words = {} if progress is None else _words_of(progress)
    needs_worker = progress is None or not progress.is_active or progress.waits_long
    return words | {
        "kind": kind,
        "is_photos": kind == Kind.PHOTO,
        "page_url": PAGES[kind],
        "progress": progress,
        "has_no_worker": asks_workers and needs_worker and not tasks.is_worker_there(),
    }
