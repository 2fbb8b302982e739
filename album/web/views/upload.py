"""The door for files."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.datastructures import MultiValueDict
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.decorators.http import require_http_methods, require_POST

from album.exceptions import AlbumError, StorageError, StorageFull
from album.models import Album, MediaItem
from album.queries import fillable_albums
from album.services.ingest import IngestResult, ingest_spooled
from album.services.noted import in_words
from album.services.uploads import SpooledUpload, SpoolHandler
from album.tasks.uploads import ring_for
from album.web.forms import UploadForm
from album.web.requests import MemberRequest

logger = logging.getLogger(__name__)
HASHES_MAX = 500
SHA256 = re.compile("[0-9a-f]{64}")
HTTP_UNPROCESSABLE, HTTP_UNAVAILABLE, HTTP_STORAGE_FULL = 422, 503, 507


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one uploaded file: its item, or the reason why there is none."""

    name: str
    result: IngestResult | None = None
    error: AlbumError | None = None

    @property
    def item(self) -> MediaItem | None:
        return self.result.item if self.result else None

    @property
    def status(self) -> str:
        """``stored``, ``restored`` (it lay in the trash), ``duplicate`` or ``refused``."""
        return self.result.status if self.result else "refused"

    @property
    def detail(self) -> str:
        """The same for a person."""
        if self.result is None:
            return in_words(str(self.error))
        words = {
            "stored": _("Stored in place of the file of %(name)s, which was missing, damaged or elsewhere.")
            if self.result.was_mended
            else _("Stored. It waits for its preview and for the next batch."),
            "restored": _("Taken back out of the trash: it is the same as %(name)s."),
            "duplicate": _("Known already: it is the same as %(name)s."),
        }[self.status]
        return words.replace("%(name)s", self.result.item.original_name)

    @property
    def url(self) -> str | None:
        """The page that shows the item: of the clip of a motion photo, the page of the photo."""
        return reverse("album:photo_detail", args=(self.item.clip_of_id or self.item.pk,)) if self.item else None

    def as_json(self) -> dict[str, object]:
        pk = self.item.pk if self.item else None
        return {"name": self.name, "id": pk, "status": self.status, "detail": self.detail, "url": self.url}


@require_POST
@login_required
def known(request: MemberRequest) -> HttpResponse:
    """Which of these contents the member has already: ``{"hashes": [SHA-256…]}`` → their pages by hash."""
    try:
        stated = json.loads(request.body)["hashes"][:HASHES_MAX]
        hashes = [text for text in stated if isinstance(text, str) and SHA256.fullmatch(text)]
    except (ValueError, KeyError, TypeError, RecursionError):
        return JsonResponse({"detail": _("A JSON object with a list of hashes is needed.")}, status=400)
    items = MediaItem.objects.filter(owner=request.user, sha256__in=hashes, trashed_at=None)
    pages = {
        sha256: reverse("album:photo_detail", args=(clip_of or pk,))
        for pk, sha256, clip_of in items.values_list("pk", "sha256", "clip_of")
    }
    return JsonResponse({"known": pages})


@csrf_exempt  # checked later: the check reads the body, which only a member may send, and only into a spool
@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def upload(request: MemberRequest) -> HttpResponse:
    """The form, and after it what became of each file. The status tells programs whether any was stored."""
    if request.method != "POST":
        return _page(request, UploadForm(request.user), [])
    return _into_spool(request, csrf_protect(_receive))


@csrf_exempt  # the system's share sheet knows no token; a page of another site is told by its headers
@require_http_methods(["GET", "POST"])
@login_required
def share_target(request: MemberRequest) -> HttpResponse:
    """What other apps share with the installed album, answered with the upload page."""
    if request.method == "GET":  # who had to sign in first comes back so, without what was shared
        messages.warning(request, _("You were signed out, so nothing was stored. Share it once more."))
        return redirect("album:upload")
    if request.headers.get("Sec-Fetch-Site", "cross-site") not in ("none", "same-origin"):
        raise PermissionDenied
    return _into_spool(request, _receive)


def _into_spool(
    request: MemberRequest, receive: Callable[[MemberRequest, SpoolHandler], HttpResponse]
) -> HttpResponse:
    handler = SpoolHandler(request)
    request.upload_handlers = [handler]
    try:
        return receive(request, handler)
    finally:
        handler.discard()


def _receive(request: MemberRequest, handler: SpoolHandler) -> HttpResponse:
    """Takes a form with files, or a body that is one file, whose ``name`` and other fields are in the address."""
    outcomes: list[Outcome] = []
    if request.content_type == "application/octet-stream":
        file = handler.take(request, request.GET.get("name", ""))
        form = UploadForm(request.user, request.GET, MultiValueDict({"uploads": [file]}))
    else:
        form = UploadForm(request.user, request.POST, request.FILES)
    if form.is_valid():
        album = form.cleaned_data["album"]
        moments = form.cleaned_data["modified"]
        outcomes = [
            _store(request, file, album, moments.get(place))
            for place, file in enumerate(form.cleaned_data["uploads"])
        ]
        new = [outcome.result.item for outcome in outcomes if outcome.result and outcome.result.is_new]
        transaction.on_commit(lambda: ring_for(new))
    if request.get_preferred_type(["text/html", "application/json"]) == "application/json":
        answer = {"files": [outcome.as_json() for outcome in outcomes], "errors": form.errors}
        return JsonResponse(answer, status=_status(outcomes, 201))
    if outcomes:
        form = UploadForm(request.user, initial={"album": album})
    return _page(request, form, outcomes, _status(outcomes, 200))


def _store(
    request: MemberRequest, file: SpooledUpload, album: Album | None, modified_at: datetime | None
) -> Outcome:
    name = file.name or "unnamed"
    try:
        result = ingest_spooled(owner=request.user, spooled=file.spooled(), album=album, modified_at=modified_at)
    except AlbumError as error:
        if isinstance(error, StorageError):
            logger.error("An upload could not be stored: %s", error, exc_info=not isinstance(error, StorageFull))
        return Outcome(name, error=error)
    return Outcome(name, result)


def _page(request: MemberRequest, form: UploadForm, outcomes: list[Outcome], status: int = 200) -> HttpResponse:
    albums = fillable_albums(request.user) if settings.ALLOWED_EXTERNAL_IMAGE_HOSTS else []
    context = {"form": form, "outcomes": outcomes, "albums": albums}
    return render(request, "album/upload.html", context, status=status)


def _status(outcomes: list[Outcome], if_new: int) -> int:
    """The best that happened to any file, else the worst that did."""
    if any(outcome.status == "stored" for outcome in outcomes):
        return if_new
    if any(outcome.result for outcome in outcomes):
        return 200
    if any(isinstance(outcome.error, StorageFull) for outcome in outcomes):
        return HTTP_STORAGE_FULL
    is_broken = any(isinstance(outcome.error, StorageError) for outcome in outcomes)
    return HTTP_UNAVAILABLE if is_broken else HTTP_UNPROCESSABLE
