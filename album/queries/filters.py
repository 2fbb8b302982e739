"""Filters of a grid: each is a parameter of its address, and all of them must hold."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.db.models import Count, Max, Min, Q, QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from album.exceptions import AlbumError
from album.models import Favourite, ItemPerson, ItemTag, MediaItem, Person, Status
from album.models.media import Kind
from album.queries.access import Viewer, in_album, visible_albums

TEXT_MAX_LENGTH = 200
ID_DIGITS = 15
CHOICES_MOST = 200
KIND_WORDS = {Kind.PHOTO.value: gettext_lazy("Photos"), Kind.VIDEO.value: gettext_lazy("Videos")}
STATUS_WORDS = {
    Status.PENDING.value: gettext_lazy("AI: pending"),
    Status.PROCESSING.value: gettext_lazy("AI: processing"),
    Status.COMPLETED.value: gettext_lazy("AI: completed"),
    Status.FAILED.value: gettext_lazy("AI: failed"),
}


class BadFilter(AlbumError):
    """A filter with a value that makes no sense, or that names what the viewer cannot see."""


@dataclass(frozen=True, slots=True)
class Chip:
    """A filter that is set, and what it says to people."""

    name: str
    value: str
    words: str


Made = tuple[Q, str]
"""The condition of a filter, and its words."""


def filter_items(
    items: QuerySet[MediaItem], params: Mapping[str, str], user: Viewer
) -> tuple[QuerySet[MediaItem], list[Chip]]:
    """Those of ``items`` for which every filter in ``params`` holds; parameters that are no filters are left alone.

    Raises:
        BadFilter: one of them cannot be understood; the message names it.
    """
    chips = []
    for name, make in FILTERS.items():
        value = params.get(name, "").strip()
        if value:
            if len(value) > TEXT_MAX_LENGTH or "\x00" in value:
                raise BadFilter(_("The filter “%(name)s” is too long.") % {"name": name})
            condition, words = make(value, user)
            items = items.filter(condition)
            chips.append(Chip(name, value, words))
    return items, chips


def _choice(name: str, column: str, words: Mapping[str, object]) -> Callable[[str, Viewer], Made]:
    def make(value: str, user: Viewer) -> Made:
        if value not in words:
            known = ", ".join(words)
            raise BadFilter(_("The filter “%(name)s” is one of: %(known)s.") % {"name": name, "known": known})
        return Q(**{column: value}), str(words[value])

    return make


def _album(value: str, user: Viewer) -> Made:
    album = visible_albums(user).filter(pk=_id(value)).first()
    if album is None:
        raise BadFilter(_("There is no such album."))
    return in_album(album), album.title


def _tag(value: str, user: Viewer) -> Made:
    named = ItemTag.objects.filter(tag__name=value.lower())
    removed = named.filter(source=ItemTag.Source.REMOVED)
    return Q(pk__in=named.values("item")) & ~Q(pk__in=removed.values("item")), value


def _person(value: str, user: Viewer) -> Made:
    people = Person.objects.all() if user.is_superuser else Person.objects.filter(owner=user.pk)
    person = people.filter(pk=_id(value)).first()
    if person is None:
        raise BadFilter(_("You know no such person."))
    named = ItemPerson.objects.filter(person=person.pk).exclude(source=ItemPerson.Source.REMOVED)
    return Q(pk__in=named.values("item")), person.name


def _place(value: str, user: Viewer) -> Made:
    return Q(country=value) | Q(region=value) | Q(city=value), value


def _camera(value: str, user: Viewer) -> Made:
    return Q(camera=value), value


def _rating(value: str, user: Viewer) -> Made:
    if value not in "12345" or len(value) != 1:
        raise BadFilter(_("The filter “rating” is a number of stars from 1 to 5."))
    stars = int(value)
    return Q(rating__gte=stars), ngettext("%d star or more", "%d stars or more", stars) % stars


def _year(value: str, user: Viewer) -> Made:
    if not re.fullmatch(r"[12]\d{3}", value):
        raise BadFilter(_("The filter “year” is a year like 2026."))
    first, after = (datetime(int(value) + years, 1, 1, tzinfo=UTC) for years in (0, 1))
    return Q(timeline_at__gte=first, timeline_at__lt=after), value


def _favourite(value: str, user: Viewer) -> Made:
    return Q(pk__in=Favourite.objects.filter(user=user.pk).values("item")), _("Favorites")


def _area(value: str, user: Viewer) -> Made:
    try:
        west, south, east, north = (float(part) for part in value.split(","))
        if not (-180 <= west <= 180 and -180 <= east <= 180 and -90 <= south <= north <= 90):
            raise ValueError
    except ValueError:
        raise BadFilter(_("The filter “bbox” is west,south,east,north in degrees.")) from None
    inside = Q(latitude_deg__gte=south, latitude_deg__lte=north)
    if west <= east:
        inside &= Q(longitude_deg__gte=west, longitude_deg__lte=east)
    else:  # across the date line
        inside &= Q(longitude_deg__gte=west) | Q(longitude_deg__lte=east)
    return inside, _("Part of the map")


def _id(value: str) -> int:
    return int(value) if value.isdecimal() and len(value) <= ID_DIGITS else 0


FILTERS: dict[str, Callable[[str, Viewer], Made]] = {
    "kind": _choice("kind", "kind", KIND_WORDS),
    "favourite": _favourite,
    "album": _album,
    "tag": _tag,
    "person": _person,
    "place": _place,
    "camera": _camera,
    "rating": _rating,
    "year": _year,
    "status": _choice("status", "processing_status", STATUS_WORDS),
    "bbox": _area,
}


@dataclass(frozen=True, slots=True)
class Choices:
    """What there is to filter by: values with their words, the most frequent first where there are many."""

    albums: list[tuple[int, str]]
    people: list[tuple[int, str]]
    tags: list[str]
    places: list[str]
    cameras: list[str]
    years: list[int]


def filter_choices(items: QuerySet[MediaItem], user: Viewer) -> Choices:
    """What the filters of ``items`` can be set to."""
    people = Person.objects.filter(owner=user.pk).order_by("name")
    ids = items.order_by().values("pk")
    tags = ItemTag.objects.filter(item__in=ids).exclude(source=ItemTag.Source.REMOVED).values_list("tag__name")
    ends = items.aggregate(first=Min("timeline_at"), last=Max("timeline_at"))
    return Choices(
        albums=list(visible_albums(user).order_by("title", "pk").values_list("pk", "title")[:CHOICES_MOST]),
        people=list(people.values_list("pk", "name")[:CHOICES_MOST]),
        tags=_frequent(tags),
        places=_frequent(items.order_by().exclude(city="").values_list("city"))
        + _frequent(items.order_by().exclude(country="").values_list("country")),
        cameras=_frequent(items.order_by().exclude(camera="").values_list("camera")),
        years=list(range(ends["last"].year, ends["first"].year - 1, -1)) if ends["last"] else [],
    )


def _frequent(values: QuerySet[Any, Any]) -> list[str]:
    counted = values.annotate(count=Count("*")).order_by("-count")[:CHOICES_MOST]
    return [str(value) for value, _count in counted]
