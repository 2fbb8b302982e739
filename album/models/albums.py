"""Albums and tags."""

from __future__ import annotations

from django.conf import settings
from django.db import models


class Album(models.Model):
    """A named selection of media. Its admins may process it; its viewers may look at it."""

    title = models.CharField(max_length=200)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="albums")
    admins = models.ManyToManyField(settings.AUTH_USER_MODEL, blank=True, related_name="administered_albums")
    viewers = models.ManyToManyField(settings.AUTH_USER_MODEL, blank=True, related_name="viewable_albums")
    created_at = models.DateTimeField(auto_now_add=True)
    is_processing_photos = models.BooleanField(default=False, help_text="AVIF copies of its photos are being made")

    class Meta:
        ordering = ("title", "id")

    def __str__(self) -> str:
        return self.title


class Tag(models.Model):
    """One name of the one vocabulary: lower case, singular, US spelling."""

    name = models.CharField(max_length=80, unique=True)

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name


class ItemTag(models.Model):
    """A tag on an item, by whom; ``FILE`` are the keywords in it. A batch replaces only rows of its own sources."""

    class Source(models.TextChoices):
        PERSON = "person"
        FILE = "file"
        CAPTION = "caption"
        ZERO_SHOT = "zero-shot"
        DETECTOR = "detector"
        CLASSIFIER = "classifier"
        BUILT_IN = "built-in"

    item = models.ForeignKey("album.MediaItem", models.CASCADE, related_name="item_tags")
    tag = models.ForeignKey(Tag, models.CASCADE, related_name="item_tags")
    source = models.CharField(max_length=12, choices=Source)
    score = models.FloatField(default=1.0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=("item", "tag", "source"), name="one_tag_per_source")]

    def __str__(self) -> str:
        return f"{self.tag_id} on {self.item_id} by {self.source}"
