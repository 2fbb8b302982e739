"""Google Takeout: which JSON belongs to which photo, and what it says that the photo itself does not."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from album.exceptions import MediaError

MAX_BYTES = 4 * 1024 * 1024

_SUFFIX = ".supplemental-metadata"
_BODY_MAX_LENGTH = 46
"""Source: archives seen in public: without ``.json`` and counter a JSON's name is cut here, inside a word too."""

# Source: Takeout archives in the languages that people have shown in public.
_EDITED = re.compile(r"-(edited|bearbeitet|modifié|editado|modificato|bewerkt|edytowane|redigerad|編集済み)$")
_CLIPS = frozenset({".mp4", ".mov"})
_STILLS = (".HEIC", ".heic", ".JPG", ".jpg", ".JPEG", ".jpeg")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class TakeoutFacts:
    """What Google Photos knew of one file. ``name`` is the name under which it was uploaded."""

    name: str = ""
    taken_at: datetime | None = None
    latitude_deg: float | None = None
    longitude_deg: float | None = None
    description: str = ""
    people: tuple[str, ...] = ()
    is_favorite: bool = False
    is_archived: bool = False
    is_trashed: bool = False


def find_takeout_sidecar(path: Path, names_in_folder: Collection[str]) -> Path | None:
    """The JSON beside ``path`` that is about it, in any of the ways in which Takeout has named them.

    ``names_in_folder`` should be a set: some dozens of names are looked up.
    """
    return next((path.with_name(name) for name in _possible_names(path) if name in names_in_folder), None)


def read_takeout(path: Path) -> TakeoutFacts:
    """The facts in the JSON at ``path``.

    Raises:
        MediaError: it is not a JSON that Takeout writes about a photo.
    """
    if not path.is_file():  # a pipe would be waited for
        raise MediaError(f"{path.name}: is not a file.")
    try:
        with path.open("rb") as file:
            stated = json.loads(file.read(MAX_BYTES))
    except (OSError, ValueError, RecursionError) as error:
        raise MediaError(f"{path.name}: cannot be read as a Takeout JSON. Export it anew.") from error
    if not isinstance(stated, dict) or "photoTakenTime" not in stated:
        raise MediaError(f"{path.name}: holds nothing about a photo. Only the files beside photos do.")
    latitude, longitude = _place(stated.get("geoData")) or _place(stated.get("geoDataExif")) or (None, None)
    return TakeoutFacts(
        name=_text(stated.get("title")),
        taken_at=_instant(stated.get("photoTakenTime")),
        latitude_deg=latitude,
        longitude_deg=longitude,
        description=_text(stated.get("description")),
        people=_people(stated.get("people")),
        is_favorite=stated.get("favorited") is True,
        is_archived=stated.get("archived") is True,
        is_trashed=stated.get("trashed") is True,
    )


def _possible_names(path: Path) -> Iterator[str]:
    """The names of its JSON, the likeliest first."""
    for base, counter in _bases(path):
        full = base + _SUFFIX
        for length in range(len(full), len(base) - 1, -1):
            yield f"{full[:length]}{counter}.json"
        for length in (_BODY_MAX_LENGTH, _BODY_MAX_LENGTH - len(counter)):
            yield f"{full[:length]}{counter}.json"


def _bases(path: Path) -> Iterator[tuple[str, str]]:
    """The name that the JSON begins with, and the counter that stands at its end instead of in that name."""
    yield path.name, ""
    counted = re.fullmatch(r"(.+)(\(\d+\))", path.stem)
    stem, counter = (counted[1], counted[2]) if counted else (path.stem, "")
    yield stem + path.suffix, counter
    original = _EDITED.sub("", stem)
    yield original + path.suffix, counter
    if path.suffix.lower() in _CLIPS:  # the clip of a motion photo has no JSON of its own
        yield from ((original + suffix, counter) for suffix in _STILLS)


def _instant(stated: Any) -> datetime | None:
    try:
        return _EPOCH + timedelta(seconds=int(stated["timestamp"]))
    except (TypeError, ValueError, KeyError, OverflowError):
        return None


def _place(stated: Any) -> tuple[float, float] | None:
    """Degrees; 0, 0 is what Takeout writes where it knows none."""
    try:
        latitude, longitude = float(stated["latitude"]), float(stated["longitude"])
    except (TypeError, ValueError, KeyError, OverflowError):
        return None
    is_stated = (latitude, longitude) != (0, 0) and abs(latitude) <= 90 and abs(longitude) <= 180
    return (latitude, longitude) if is_stated else None


def _people(stated: Any) -> tuple[str, ...]:
    entries = stated if isinstance(stated, list) else []
    names = (_text(entry.get("name")) for entry in entries if isinstance(entry, dict))
    return tuple(name for name in names if name)


def _text(stated: Any) -> str:
    return stated.strip() if isinstance(stated, str) else ""
