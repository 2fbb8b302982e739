"""What a file states about itself. Made by the readers of this room, stored by preparation."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path

TITLE_MAX_LENGTH = 200
TEXT_MAX_LENGTH = 10_000
KEYWORD_MAX_LENGTH = 80
KEYWORDS_MAX = 200
PERSON_MAX_LENGTH = 120
PEOPLE_MAX = 100
"""What a file states beyond these lengths and this number is cut off."""
LEAST_SETTING = 1e-9
"""Exposures in seconds, apertures and focal lengths below it are nonsense; far below, 1 / x is no finite number."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a file came from: what is known of it beside its bytes.

    Sidecars are XMP files and Takeout's JSONs, in the order of their weight. ``places_folder`` keeps the table of
    towns from run to run. In ``home_zone`` a moment is shown of which only the instant is known, not the place.
    """

    name: str = ""
    modified_at: datetime | None = None
    sidecars: tuple[Path, ...] = ()
    places_folder: Path | None = None
    home_zone: tzinfo = UTC


@dataclass(frozen=True, slots=True)
class EmbeddedClip:
    """The clip inside a motion photo: ``size_bytes`` bytes of a playable file, ``offset`` bytes from the start."""

    offset: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Place:
    """The nearest town of a position, by name; ``region`` is the first level below the country."""

    country_code: str
    country: str
    region: str
    city: str


@dataclass(frozen=True, slots=True)
class FileFacts:
    """What the file tells; unknown is None or empty. Width and height are those of the upright picture."""

    width_px: int | None = None
    height_px: int | None = None
    orientation: int = 1
    """1 to 8 as in Exif; anything else that a file states counts as 1. Videos are turned by ``rotation_deg``."""
    taken_at_local: datetime | None = None
    """Naive: what the camera's clock showed, sub-seconds included."""
    utc_offset: timedelta | None = None
    """At that moment. None: nobody knows, neither an offset nor a position is stated."""
    time_zone: str = ""
    """``Europe/Berlin`` where the position tells; else empty."""
    taken_at_source: str = ""
    """``original``, ``created``, ``iptc``, ``xmp``, ``gps``, ``container``, ``sidecar``,
    ``takeout``, ``name``, ``modified`` or ``file``: ``dates.TRUST`` says in which order."""
    latitude_deg: float | None = None
    longitude_deg: float | None = None
    place: Place | None = None
    camera: str = ""
    lens: str = ""
    exposure_s: float | None = None
    f_number: float | None = None
    focal_length_mm: float | None = None
    iso: int | None = None
    rating: int | None = None
    title: str = ""
    description: str = ""
    keywords: tuple[str, ...] = ()
    people: tuple[str, ...] = ()
    """Names of those in the picture, each once."""
    content_identifier: str = ""
    """The same text in an Apple photo and the clip that belongs to it."""
    clip: EmbeddedClip | None = None
    is_animated: bool = False
    duration_s: float | None = None
    rotation_deg: int = 0
    video_codec: str = ""
    audio_codec: str = ""
    needs_proxy: bool = False
    """True of a video that browsers cannot play as it is."""
