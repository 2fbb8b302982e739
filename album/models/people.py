"""Who is in the pictures, as far as people or files say so."""

from __future__ import annotations

from django.conf import settings
from django.db import models


class Person(models.Model):
    """Somebody whom a user knows by name."""

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="people")
    name = models.CharField(max_length=120)
    cover = models.ForeignKey("album.MediaItem", models.SET_NULL, null=True, blank=True, related_name="+")
    items = models.ManyToManyField("album.MediaItem", through="album.ItemPerson", related_name="people")

    class Meta:
        ordering = ("name", "id")
        constraints = [models.UniqueConstraint(fields=("owner", "name"), name="one_person_per_name")]

    def __str__(self) -> str:
        return self.name


class ItemPerson(models.Model):
    """A person in a picture, by whom that was said."""

    class Source(models.TextChoices):
        PERSON = "person"
        FILE = "file"
        REMOVED = "removed"  # by a person: what the file says is not shown

    item = models.ForeignKey("album.MediaItem", models.CASCADE, related_name="item_people")
    person = models.ForeignKey(Person, models.CASCADE, related_name="item_people")
    source = models.CharField(max_length=7, choices=Source, default=Source.PERSON)

    class Meta:
        constraints = [models.UniqueConstraint(fields=("item", "person"), name="one_person_per_item")]

    def __str__(self) -> str:
        return f"{self.person_id} in {self.item_id}"
