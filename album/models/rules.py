"""The rule of an automatic album: what its items have in common."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, fields
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django.db.models import Q
from django.utils.translation import gettext as _

from album.exceptions import AlbumError
from album.models.albums import Album, Favourite, ItemTag
from album.models.media import Kind
from album.models.people import ItemPerson

NAMES_MAX = 8
"""Whoever sees the album is asked all of them for each picture. Measured: 1 ms CPU for each name, 2026-11."""
TEXT_MAX_LENGTH = 120
EXACT_COLUMNS = ("country", "region", "city", "camera")
_UNASKABLE = re.compile("[\x00\ud800-\udfff]")
"""What no database can be asked for: pages of everybody who sees the album would fail."""


class InvalidRule(AlbumError):
    """A rule that asks for nothing, or for what there is not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlbumRule:
    """Conditions on items of the album's owner. All that are given must hold; those left empty hold always."""

    tags: tuple[str, ...] = ()
    people: tuple[str, ...] = ()
    country: str = ""
    region: str = ""
    city: str = ""
    camera: str = ""
    kind: str = ""
    from_on: date | None = None
    to_on: date | None = None
    is_favourite: bool = False

    @classmethod
    def from_json(cls, value: object) -> AlbumRule:
        """The rule that ``value`` states.

        Raises:
            InvalidRule: it names unknown conditions, a value makes no sense, or nothing is asked for.
        """
        known = {field.name for field in fields(cls)}
        if not isinstance(value, dict) or not set(value) <= known:
            raise InvalidRule(
                _("A rule is an object with some of: %(names)s.") % {"names": ", ".join(sorted(known))}
            )
        rule = cls(
            tags=_names(value.get("tags", []), "tags"),
            people=_names(value.get("people", []), "people"),
            kind=_text(value.get("kind", ""), "kind"),
            from_on=_day(value.get("from_on"), "from_on"),
            to_on=_day(value.get("to_on"), "to_on"),
            is_favourite=value.get("is_favourite", False) is True,
            **{column: _text(value.get(column, ""), column) for column in EXACT_COLUMNS},
        )
        if rule.kind not in {"", *Kind}:
            raise InvalidRule(_("kind is one of: %(names)s.") % {"names": ", ".join(Kind)})
        if rule.from_on and rule.to_on and rule.from_on > rule.to_on:
            raise InvalidRule(_("The first day lies after the last one."))
        if rule == cls():
            raise InvalidRule(_("Give at least one condition; otherwise the album would hold everything."))
        return rule

    def to_json(self) -> dict[str, Any]:
        """What the row keeps: the conditions that are given, days as ISO 8601."""
        given = {name: value for name, value in asdict(self).items() if value}
        return {name: value.isoformat() if isinstance(value, date) else value for name, value in given.items()}

    def condition(self, owner_id: int) -> Q:
        """The items of ``owner_id`` for which the rule holds, without a join, so that each counts once."""
        condition = Q(owner=owner_id) & self._facts()
        for tag in self.tags:
            named = ItemTag.objects.filter(tag__name=tag)
            removed = named.filter(source=ItemTag.Source.REMOVED).values("item")
            condition &= Q(pk__in=named.values("item")) & ~Q(pk__in=removed)
        for person in self.people:
            named_so = ItemPerson.objects.filter(person__owner=owner_id, person__name__iexact=person)
            condition &= Q(pk__in=named_so.exclude(source=ItemPerson.Source.REMOVED).values("item"))
        if self.is_favourite:
            condition &= Q(pk__in=Favourite.objects.filter(user=owner_id).values("item"))
        return condition

    def _facts(self) -> Q:
        """The conditions on columns of the item itself."""
        condition = Q(kind=self.kind) if self.kind else Q()
        for column in EXACT_COLUMNS:
            if value := getattr(self, column):
                condition &= Q(**{f"{column}__iexact": value})
        if self.from_on:
            condition &= Q(timeline_at__gte=_midnight(self.from_on))
        if self.to_on:
            condition &= Q(timeline_at__lt=_midnight(self.to_on) + timedelta(days=1))
        return condition


def condition_of(album: Album) -> Q:
    """What the rule of ``album`` lets in: nothing where there is none, or none that makes sense."""
    if album.rule is None:
        return Q(pk__in=())
    try:
        return AlbumRule.from_json(album.rule).condition(album.owner_id)
    except InvalidRule:
        return Q(pk__in=())


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def _text(value: object, name: str) -> str:
    if not isinstance(value, str) or len(value) > TEXT_MAX_LENGTH or _UNASKABLE.search(value):
        raise InvalidRule(
            _("%(name)s is a text of at most %(count)d characters.") % {"name": name, "count": TEXT_MAX_LENGTH}
        )
    return value.strip()


def _names(value: object, name: str) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or len(value) > NAMES_MAX:
        raise InvalidRule(_("%(name)s is a list of at most %(count)d names.") % {"name": name, "count": NAMES_MAX})
    lower = name == "tags"  # as the vocabulary is written
    names = (_text(entry, name) for entry in value)
    return tuple(dict.fromkeys(entry.lower() if lower else entry for entry in names if entry))


def _day(value: object, name: str) -> date | None:
    if value is None or value == "":
        return None
    try:
        day = date.fromisoformat(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise InvalidRule(_("%(name)s is a day like 2026-07-31.") % {"name": name}) from None
    if day.year >= date.max.year:
        raise InvalidRule(_("%(name)s lies too far in the future.") % {"name": name})
    return day
