"""Photos and videos: one table, two proxies."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Case, Q, Value, When
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class Status(models.TextChoices):
    """Where an item stands with the batch. The words are part of the public interface."""

    PENDING = "pending", _("Pending")
    PROCESSING = "processing", _("Processing")
    COMPLETED = "completed", _("Completed")
    FAILED = "failed", _("Failed")


class Kind(models.TextChoices):
    PHOTO = "photo", _("Photo")
    VIDEO = "video", _("Video")


class Preview(models.TextChoices):
    """What can be shown of an item beside its original."""

    WAITING = "waiting", "Being prepared"
    READY = "ready", "Ready"
    NONE = "none", "No preview"


class Shelf(models.IntegerChoices):
    """Where an item is found. The clip of a motion photo stands behind the photo and is found nowhere."""

    TIMELINE = 0, "Timeline"
    ARCHIVE = 1, "Archive"
    CLIP = 2, "Clip"
    TRASH = 3, "Trash"


COLUMNS_OF_EDIT: dict[str, tuple[str, ...]] = {
    "title": ("title",),
    "description": ("description",),
    "date": ("taken_at", "taken_at_local", "taken_at_source", "time_zone", "timeline_at"),
    "place": ("latitude_deg", "longitude_deg", "country_code", "country", "region", "city"),
    "rating": ("rating",),
}
"""What people may write, as ``MediaItem.edited_fields`` names it, and the columns that are theirs from then on."""


def edited_columns(edited_fields: Iterable[str]) -> set[str]:
    """The columns that no file and no batch may write any more."""
    return {column for name in edited_fields for column in COLUMNS_OF_EDIT.get(name, ())}


def wall_clock(moment: datetime) -> datetime:
    """What the clock of this album shows then, kept as if it were UTC."""
    return timezone.localtime(moment, timezone.get_default_timezone()).replace(tzinfo=UTC)


def wall_clock_now() -> datetime:
    return wall_clock(timezone.now())


def timeline_at_of(taken_at_local: str, taken_at: datetime | None, came_in_at: datetime) -> datetime:
    """What ``MediaItem.timeline_at`` is by these columns: the camera's clock, else this album's."""
    if taken_at_local:
        return datetime.fromisoformat(taken_at_local).replace(tzinfo=UTC)
    return wall_clock(taken_at or came_in_at)


class MediaItem(models.Model):
    """One stored original. People write ``title`` and ``description``; a batch writes only ``ai_*`` columns.

    Preparation writes the facts that the file states, once, and the columns of the renditions. Of an original that
    was indexed in place ``original`` is empty and ``source_path`` says where it lies.
    """

    kind = models.CharField(max_length=5, choices=Kind)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="media_items")
    albums = models.ManyToManyField("album.Album", through="album.AlbumItem", blank=True, related_name="items")

    original = models.FileField(upload_to="originals", max_length=255, blank=True)
    source_path = models.TextField(blank=True, help_text="Absolute path of a file that was indexed in place")
    source_modified_ns = models.BigIntegerField(null=True, blank=True)
    original_name = models.CharField(max_length=255)
    sha256 = models.CharField(max_length=64)
    size_bytes = models.BigIntegerField()
    mime_type = models.CharField(max_length=80)
    file_modified_at = models.DateTimeField(null=True, blank=True, help_text="The time of the file as it came")
    verified_at = models.DateTimeField(null=True, blank=True, help_text="When fsck last read it and it was whole")
    width_px = models.PositiveIntegerField(null=True, blank=True)
    height_px = models.PositiveIntegerField(null=True, blank=True)
    duration_s = models.FloatField(null=True, blank=True)
    taken_at = models.DateTimeField(null=True, blank=True)
    taken_at_local = models.CharField(max_length=26, blank=True, help_text="ISO 8601, as the camera's clock said")
    taken_at_source = models.CharField(max_length=16, blank=True, help_text="What the date was taken from")
    time_zone = models.CharField(max_length=48, blank=True)
    latitude_deg = models.FloatField(null=True, blank=True)
    longitude_deg = models.FloatField(null=True, blank=True)
    country_code = models.CharField(max_length=2, blank=True)
    country = models.CharField(max_length=80, blank=True)
    region = models.CharField(max_length=120, blank=True)
    city = models.CharField(max_length=120, blank=True)
    camera = models.CharField(max_length=120, blank=True)
    lens = models.CharField(max_length=120, blank=True)
    exposure_s = models.FloatField(null=True, blank=True)
    f_number = models.FloatField(null=True, blank=True)
    focal_length_mm = models.FloatField(null=True, blank=True)
    iso = models.PositiveIntegerField(null=True, blank=True)
    rating = models.PositiveSmallIntegerField(null=True, blank=True, help_text="0 to 5 stars, as the file says")
    is_animated = models.BooleanField(default=False)
    video_codec = models.CharField(max_length=20, blank=True)
    audio_codec = models.CharField(max_length=20, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    timeline_at = models.DateTimeField(
        default=wall_clock_now, help_text="The clock where it was taken, as if it were UTC: timelines sort by it"
    )
    archived_at = models.DateTimeField(null=True, blank=True)
    trashed_at = models.DateTimeField(null=True, blank=True)
    shelf = models.GeneratedField(
        expression=Case(
            When(Q(trashed_at__isnull=False), then=Value(Shelf.TRASH.value)),
            When(Q(clip_of__isnull=False), then=Value(Shelf.CLIP.value)),
            When(Q(archived_at__isnull=False), then=Value(Shelf.ARCHIVE.value)),
            default=Value(Shelf.TIMELINE.value),
        ),
        output_field=models.PositiveSmallIntegerField(choices=Shelf),
        db_persist=True,
    )

    # A motion photo: the clip lies in the original at an offset, or is an item of its own that points here.
    motion_offset = models.BigIntegerField(null=True, blank=True)
    motion_size_bytes = models.BigIntegerField(null=True, blank=True)
    content_identifier = models.CharField(max_length=64, blank=True, help_text="Shared by photo and clip (Apple)")
    clip_of = models.ForeignKey("self", models.SET_NULL, null=True, blank=True, related_name="clips")

    prepared_at = models.DateTimeField(null=True, blank=True)
    prepare_attempts = models.PositiveSmallIntegerField(default=0)
    preview_status = models.CharField(max_length=7, choices=Preview, default=Preview.WAITING)
    preview_problem = models.TextField(blank=True, help_text="Why there is no preview, for a person")
    placeholder = models.CharField(max_length=64, blank=True, help_text="BlurHash")
    image_avif = models.FileField(upload_to="renditions", max_length=255, blank=True)
    avif_attempts = models.PositiveSmallIntegerField(default=0)
    needs_proxy = models.BooleanField(default=False, help_text="Browsers cannot play this video as it is")
    video_proxy = models.FileField(upload_to="renditions", max_length=255, blank=True)
    proxy_attempts = models.PositiveSmallIntegerField(default=0)
    proxy_problem = models.TextField(blank=True)

    title = models.CharField(max_length=200, blank=True)
    description = models.TextField(blank=True)
    edited_fields = models.JSONField(
        default=list, blank=True, help_text="What people wrote: no file and no batch changes it"
    )
    stated_words = models.JSONField(
        default=dict,
        blank=True,
        help_text="Title and description as the file stated them when they were taken over",
    )

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
            models.Index(fields=("owner", "shelf", "-timeline_at", "-id"), name="item_timeline"),
            models.Index(fields=("shelf", "-timeline_at", "-id"), name="item_shelf"),
            models.Index(fields=("sha256",), name="item_sha256"),
            models.Index(fields=("preview_status", "id"), name="item_preview_status"),
            models.Index(
                fields=("owner", "trashed_at"), name="item_trash", condition=models.Q(trashed_at__isnull=False)
            ),
            # Without a condition: SQLite does not match a bound parameter to a partial index.
            models.Index(fields=("source_path",), name="item_source_path"),
            models.Index(fields=("content_identifier",), name="item_content_identifier"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.pk} ({self.original_name})"

    @property
    def path(self) -> Path:
        """Where the original lies: in the storage, or in the folder that was indexed in place."""
        return Path(self.source_path or self.original.path)


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
