"""Resize jobs of the public API: short-lived, not part of the library."""

from __future__ import annotations

import uuid
from pathlib import PurePath

from django.conf import settings
from django.db import models

from album.models.media import Status


class ImageJob(models.Model):
    """One image to resize. It and its two files are removed a day after it was made."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="image_jobs")
    status = models.CharField(max_length=10, choices=Status, default=Status.PENDING)
    original_image = models.FileField(upload_to="jobs/originals", max_length=255)
    resized_image = models.FileField(upload_to="jobs/thumbnails", max_length=255, blank=True)
    error_message = models.TextField(blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)
    started_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"job {self.pk} ({self.status})"

    @property
    def original_name(self) -> str:
        """What the original is called in its address."""
        return f"original{PurePath(self.original_image.path).suffix}"

    @property
    def resized_name(self) -> str:
        """What the resized picture is called in its address, once there is one."""
        return f"thumbnail-{self.pk.hex[:8]}.jpg"
