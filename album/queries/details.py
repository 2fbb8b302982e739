"""One item with all that its page shows, and what stands beside it in the timeline."""

from __future__ import annotations

from typing import NamedTuple

from django.db.models import Exists, OuterRef, Prefetch, QuerySet

from album.models import Album, Favourite, ItemPerson, ItemTag, MediaItem
from album.queries.access import Viewer, visible_albums, visible_to
from album.queries.pages import Cursor, newer_than, older_than


class Neighbours(NamedTuple):
    """The ids of the items before and after one in the timeline of its owner, None at the ends."""

    newer: int | None
    older: int | None


def listed(items: QuerySet[MediaItem], user: Viewer) -> QuerySet[MediaItem]:
    """``items`` with owner, ``has_clip``: another item moves it, and ``is_favourite`` of ``user``."""
    return items.annotate(
        has_clip=Exists(MediaItem.objects.filter(clip_of=OuterRef("pk"))),
        is_favourite=Exists(Favourite.objects.filter(user=user.pk, item=OuterRef("pk"))),
    ).select_related("owner")


def with_details(items: QuerySet[MediaItem], user: Viewer) -> QuerySet[MediaItem]:
    """The same with tags and their sources, people and the ledger of stages."""
    tags = ItemTag.objects.exclude(source=ItemTag.Source.REMOVED).select_related("tag")
    people = ItemPerson.objects.exclude(source=ItemPerson.Source.REMOVED).select_related("person")
    return listed(items, user).prefetch_related(
        Prefetch("item_tags", queryset=tags.order_by("source", "-score", "tag__name")),
        Prefetch("item_people", queryset=people.order_by("person__name")),
        "stage_results",
    )


def albums_with(item: MediaItem, user: Viewer) -> QuerySet[Album]:
    """The albums in which ``user`` finds ``item``, as far as they are filled by hand."""
    return visible_albums(user).filter(items=item).order_by("title", "pk")


def neighbours(item: MediaItem, user: Viewer) -> Neighbours:
    """What ``user`` sees beside ``item``, on the same shelf of the same owner."""
    items = MediaItem.objects.all() if item.owner_id == user.pk else visible_to(user)
    items = items.filter(owner=item.owner_id, shelf=item.shelf)
    here = Cursor(item.timeline_at, item.pk)
    newer, older = (beside(items, here).values_list("pk", flat=True).first() for beside in (newer_than, older_than))
    return Neighbours(newer, older)
