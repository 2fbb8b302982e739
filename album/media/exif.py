"""Facts that a file states about itself: size, time, place, camera. No pixel is kept."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from PIL import ExifTags, Image

from album.media.decode import open_photo, read_orientation
from album.media.frames import open_video, pixel_aspect, read_rotation

_SIDEWAYS = frozenset({5, 6, 7, 8})
_UNSET_CLOCK_YEARS = frozenset({1904, 1970})
"""A clock that was never set says the epoch of QuickTime or of Unix: no date at all."""


@dataclass(frozen=True, slots=True)
class FileFacts:
    """What the file tells. ``width_px`` and ``height_px`` are those of the upright picture."""

    width_px: int
    height_px: int
    taken_at_local: datetime | None = None
    """Naive: what the camera's clock showed. For a video that states only UTC, ``utc_offset`` is zero."""
    utc_offset: timedelta | None = None
    latitude_deg: float | None = None
    longitude_deg: float | None = None
    orientation: int = 1
    camera: str = ""
    duration_s: float | None = None


def read_facts(path: Path, mime: str) -> FileFacts:
    """The facts of the photo or video at ``path``; ``mime`` is what ``sniff`` said.

    Raises:
        MediaError: the file cannot be opened as what it seems to be.
    """
    return _read_video_facts(path) if mime.startswith("video/") else _read_photo_facts(path)


def _read_photo_facts(path: Path) -> FileFacts:
    with open_photo(path) as image:
        exif = image.getexif()
        details = exif.get_ifd(ExifTags.IFD.Exif)
        place = exif.get_ifd(ExifTags.IFD.GPSInfo)
        orientation = read_orientation(image)
        width_px, height_px = image.size
        if orientation in _SIDEWAYS and image.format != "TIFF":  # Pillow states the upright size of a TIFF
            width_px, height_px = height_px, width_px
        taken_at, offset = _read_time(exif, details)
        latitude, longitude = _read_place(place)
        return FileFacts(
            width_px,
            height_px,
            taken_at,
            offset,
            latitude,
            longitude,
            orientation,
            _read_camera(exif.get(ExifTags.Base.Make), exif.get(ExifTags.Base.Model)),
        )


def _read_time(exif: Image.Exif, details: Mapping[int, Any]) -> tuple[datetime | None, timedelta | None]:
    """When the picture was taken, then digitized, then last written, with the offset stated beside it."""
    base = ExifTags.Base
    for stated, offset in (
        (details.get(base.DateTimeOriginal), details.get(base.OffsetTimeOriginal)),
        (details.get(base.DateTimeDigitized), details.get(base.OffsetTimeDigitized)),
        (exif.get(base.DateTime), details.get(base.OffsetTime)),
    ):
        moment = _parse_time(_text(stated))
        if moment:
            return moment, _parse_offset(_text(offset))
    return None, None


def _parse_time(text: str) -> datetime | None:
    """``2019:03:21 11:04:22`` or ISO 8601 as a naive datetime; blank, zero and impossible dates are None."""
    found = re.match(r"(\d{4})[:-](\d\d)[:-](\d\d)[ T](\d\d):(\d\d):(\d\d)", text)
    if not found:
        return None
    try:
        moment = datetime(*map(int, found.groups()))  # type: ignore[arg-type] # noqa: DTZ001 # a camera's clock
    except ValueError:
        return None
    return None if moment.year in _UNSET_CLOCK_YEARS else moment


def _parse_offset(text: str) -> timedelta | None:
    """``+09:00``, ``-0500`` or ``Z`` at the end of ``text``."""
    if text.endswith("Z"):
        return timedelta(0)
    found = re.search(r"([+-])(\d\d):?(\d\d)$", text)
    if not found:
        return None
    offset = timedelta(hours=int(found[2]), minutes=int(found[3]))
    return -offset if found[1] == "-" else offset


def _read_place(place: Mapping[int, Any]) -> tuple[float | None, float | None]:
    """Latitude and longitude in degrees, or two None: tags that are present but empty are no place."""
    gps = ExifTags.GPS
    latitude = _degrees(place.get(gps.GPSLatitude), place.get(gps.GPSLatitudeRef), "S")
    longitude = _degrees(place.get(gps.GPSLongitude), place.get(gps.GPSLongitudeRef), "W")
    return _checked_place(latitude, longitude)


def _checked_place(latitude: float | None, longitude: float | None) -> tuple[float | None, float | None]:
    """Both or none; 0, 0 is what receivers without a fix write, not a place where anybody takes photos."""
    if latitude is None or longitude is None or (latitude == 0 and longitude == 0):
        return None, None
    return (latitude, longitude) if abs(latitude) <= 90 and abs(longitude) <= 180 else (None, None)


def _degrees(parts: Any, reference: Any, negative: str) -> float | None:
    """Degrees from (degrees, minutes, seconds), each possibly 0/0; the reference gives the sign."""
    try:
        degrees, minutes, seconds = (float(part) for part in parts)
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    value = degrees + minutes / 60 + seconds / 3600
    if not math.isfinite(value) or not _text(reference):
        return None
    return -value if _text(reference).upper() == negative else value


def _read_camera(make: Any, model: Any) -> str:
    """``NIKON D70`` and the like: the maker is not said twice."""
    maker, name = _text(make), _text(model)
    if not name or not maker:
        return name or maker
    return name if name.lower().startswith(maker.split()[0].lower()) else f"{maker} {name}"


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        value = value.decode("ascii", "replace")
    return value.split("\x00")[0].strip() if isinstance(value, str) else ""


def _read_video_facts(path: Path) -> FileFacts:
    with open_video(path) as (container, stream):
        width_px = round(stream.codec_context.width * pixel_aspect(stream))
        height_px = stream.codec_context.height
        if read_rotation(container, stream) % 180:
            width_px, height_px = height_px, width_px
        said = {**stream.metadata, **container.metadata}
        stated = said.get("com.apple.quicktime.creationdate") or said.get("creation_time") or ""
        latitude, longitude = _parse_iso6709(
            said.get("com.apple.quicktime.location.ISO6709") or said.get("location") or ""
        )
        taken_at = _parse_time(stated)
        return FileFacts(
            width_px,
            height_px,
            taken_at,
            _parse_offset(stated) if taken_at else None,
            latitude,
            longitude,
            camera=_read_camera(said.get("com.apple.quicktime.make"), said.get("com.apple.quicktime.model")),
            duration_s=container.duration / 1e6 if container.duration else None,
        )


def _parse_iso6709(text: str) -> tuple[float | None, float | None]:
    """Degrees from ``+41.2203-096.0716+350/`` (ISO 6709 in decimal degrees, as phones write it)."""
    found = re.match(r"([+-]\d{1,2}\.\d+)([+-]\d{1,3}\.\d+)", text)
    return _checked_place(float(found[1]), float(found[2])) if found else (None, None)
