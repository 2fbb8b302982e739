"""Uploads in pieces by the tus protocol, version 1.0.0 (https://tus.io/protocols/resumable-upload)."""

from __future__ import annotations

import base64
import binascii
import json
import logging
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import wraps
from http import HTTPStatus
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.http import http_date
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from album.exceptions import AlbumError, StorageError, StorageFull, UnsupportedMedia
from album.models import Album, ApiKey, PartialUpload
from album.queries import fillable_albums
from album.services.ingest import find_album
from album.services.noted import in_words
from album.services.resumable import (
    UploadBusy,
    UploadGone,
    WrongOffset,
    append_to_upload,
    begin_upload,
    cancel_upload,
    find_upload,
    finish_upload,
    received_bytes,
)
from album.tasks.uploads import ring_for
from album.web.keys import for_programs_too
from album.web.requests import MemberRequest
from album.web.views.upload import Outcome

logger = logging.getLogger(__name__)
VERSION = "1.0.0"
ALWAYS = {"Tus-Resumable": VERSION, "Tus-Version": VERSION, "Cache-Control": "no-store"}
CHUNK_BYTES = 128 * 1024
PIECE_TYPE = "application/offset+octet-stream"
STATUS_OF: tuple[tuple[type[AlbumError], HTTPStatus], ...] = (
    (UploadGone, HTTPStatus.NOT_FOUND),
    (WrongOffset, HTTPStatus.CONFLICT),
    (UploadBusy, HTTPStatus.LOCKED),
    (UnsupportedMedia, HTTPStatus.UNSUPPORTED_MEDIA_TYPE),
    (StorageFull, HTTPStatus.INSUFFICIENT_STORAGE),
    (StorageError, HTTPStatus.SERVICE_UNAVAILABLE),
    (AlbumError, HTTPStatus.UNPROCESSABLE_ENTITY),
)

View = Callable[..., HttpResponse]


def speaks_tus(view: View) -> View:
    """``view`` for members whose program speaks this version; its AlbumErrors become answers in words."""

    @wraps(view)
    def checked(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not request.user.is_authenticated:
            answer = _refuse(HTTPStatus.UNAUTHORIZED, _("Sign in again to go on."))
        elif request.method != "OPTIONS" and request.headers.get("Tus-Resumable") != VERSION:
            answer = _refuse(HTTPStatus.PRECONDITION_FAILED, f"Tus-Resumable: {VERSION} is needed.")
        else:
            try:
                answer = view(request, *args, **kwargs)
            except AlbumError as error:
                answer = _refuse(_status_of(error), in_words(str(error)))
        for header, value in ALWAYS.items():
            answer.headers[header] = value
        return answer

    return checked


def _status_of(error: AlbumError) -> HTTPStatus:
    return next(status for kind, status in STATUS_OF if isinstance(error, kind))


def _refuse(status: HTTPStatus, words: str) -> HttpResponse:
    return HttpResponse(words, status=status, content_type="text/plain; charset=utf-8")


@for_programs_too(ApiKey.Scope.UPLOAD)
@require_http_methods(["OPTIONS", "POST"])
@speaks_tus
def uploads(request: MemberRequest) -> HttpResponse:
    """A new upload at the address in ``Location``, or what this server can."""
    if request.method == "OPTIONS":
        extensions = {
            "Tus-Extension": "creation,expiration,termination",
            "Tus-Max-Size": str(settings.UPLOAD_MAX_BYTES),
        }
        return HttpResponse(status=HTTPStatus.NO_CONTENT, headers=extensions)
    stated = _read_metadata(request.headers.get("Upload-Metadata", ""))
    upload = begin_upload(
        owner=request.user,
        name=stated.get("filename", ""),
        size_bytes=_number(request, "Upload-Length"),
        album=_album(request, stated),
        modified_at=_moment(stated.get("modified", "")),
    )
    answer = HttpResponse(status=HTTPStatus.CREATED, headers=_expiry(upload))
    answer.headers["Location"] = reverse("album:upload_piece", args=(upload.pk,))
    return answer


@for_programs_too(ApiKey.Scope.UPLOAD)
@require_http_methods(["HEAD", "PATCH", "DELETE"])
@speaks_tus
def upload_piece(request: MemberRequest, pk: UUID) -> HttpResponse:
    """How much has come; the next piece of it; or its end. The last piece is answered with what became of the file.

    That stands, as JSON, in the header ``Upload-Result``: the protocol leaves no body to it.
    """
    upload = find_upload(request.user, pk)
    if request.method == "HEAD":
        return _tell(upload, received_bytes(upload), HTTPStatus.OK)
    if request.method == "DELETE":
        cancel_upload(upload)
        return HttpResponse(status=HTTPStatus.NO_CONTENT)
    if request.content_type != PIECE_TYPE:
        return _refuse(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"Content-Type: {PIECE_TYPE} is needed.")
    offset = append_to_upload(upload, _chunks(request), offset=_number(request, "Upload-Offset"))
    return _tell(upload, offset, HTTPStatus.NO_CONTENT)


def _tell(upload: PartialUpload, offset: int, status: HTTPStatus) -> HttpResponse:
    """How much is here. Programs take all of it for stored, so it is stored first, or an error says why not."""
    headers = {"Upload-Offset": str(offset), "Upload-Length": str(upload.size_bytes)}
    headers |= {"Upload-Result": json.dumps(_finish(upload))} if offset == upload.size_bytes else _expiry(upload)
    return HttpResponse(status=status, headers=headers)


def _finish(upload: PartialUpload) -> dict[str, object]:
    result = finish_upload(upload)
    if result.is_new:
        ring_for([result.item])
    return Outcome(upload.name, result).as_json()


def _chunks(request: HttpRequest) -> Iterator[bytes]:
    """What comes of the body. Where the connection is lost the rest is missing, and nothing is wrong with it."""
    try:
        while chunk := request.read(CHUNK_BYTES):
            yield chunk
    except OSError as error:
        logger.info("An upload was interrupted: %s", error)


def _expiry(upload: PartialUpload) -> dict[str, str]:
    return {"Upload-Expires": http_date(upload.expires_at.timestamp())}


def _number(request: HttpRequest, header: str) -> int:
    text = request.headers.get(header, "")
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise AlbumError(f"{header}: a number of bytes is needed.")
    return int(text)


def _read_metadata(header: str) -> dict[str, str]:
    """The names and values that the program states: ``name base64,name base64``."""
    stated = {}
    for pair in header.split(","):
        name, _space, text = pair.strip().partition(" ")
        try:
            stated[name] = base64.b64decode(text, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            raise AlbumError("Upload-Metadata: its values are to be UTF-8 in base64.") from None
    return stated


def _album(request: MemberRequest, stated: dict[str, str]) -> Album | None:
    """The album that is named by number, or by the title of a folder and made if there is none."""
    number, title = stated.get("album", ""), stated.get("folder", "").replace("\0", "").strip()[:200]
    if number:
        pk = int(number) if number.isascii() and number.isdigit() and len(number) < 19 else 0
        album = fillable_albums(request.user).filter(pk=pk).first()
        if album is None:
            raise AlbumError(_("There is no such album that you may add to. Choose another one."))
        return album
    if not title:
        return None
    with transaction.atomic():  # several files of one folder come at once: one album
        User.objects.select_for_update().get(pk=request.user.pk)
        return find_album(request.user, title)


def _moment(milliseconds: str) -> datetime | None:
    try:
        return datetime.fromtimestamp(int(milliseconds) / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return None
