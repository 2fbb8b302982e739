"""Rows as the API shows them."""

from __future__ import annotations

from datetime import UTC

from django.urls import reverse
from rest_framework import serializers

from album.models import ImageJob


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
