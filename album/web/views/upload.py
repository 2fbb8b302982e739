"""The door for files."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from django.contrib.auth.decorators import login_required
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_http_methods
from kombu.exceptions import OperationalError as BrokerError

from album import tasks
from album.exceptions import AlbumError, StorageError
from album.models import AIProcessingSettings, Album, MediaItem
from album.models.media import Kind
from album.services.ingest import ingest_upload
from album.web.forms import UploadForm
from album.web.requests import MemberRequest

logger = logging.getLogger(__name__)
HTTP_UNPROCESSABLE, HTTP_STORAGE_FULL = 422, 507


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one uploaded file: its item, or the reason why there is none."""

    name: str
    item: MediaItem | None = None
    is_new: bool = False
    error: AlbumError | None = None


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def upload(request: MemberRequest) -> HttpResponse:
    """The form, and after it what became of each file. The status tells programs whether any was stored."""
    outcomes: list[Outcome] = []
    form = UploadForm(request.user, *((request.POST, request.FILES) if request.method == "POST" else ()))
    if form.is_valid():
        album = form.cleaned_data["album"]
        outcomes = [_store(request, file, album) for file in form.cleaned_data["uploads"]]
        _start_analysis([outcome.item for outcome in outcomes if outcome.item and outcome.is_new])
        form = UploadForm(request.user, initial={"album": album})
    context = {"form": form, "outcomes": outcomes}
    return render(request, "album/upload.html", context, status=_status(request, outcomes))


def _store(request: MemberRequest, file: UploadedFile[bytes], album: Album | None) -> Outcome:
    name = file.name or "unnamed"
    try:
        result = ingest_upload(owner=request.user, file=file, name=name, album=album)
    except AlbumError as error:
        if isinstance(error, StorageError):
            logger.exception("An upload could not be stored")
        return Outcome(name, error=error)
    return Outcome(name, result.item, result.is_new)


def _status(request: MemberRequest, outcomes: list[Outcome]) -> int:
    if request.method != "POST" or any(outcome.item for outcome in outcomes):
        return 200
    is_full = any(isinstance(outcome.error, StorageError) for outcome in outcomes)
    return HTTP_STORAGE_FULL if is_full else HTTP_UNPROCESSABLE


def _start_analysis(items: list[MediaItem]) -> None:
    """Rings for each new item where the settings ask for it. Without a broker the items wait for the night."""
    row = AIProcessingSettings.load()
    if not (row.processing_enabled and row.auto_process_on_upload):
        return
    try:
        for item in items:
            task = tasks.process_photo_ai if item.kind == Kind.PHOTO else tasks.process_video_ai
            task.apply_async(args=(item.pk,), retry=False)
    except BrokerError as error:
        logger.warning("Uploads stay pending until the next batch: the broker does not answer (%s)", error)
