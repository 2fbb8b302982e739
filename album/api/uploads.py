"""Files come in: one in a request. Large ones over shaky connections: docs/uploading.md, in pieces."""

from __future__ import annotations

import logging
from functools import partial
from typing import Any

from django.db import transaction
from django.http import HttpRequest, HttpResponseBase
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request

from album import queries
from album.api.endpoints import Resource, Told, endpoint, member
from album.api.fields import Body, Query, Text, Whole
from album.api.media_shapes import MediaInList
from album.api.moments import Moment
from album.models import Album, ApiKey, MediaItem
from album.queries.details import listed
from album.services.ingest import ingest_spooled
from album.services.uploads import SpooledUpload, SpoolHandler
from album.tasks.uploads import ring_for

logger = logging.getLogger(__name__)
HASHES_MAX = 500
SHA256 = r"^[0-9a-f]{64}$"


class UploadForm(Query):
    """A multipart form."""

    file = serializers.FileField(allow_empty_file=True)
    sha256 = serializers.RegexField(
        SHA256, required=False, help_text="In lower case. Another file than this one is refused."
    )
    album = Whole(min_value=1, required=False, help_text="An album that you may add to.")
    modified_at = Moment(required=False, help_text="The time of the file where it comes from.")


class Stored(serializers.Serializer[Any]):
    """What became of a file."""

    status = serializers.ChoiceField(
        ["stored", "restored", "duplicate"],
        help_text="`duplicate`: you have it already. `restored`: it lay in the trash, and came back.",
    )
    media = MediaInList()


class Hashes(Body):
    sha256 = serializers.ListField(
        child=Text(max_length=64), max_length=HASHES_MAX, allow_empty=False, help_text="SHA-256 in lower case."
    )


class KnownFile(serializers.Serializer[Any]):
    sha256 = serializers.CharField()
    id = serializers.IntegerField()


class KnownFiles(serializers.Serializer[Any]):
    known = KnownFile(many=True)


class Uploads(Resource):
    parser_classes = [MultiPartParser]
    scope = ApiKey.Scope.UPLOAD

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        handler = SpoolHandler(request)
        request.upload_handlers = [handler]
        try:
            return super().dispatch(request, *args, **kwargs)
        finally:
            handler.discard()

    @endpoint(Stored, body=UploadForm, status=201, also=(200,))
    def post(self, request: Request, asked: dict[str, Any]) -> Told:
        """Stores a file: 201 if it is new, 200 if you had it already. It is safe once this is answered."""
        user, file = member(request), asked["file"]
        if not isinstance(file, SpooledUpload):
            raise ValidationError({"file": ["Send a file as the multipart field file."]})
        spooled = file.spooled()
        if asked.get("sha256", spooled.sha256) != spooled.sha256:
            words = f"What came has another hash ({spooled.sha256}), so nothing was kept. Send it again."
            raise ValidationError({"sha256": [words]})
        result = ingest_spooled(
            owner=user, spooled=spooled, album=_album(request, asked), modified_at=asked.get("modified_at")
        )
        if result.is_new:
            transaction.on_commit(partial(ring_for, [result.item]))
        item = listed(MediaItem.objects.filter(pk=result.item.pk), user).get()
        return Told({"status": result.status, "media": item}, 201 if result.status == "stored" else 200)


class UploadsKnown(Resource):
    scope = ApiKey.Scope.UPLOAD

    @endpoint(KnownFiles, body=Hashes)
    def post(self, request: Request, asked: dict[str, Any]) -> dict[str, Any]:
        """Which of these files you have already, so that nobody sends them again."""
        items = MediaItem.objects.filter(owner=member(request), sha256__in=asked["sha256"], trashed_at=None)
        return {"known": list(items.order_by("pk").values("id", "sha256"))}


def _album(request: Request, asked: dict[str, Any]) -> Album | None:
    if "album" not in asked:
        return None
    album = queries.fillable_albums(member(request)).filter(pk=asked["album"]).first()
    if album is None:
        raise ValidationError({"album": ["There is no such album that you may add to."]})
    return album
