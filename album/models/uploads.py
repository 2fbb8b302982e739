"""Uploads that come in pieces."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models


class PartialUpload(models.Model):
    """A file of which a part has come. How much, the length of its file tells; the row goes when it is complete."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="partial_uploads")
    album = models.ForeignKey("album.Album", models.SET_NULL, null=True, blank=True, related_name="+")
    name = models.CharField(max_length=255)
    size_bytes = models.BigIntegerField()
    modified_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return f"{self.name} ({self.id})"
