"""Where items were taken: groups on a map, and countries with their towns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import Avg, Count, F, IntegerField, Max, Min, QuerySet
from django.db.models.functions import Cast

from album.models import MediaItem

GROUPS_MAX = 500
CELL_PX = 72
"""As wide as the picture of a group, so that pictures of neighbors touch and do not hide each other."""
TILE_PX = 256
"""Source: web maps; the world is so wide at zoom 0, and twice as wide at each further one."""
TOWNS_SHOWN = 12


@dataclass(frozen=True, slots=True)
class Group:
    """Items that lie close together at some zoom: in their middle, and ``bbox`` from west over south to north.

    ``place`` is their town, else their country, where all of them have the same.
    """

    count: int
    latitude_deg: float
    longitude_deg: float
    bbox: tuple[float, float, float, float]
    place: str
    sample_id: int


@dataclass(frozen=True, slots=True)
class Country:
    """A country and its towns with most items."""

    name: str
    count: int
    towns: list[tuple[str, int]]
    more_towns: int


def with_position(items: QuerySet[MediaItem]) -> QuerySet[MediaItem]:
    return items.filter(latitude_deg__isnull=False, longitude_deg__isnull=False)


def map_groups(items: QuerySet[MediaItem], zoom: int) -> list[Group]:
    """``items`` with a position in groups of a cell of the map at ``zoom``, the largest first."""
    cell_deg = 360 / 2**zoom * CELL_PX / TILE_PX
    cells = with_position(items).annotate(
        column=Cast((F("longitude_deg") + 180.0) / cell_deg, IntegerField()),
        line=Cast((F("latitude_deg") + 90.0) / cell_deg, IntegerField()),
    )
    found = (
        cells.order_by()
        .values("column", "line")
        .annotate(
            count=Count("pk"),
            latitude=Avg("latitude_deg"),
            longitude=Avg("longitude_deg"),
            west=Min("longitude_deg"),
            south=Min("latitude_deg"),
            east=Max("longitude_deg"),
            north=Max("latitude_deg"),
            cities=Min("city"),
            city=Max("city"),
            countries=Min("country"),
            country=Max("country"),
            sample=Max("pk"),
        )
        .order_by("-count", "column", "line")
    )
    return [_group(row) for row in found[:GROUPS_MAX]]


def _group(row: Mapping[str, Any]) -> Group:
    bbox = (row["west"], row["south"], row["east"], row["north"])
    place = row["city"] if row["cities"] == row["city"] else ""
    place = place or (row["country"] if row["countries"] == row["country"] else "")
    return Group(row["count"], row["latitude"], row["longitude"], bbox, place, row["sample"])


def map_bounds(items: QuerySet[MediaItem]) -> tuple[int, list[float]]:
    """How many of ``items`` have a position, and their west, south, east and north, empty where none has one."""
    west, south, east, north = Min("longitude_deg"), Min("latitude_deg"), Max("longitude_deg"), Max("latitude_deg")
    ends: dict[str, Any] = with_position(items).aggregate(
        count=Count("pk"), west=west, south=south, east=east, north=north
    )
    count = int(ends.pop("count"))
    return count, list(ends.values()) if count else []


def countries(items: QuerySet[MediaItem]) -> list[Country]:
    """The countries of ``items``, those with most items first."""
    towns = items.exclude(country="").order_by().values_list("country", "city").annotate(count=Count("pk"))
    found: dict[str, list[tuple[str, int]]] = {}
    for country, city, count in towns.order_by("-count", "city"):
        found.setdefault(country, []).append((city, count))
    totals = {country: sum(count for _city, count in cities) for country, cities in found.items()}
    listed = []
    for name in sorted(found, key=lambda country: (-totals[country], country)):
        named = [(city, count) for city, count in found[name] if city]
        listed.append(Country(name, totals[name], named[:TOWNS_SHOWN], max(0, len(named) - TOWNS_SHOWN)))
    return listed
