"""Photos and videos: one table, two proxies."""

from __future__ import annotations

from typing import Any, ClassVar

from django.conf import settings
from django.db import models


class Status(models.TextChoices):
    """Where an item stands with the batch. The words are part of the public interface."""

    PENDING = "pending", "Pending"
    PROCESSING = "processing", "Processing"
    COMPLETED = "completed", "Completed"
    FAILED = "failed", "Failed"


class Kind(models.TextChoices):
    PHOTO = "photo", "Photo"
    VIDEO = "video", "Video"


class MediaItem(models.Model):
    """One stored original. People write ``title`` and ``description``; a batch writes only ``ai_*`` columns."""

    kind = models.CharField(max_length=5, choices=Kind)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="media_items")
    albums = models.ManyToManyField("album.Album", blank=True, related_name="items")

    original = models.FileField(upload_to="originals", max_length=255)
    original_name = models.CharField(max_length=255)
    sha256 = models.CharField(max_length=64)
    size_bytes = models.BigIntegerField()
    mime_type = models.CharField(max_length=80)
    width_px = models.PositiveIntegerField(null=True, blank=True)
    height_px = models.PositiveIntegerField(null=True, blank=True)
    duration_s = models.FloatField(null=True, blank=True)
    taken_at = models.DateTimeField(null=True, blank=True)
    taken_at_local = models.CharField(max_length=19, blank=True, help_text="YYYY-MM-DDTHH:MM:SS as the camera said")
    latitude_deg = models.FloatField(null=True, blank=True)
    longitude_deg = models.FloatField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    title = models.CharField(max_length=200, blank=True)
    description = models.TextField(blank=True)

    ai_description = models.TextField(blank=True)
    ai_description_score = models.FloatField(null=True, blank=True)
    ai_weights = models.CharField(max_length=120, blank=True, help_text="Weights that wrote the description")
    tags = models.ManyToManyField("album.Tag", through="album.ItemTag", blank=True, related_name="items")

    processing_status = models.CharField(max_length=10, choices=Status, default=Status.PENDING)
    processed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=("owner", "sha256"), name="one_original_per_owner")]
        indexes = [
            models.Index(fields=("kind", "processing_status", "id"), name="item_kind_status"),
            models.Index(fields=("owner", "-taken_at", "-id"), name="item_timeline"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.pk} ({self.original_name})"


class KindManager(models.Manager["MediaItem"]):
    """Rows of one kind; new rows get that kind."""

    def __init__(self, kind: Kind) -> None:
        super().__init__()
        self.kind = kind

    def get_queryset(self) -> models.QuerySet[MediaItem]:
        return super().get_queryset().filter(kind=self.kind)

    def create(self, **values: Any) -> MediaItem:
        return super().create(kind=self.kind, **values)


class Photo(MediaItem):
    """A ``MediaItem`` that is a still picture."""

    objects: ClassVar[KindManager] = KindManager(Kind.PHOTO)  # type: ignore[assignment]

    class Meta:
        proxy = True


class Video(MediaItem):
    """A ``MediaItem`` that moves."""

    objects: ClassVar[KindManager] = KindManager(Kind.VIDEO)  # type: ignore[assignment]

    class Meta:
        proxy = True
