"""The page from which site admins steer the batch: schedule, bounds, hardware, weights."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from album import tasks
from album.exceptions import BatchRefused, WeightsMissing
from album.inference.catalogue import find_entry
from album.models import AIProcessingSettings, Status
from album.models.media import Kind
from album.services.ai_settings import is_beat_heard, next_nights, save_ai_settings
from album.services.downloads import stop_download
from album.services.forecasts import NightForecast, forecast_nights
from album.services.machine import MachineReport, report_machine
from album.web.ai_forms import AISettingsForm
from album.web.durations import describe_duration
from album.web.requests import MemberRequest

HTTP_BAD_REQUEST = 400
View = Callable[..., HttpResponse]


def for_site_admins(view: View) -> View:
    """Lets in site admins; others who are signed in are refused."""

    @login_required
    @wraps(view)
    def guarded(request: MemberRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not request.user.is_superuser:
            raise PermissionDenied
        return view(request, *args, **kwargs)

    return guarded


@require_http_methods(["GET", "HEAD", "POST"])
@for_site_admins
def ai_settings(request: MemberRequest) -> HttpResponse:
    """The settings, the next nights as beat sees them, the machine and its weights; a POST saves."""
    row = AIProcessingSettings.load()
    form = AISettingsForm(request.POST if request.method == "POST" else None, instance=row)
    if request.method == "POST" and form.is_valid():
        save_ai_settings(form.instance)
        messages.success(request, _("Saved. Nothing needs a restart."))
        return redirect("album:ai_settings")
    machine = report_machine()
    if form.is_bound:
        row = AIProcessingSettings.load()  # the form has written into the first one
    forecasts = [forecast_nights(kind, row, machine.profile.batch_size) for kind in Kind]
    nights = next_nights()
    context = _models_context(machine) | {
        "form": form,
        "nights": nights,
        "is_night_missing": any(night.is_missing for night in nights),
        "is_beat_heard": is_beat_heard(),
        "server_zone": settings.TIME_ZONE,
        "forecasts": [(forecast, _words_of(forecast)) for forecast in forecasts],
    }
    return render(request, "album/ai_settings.html", context, status=HTTP_BAD_REQUEST if form.is_bound else 200)


@require_GET
@for_site_admins
def models(request: MemberRequest) -> HttpResponse:
    """The list of weights alone, while some are being fetched."""
    response = render(request, "album/_models.html", _models_context(report_machine(), asks_workers=True))
    response.headers["Cache-Control"] = "no-store"
    return response


@require_POST
@for_site_admins
def download(request: MemberRequest) -> HttpResponse:
    """Asks a worker to fetch the weights ``name``; with ``stop``, to leave it."""
    name = request.POST.get("name", "")
    try:
        find_entry(name)
        if "stop" in request.POST:
            stop_download(name=name)
            return _back(request)
        tasks.start_download(name=name, accepts_licence="accepts" in request.POST)
    except WeightsMissing as error:
        raise Http404 from error
    except BatchRefused as refusal:
        if request.headers.get("HX-Request"):
            return render(request, "album/_models.html", _models_context(report_machine()) | {"refusal": refusal})
        messages.error(request, str(refusal))
    return _back(request)


def _back(request: MemberRequest) -> HttpResponse:
    if request.headers.get("HX-Request"):
        return render(request, "album/_models.html", _models_context(report_machine()))
    return redirect("album:ai_settings")


def _models_context(machine: MachineReport, *, asks_workers: bool = False) -> dict[str, Any]:
    fetched = [model for model in machine.models if model.is_being_fetched]
    waiting = [model for model in fetched if model.download and model.download.state == Status.PENDING]
    return {
        "machine": machine,
        "is_fetching": bool(fetched),
        "has_no_worker": bool(asks_workers and waiting and not tasks.is_worker_there()),
    }


def _words_of(forecast: NightForecast) -> dict[str, str]:
    words = {}
    if forecast.each_s is not None:
        words["each"] = describe_duration(forecast.each_s) if forecast.each_s >= 1 else _("less than a second")
    if forecast.night_s:
        words["night"] = describe_duration(forecast.night_s)
    return words
