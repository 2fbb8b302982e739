"""Reads in the shape of pages."""

from __future__ import annotations

from django.db.models import Exists, OuterRef, Prefetch, QuerySet

from album.models import ItemTag, MediaItem, Tag


def timeline(items: QuerySet[MediaItem]) -> QuerySet[MediaItem]:
    """``items`` newest first, with each tag name once."""
    tags = Prefetch("tags", queryset=Tag.objects.distinct(), to_attr="distinct_tags")
    return items.select_related("owner").prefetch_related(tags).order_by("-timeline_at", "-pk")


def with_details(items: QuerySet[MediaItem]) -> QuerySet[MediaItem]:
    """``items`` with owner, tags with sources, the ledger of stages, and ``has_clip``: another item moves it."""
    items = items.annotate(has_clip=Exists(MediaItem.objects.filter(clip_of=OuterRef("pk"))))
    tags = ItemTag.objects.select_related("tag").order_by("source", "-score", "tag__name")
    return items.select_related("owner").prefetch_related(Prefetch("item_tags", queryset=tags), "stage_results")
