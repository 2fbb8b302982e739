"""Albums and tags."""

from __future__ import annotations

from django.conf import settings
from django.db import models


class Album(models.Model):
    """A named selection of media: picked by hand, or by ``rule``.

    Viewers look at it, editors fill it, admins process it and say who else does what.
    """

    class Order(models.TextChoices):
        NEWEST = "newest", "Newest first"
        OLDEST = "oldest", "Oldest first"
        BY_HAND = "by hand", "By hand"

    title = models.CharField(max_length=200)
    description = models.TextField(blank=True)
    parent = models.ForeignKey("self", models.SET_NULL, null=True, blank=True, related_name="children")
    position = models.PositiveIntegerField(default=0, help_text="Among the albums of one parent")
    cover = models.ForeignKey("album.MediaItem", models.SET_NULL, null=True, blank=True, related_name="+")
    order = models.CharField(max_length=7, choices=Order, default=Order.NEWEST)
    rule = models.JSONField(null=True, blank=True, help_text="Of an automatic album: what its items have in common")
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="albums")
    admins = models.ManyToManyField(settings.AUTH_USER_MODEL, blank=True, related_name="administered_albums")
    editors = models.ManyToManyField(settings.AUTH_USER_MODEL, blank=True, related_name="fillable_albums")
    viewers = models.ManyToManyField(settings.AUTH_USER_MODEL, blank=True, related_name="viewable_albums")
    created_at = models.DateTimeField(auto_now_add=True)
    is_processing_photos = models.BooleanField(default=False, help_text="AVIF copies of its photos are being made")

    class Meta:
        ordering = ("title", "id")

    def __str__(self) -> str:
        return self.title


class AlbumItem(models.Model):
    """An item in an album that is picked by hand."""

    album = models.ForeignKey(Album, models.CASCADE)
    mediaitem = models.ForeignKey("album.MediaItem", models.CASCADE)
    position = models.PositiveIntegerField(default=0, help_text="Where the album is ordered by hand")
    added_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "album_mediaitem_albums"
        unique_together = (("mediaitem", "album"),)

    def __str__(self) -> str:
        return f"{self.mediaitem_id} in {self.album_id}"


class Favourite(models.Model):
    """An item that a user likes best; each user has their own."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="favourites")
    item = models.ForeignKey("album.MediaItem", models.CASCADE, related_name="favourites")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=("user", "item"), name="one_favourite_per_user")]

    def __str__(self) -> str:
        return f"{self.item_id} of {self.user_id}"


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
        REMOVED = "removed"  # by a person: other sources may name it again, it is not shown
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
