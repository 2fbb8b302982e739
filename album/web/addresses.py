"""Addresses of an item's files, for templates: what changes gets another one, so that browsers may keep it."""

from __future__ import annotations

from django.template import Library
from django.urls import reverse

from album.models import MediaItem

register = Library()


def version_of(item: MediaItem) -> str:
    """The beginning of its hash, and of a video, whether there is a copy that browsers can play."""
    return item.sha256[:8] + "p" * bool(item.video_proxy)


@register.simple_tag
def file_url(name: str, item: MediaItem) -> str:
    """The address of the view ``name`` for the file of ``item`` as it is now."""
    return f"{reverse(f'album:{name}', args=(item.pk,))}?v={version_of(item)}"
