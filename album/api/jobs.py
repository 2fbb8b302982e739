"""The resize jobs: made, asked for, fetched. Somebody else's job does not exist."""

from __future__ import annotations

import logging
import uuid
from datetime import UTC
from functools import partial
from typing import Any, cast

from django.contrib.auth.models import User
from django.db import transaction
from django.http import FileResponse, HttpRequest, HttpResponseBase
from django.urls import reverse
from rest_framework import serializers
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from album.exceptions import MediaError
from album.models import ApiKey, ImageJob
from album.services.jobs import create_job, refuse_above_quota
from album.services.uploads import SpooledUpload, SpoolHandler
from album.tasks import process_image_job
from album.tasks.bell import ring_bell

logger = logging.getLogger(__name__)
FIELD = "original_image"


class JobSerializer(serializers.ModelSerializer[ImageJob]):
    """A job; its pictures as paths on this site, or null."""

    original_image = serializers.SerializerMethodField()
    resized_image = serializers.SerializerMethodField()
    error_message = serializers.SerializerMethodField()
    created_at = serializers.DateTimeField(default_timezone=UTC)

    class Meta:
        model = ImageJob
        fields = ("id", "status", "original_image", "resized_image", "error_message", "created_at")

    def get_original_image(self, job: ImageJob) -> str:
        return reverse("api:job_file", args=(job.pk, job.original_name))

    def get_resized_image(self, job: ImageJob) -> str | None:
        return reverse("api:job_file", args=(job.pk, job.resized_name)) if job.resized_image else None

    def get_error_message(self, job: ImageJob) -> str | None:
        return job.error_message or None


class JobView(APIView):
    """A program that may upload may also fetch what became of it."""

    parser_classes = [MultiPartParser]
    scope = ApiKey.Scope.UPLOAD


class Jobs(JobView):
    """``POST``: an image that a worker is to resize."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        handler = SpoolHandler(request, "JOB_MAX")
        request.upload_handlers = [handler]
        try:
            return super().dispatch(request, *args, **kwargs)
        finally:
            handler.discard()

    def post(self, request: Request) -> Response:
        owner = _member(request)
        refuse_above_quota(owner)  # before a program's file is read
        upload = request.FILES.get(FIELD)
        if not isinstance(upload, SpooledUpload):
            raise ValidationError(
                {FIELD: ["No file was submitted. Send one as the multipart field original_image."]}
            )
        try:
            job = create_job(owner=owner, spooled=upload.spooled())
        except MediaError as error:
            raise ValidationError({FIELD: [str(error)]}) from error
        transaction.on_commit(partial(ring_bell, process_image_job, str(job.pk)))
        return Response(JobSerializer(job).data, status=201)


class Job(JobView):
    """``GET``: how the job stands."""

    def get(self, request: Request, job_id: str) -> Response:
        return Response(JobSerializer(_own_job(request, job_id)).data)


class JobFile(JobView):
    """``GET``: the original or the resized picture, by its name."""

    def get(self, request: Request, job_id: str, name: str) -> FileResponse:
        job = _own_job(request, job_id)
        stored = {job.original_name: job.original_image, job.resized_name: job.resized_image}.get(name)
        try:
            file = stored.open("rb") if stored else None
        except OSError as error:
            logger.warning("A file of job %s cannot be read: %s", job_id, error)
            file = None
        if file is None:
            raise NotFound("Not found.")
        # As an attachment: a file that is also a page must not run as one of this site.
        return FileResponse(file, as_attachment=True, filename=name)


def _member(request: Request) -> User:
    return cast(User, request.user)  # nobody else passes the permission that settings ask for


def _own_job(request: Request, job_id: str) -> ImageJob:
    """The job of that id if it is the asking user's; one answer for all else, so that ids tell nothing."""
    try:
        return ImageJob.objects.get(pk=uuid.UUID(job_id), owner=_member(request))
    except (ValueError, ImageJob.DoesNotExist):
        raise NotFound("Not found.") from None
