"""Addresses of an item's files: what changes gets another one, so that it may be kept for ever."""

from __future__ import annotations

from functools import cache
from typing import Any, Protocol

from django.urls import reverse

SMALL = frozenset({"thumbnail", "preview", "animation"})
"""Renditions without metadata. One query string fits all three."""


class HasFile(Protocol):
    """A ``MediaItem``, or as much of its row as an address needs, such as a ``GridRow``."""

    @property
    def pk(self) -> int: ...
    @property
    def owner_id(self) -> int: ...
    @property
    def sha256(self) -> str: ...
    @property
    def video_proxy(self) -> Any: ...


def plain_address(name: str, item: HasFile) -> str:
    """The address of the file ``name`` of ``item`` as it is now, for whoever may open the item.

    Args:
        name: ``thumbnail`` (400 px), ``preview`` (1600 px), ``animation``, ``playback``, ``motion``, ``original``.
    """
    before, after = around_pk(name)
    return f"{before}{item.pk}{after}?v={item.sha256 if name in SMALL else version_of(item)}"


def version_of(item: HasFile) -> str:
    """The beginning of its hash, and of a video, whether there is a copy that browsers can play."""
    return item.sha256[:8] + "p" * bool(item.video_proxy)


def is_current(version: str | None, item: HasFile) -> bool:
    """True if an address with this version shows ``item`` as it is now."""
    return version in (item.sha256, version_of(item))


@cache
def around_pk(name: str) -> tuple[str, str]:
    """What stands before and after the number of an item in the address of its file ``name``."""
    before, _, after = reverse(f"album:{name}", args=(0,)).rpartition("0")
    return before, after
