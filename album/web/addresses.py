"""Addresses of an item's files: what changes gets another one, so that browsers may keep it for ever.

The small pictures carry the right by which the page that shows them saw their item (``album.web.grants``), so that
they can be had without a look at the session. An address without it is good too; it costs the whole access rule.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from django.template import Library

from album.queries.files import SMALL, HasFile, around_pk, plain_address
from album.web.grants import sign

register = Library()


class Holder:
    """For whom addresses are made: a user, or whoever has a link. Made before the rows of the page are read."""

    def __init__(self, owner_id: int | None, sight: str, sees_by_rule: Callable[[], bool]) -> None:
        """``sight``: the scope of what others own; ``sees_by_rule``: whether an automatic album is part of it."""
        self.owner_id = owner_id
        self._own, self._sight, self._sees_by_rule = f"u{owner_id}", sight, sees_by_rule
        self._others: str | None = None

    def scope_of(self, item: HasFile) -> str:
        """By what right the item is seen; empty where that may end without anybody taking it away.

        What an automatic album shows can change with any tag or date. The question whether there is one comes
        after the rows were read: one that was there then is seen now, and one that went since ended the scope.
        """
        if item.owner_id == self.owner_id:
            return self._own
        if self._others is None:
            self._others = "" if self._sees_by_rule() else self._sight
        return self._others


def file_address(name: str, item: HasFile, holder: Holder | None = None) -> str:
    """The address of the file ``name`` of ``item`` as it is now, for ``holder`` to have at the door.

    Args:
        name: ``thumbnail`` (400 px), ``preview`` (1600 px), ``animation``, ``playback``, ``motion``, ``original``.
        holder: ``request.grants.holder``, or what ``request.grants.open_link(link)`` answered.

    Measured: 2 µs, 2026-11.
    """
    address = plain_address(name, item)
    if name not in SMALL or holder is None or not (scope := holder.scope_of(item)):
        return address
    return f"{address}&g={scope}.{sign(f'{scope}/{item.pk}/{item.sha256}')}"


def both_addresses(item: HasFile, holder: Holder | None = None) -> tuple[str, str]:
    """The addresses of thumbnail and preview, for lists: one signature counts for both."""
    thumbnail = file_address("thumbnail", item, holder)
    before, after = around_pk("preview")
    return thumbnail, f"{before}{item.pk}{after}{thumbnail[thumbnail.index('?') :]}"


@register.simple_tag(takes_context=True)
def file_url(context: Mapping[str, Any], name: str, item: HasFile) -> str:
    """The same for templates. Pages of a shared link give their ``holder`` in the context."""
    grants = getattr(context.get("request"), "grants", None)
    return file_address(name, item, context.get("holder") or (grants and grants.holder))
