"""Facts that a file, its name and its sidecars state. Libraries read them; this decides which to believe."""

from __future__ import annotations

import math
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from album.exceptions import MediaError
from album.media.dates import (
    Moment,
    moment_in_name,
    moment_of,
    moments_in_photo,
    moments_in_sidecar,
    most_trusted,
    settle_zone,
)
from album.media.facts import (
    KEYWORD_MAX_LENGTH,
    KEYWORDS_MAX,
    LEAST_SETTING,
    PEOPLE_MAX,
    PERSON_MAX_LENGTH,
    TEXT_MAX_LENGTH,
    TITLE_MAX_LENGTH,
    FileFacts,
    Origin,
)
from album.media.motion import find_clip, read_content_identifier
from album.media.places import find_place
from album.media.sniff import MediaType
from album.media.tags import Tags, read_photo_tags, read_sidecar_tags
from album.media.takeout import TakeoutFacts, read_takeout
from album.media.video import read_video_facts

LINE_MAX_LENGTH = 120
IDENTIFIER_MAX_LENGTH = 64

_HIGHEST_ISO = 10_000_000
_REGION_TYPE = "/mwg-rs:Type"
_JOINERS = "\u200c\u200d"
"""Letters of Persian and of Indian scripts, and families of emoji, need them between each other."""
_LENS = ("Exif.Photo.LensModel", "Xmp.exifEX.LensModel", "Xmp.aux.Lens", "Exif.Canon.LensModel")

# Source: MicrosoftPhoto:Rating; Windows writes 1, 25, 50, 75 and 99 for one to five stars.
_PERCENT_OF_STARS = ((87, 5), (63, 4), (38, 3), (13, 2), (1, 1), (0, 0))


def read_facts(path: Path, media_type: MediaType, origin: Origin) -> FileFacts:
    """The facts of the photo or video at ``path``; what cannot be read is unknown, and the rest is told."""
    if media_type.kind == "video":
        facts, moments = _read_video(path)
    else:
        facts, moments = _read_photo(path, media_type)
    takeouts: list[TakeoutFacts] = []
    for sidecar in reversed(origin.sidecars):
        if sidecar.suffix.lower() == ".json":
            with suppress(MediaError):
                takeouts.append(read_takeout(sidecar))
        else:
            tags = read_sidecar_tags(sidecar)
            facts = _with_stated(facts, _words_and_place(tags))
            moments = [*moments_in_sidecar(tags, moments), *moments]
    for takeout in takeouts:
        facts = _with_takeout(facts, takeout)
        moments.append(moment_of(takeout.taken_at, "takeout"))
    return _settled(facts, most_trusted([*moments, *_moments_in(origin)]), origin)


def read_origin(origin: Origin) -> FileFacts:
    """What is known of a file that cannot be read: the date in its name, or that of the file."""
    return _settled(FileFacts(), most_trusted(_moments_in(origin)), origin)


def _moments_in(origin: Origin) -> list[Moment | None]:
    return [moment_in_name(origin.name), moment_of(origin.modified_at, "file")]


def _read_photo(path: Path, media_type: MediaType) -> tuple[FileFacts, list[Moment | None]]:
    photo = read_photo_tags(path, media_type)
    tags = photo.tags
    width_px, height_px = photo.size_px or (None, None)
    facts = FileFacts(
        width_px=width_px,
        height_px=height_px,
        orientation=photo.orientation,
        is_animated=photo.is_animated,
        camera=_camera(tags),
        lens=_line(tags.first(*_LENS)),
        exposure_s=_setting(tags, "ExposureTime"),
        f_number=_setting(tags, "FNumber"),
        focal_length_mm=_setting(tags, "FocalLength"),
        iso=_iso(tags),
        content_identifier=read_content_identifier(tags),
        clip=find_clip(path, tags),
    )
    return _with_stated(facts, _words_and_place(tags)), list(moments_in_photo(tags))


def _read_video(path: Path) -> tuple[FileFacts, list[Moment | None]]:
    """The facts of a video; of a time in UTC only the instant is known, as most containers state it so."""
    try:
        facts = read_video_facts(path)
    except MediaError:
        return FileFacts(), []
    facts = replace(
        facts,
        camera=_line(facts.camera),
        title=_line(facts.title, TITLE_MAX_LENGTH),
        description=_paragraphs(facts.description),
        keywords=_distinct(facts.keywords),
        content_identifier=_line(facts.content_identifier, IDENTIFIER_MAX_LENGTH),
    )
    if facts.taken_at_local is None:
        return facts, []
    is_utc = facts.utc_offset == timedelta(0)
    return facts, [Moment(facts.taken_at_local, facts.utc_offset, "container", is_utc)]


def _words_and_place(tags: Tags) -> dict[str, Any]:
    """What people state about a picture, in the file or beside it, by the names of the facts."""
    latitude, longitude = _place(tags) or (None, None)
    return {
        "latitude_deg": latitude,
        "longitude_deg": longitude,
        "rating": _rating(tags),
        "title": _line(
            tags.first("Xmp.dc.title", "Iptc.Application2.ObjectName", "Exif.Image.XPTitle"), TITLE_MAX_LENGTH
        ),
        "description": _paragraphs(
            tags.first("Xmp.dc.description", "Iptc.Application2.Caption", "Exif.Image.ImageDescription")
        ),
        "keywords": _keywords(tags),
        "people": _people(tags),
    }


def _with_stated(facts: FileFacts, stated: dict[str, Any]) -> FileFacts:
    """``facts`` with what is stated in its place; an absent or empty value changes nothing."""
    return replace(facts, **{name: value for name, value in stated.items() if value not in (None, "", ())})


def _with_takeout(facts: FileFacts, takeout: TakeoutFacts) -> FileFacts:
    """The description, which people typed into Google Photos, wins; the place fills only a gap."""
    people = _distinct((*facts.people, *takeout.people), PERSON_MAX_LENGTH)[:PEOPLE_MAX]
    stated: dict[str, Any] = {"description": _paragraphs(takeout.description), "people": people}
    if facts.latitude_deg is None:
        stated |= {"latitude_deg": takeout.latitude_deg, "longitude_deg": takeout.longitude_deg}
    return _with_stated(facts, stated)


def _settled(facts: FileFacts, moment: Moment | None, origin: Origin) -> FileFacts:
    """The facts with the town of their position, and the moment with the zone of that place."""
    place = None
    if facts.latitude_deg is not None and facts.longitude_deg is not None:
        place = (facts.latitude_deg, facts.longitude_deg)
        facts = replace(facts, place=find_place(*place, origin.places_folder))
    if moment is None:
        return replace(facts, taken_at_local=None, utc_offset=None, taken_at_source="")
    moment, time_zone = settle_zone(moment, place, origin.home_zone)
    return replace(
        facts,
        taken_at_local=moment.local,
        utc_offset=moment.offset,
        time_zone=time_zone,
        taken_at_source=moment.source,
    )


def _camera(tags: Tags) -> str:
    """``NIKON D70`` and the like: the maker is not said twice."""
    maker = _line(tags.first("Exif.Image.Make", "Xmp.tiff.Make"))
    name = _line(tags.first("Exif.Image.Model", "Xmp.tiff.Model"))
    is_said_twice = bool(maker and name) and name.lower().startswith(maker.split()[0].lower())
    return name if is_said_twice else _line(f"{maker} {name}")


def _place(tags: Tags) -> tuple[float, float] | None:
    """Degrees of latitude and longitude, both or none; 0, 0 is what receivers without a fix write."""
    latitude = _degrees(tags, "Latitude", "S")
    longitude = _degrees(tags, "Longitude", "W")
    if latitude is None or longitude is None or (latitude == 0 and longitude == 0):
        return None
    return (latitude, longitude) if abs(latitude) <= 90 and abs(longitude) <= 180 else None


def _degrees(tags: Tags, axis: str, negative: str) -> float | None:
    """Degrees from Exif's ``41/1 13/1 1308/100`` with a reference, or XMP's ``41,13.218N``.

    Apple Photos and osxphotos write a plain number into XMP, with a sign, or a reference beside it.
    """
    parts = tags.first(f"Exif.GPSInfo.GPS{axis}").split()
    reference = tags.first(f"Exif.GPSInfo.GPS{axis}Ref")
    if not parts or not reference:
        stated = tags.first(f"Xmp.exif.GPS{axis}")
        degrees = stated.rstrip("NSEWnsew")
        parts, reference = degrees.split(","), stated[len(degrees) :] or tags.first(f"Xmp.exif.GPS{axis}Ref")
    numbers = [_number(part) for part in parts[:3]]
    if None in numbers:
        return None
    value = sum(number / 60.0**power for power, number in enumerate(numbers) if number is not None)
    return -abs(value) if reference.upper().startswith(negative) else value


def _iso(tags: Tags) -> int | None:
    """Some cameras state several values; the first is the one that was set."""
    stated = tags.first(
        "Exif.Photo.ISOSpeedRatings",
        "Exif.Image.ISOSpeedRatings",
        "Exif.Photo.RecommendedExposureIndex",
        "Xmp.exif.ISOSpeedRatings",
        "Xmp.exifEX.PhotographicSensitivity",
    )
    number = _number(stated.split()[0]) if stated else None
    return int(number) if number and 1 <= number <= _HIGHEST_ISO else None


def _rating(tags: Tags) -> int | None:
    """0 to 5 stars; -1, which marks a rejected picture, is no rating."""
    stars = _number(tags.first("Xmp.xmp.Rating", "Exif.Image.Rating"))
    if stars is not None:
        return int(stars) if 0 <= stars <= 5 else None
    percent = _number(tags.first("Xmp.MicrosoftPhoto.Rating", "Exif.Image.RatingPercent"))
    if percent is None or not 0 <= percent <= 100:
        return None
    return next(count for least, count in _PERCENT_OF_STARS if percent >= least)


def _keywords(tags: Tags) -> tuple[str, ...]:
    """The keywords; of a hierarchy its last level."""
    stated = (
        *tags.all("Xmp.dc.subject", "Iptc.Application2.Keywords"),
        *(leaf.rpartition("|")[2] for leaf in tags.all("Xmp.lr.hierarchicalSubject")),
        *(leaf.rpartition("/")[2] for leaf in tags.all("Xmp.digiKam.TagsList")),
        *tags.first("Exif.Image.XPKeywords").split(";"),
    )
    return _distinct(stated)


def _people(tags: Tags) -> tuple[str, ...]:
    """The names of people, also those of faces (MWG, Microsoft). Pets and bar codes have regions too."""
    regions = _face_regions(tags)
    stated = (*tags.all("Xmp.iptcExt.PersonInImage"), *regions, *tags.ending("/MPReg:PersonDisplayName"))
    return _distinct(stated, PERSON_MAX_LENGTH)[:PEOPLE_MAX]


def _face_regions(tags: Tags) -> list[str]:
    names = [name for name in tags.values if name.endswith(_REGION_TYPE)]
    faces = [name for name in names if tags.first(name) == "Face"]
    return tags.all(*(name.removesuffix(_REGION_TYPE) + "/mwg-rs:Name" for name in faces))


def _distinct(stated: Iterable[str], max_length: int = KEYWORD_MAX_LENGTH) -> tuple[str, ...]:
    """Each keyword once, as first spelled."""
    found: dict[str, str] = {}
    for text in stated:
        keyword = _line(text, max_length)
        if keyword:
            found.setdefault(keyword.casefold(), keyword)
    return tuple(found.values())[:KEYWORDS_MAX]


def _setting(tags: Tags, name: str) -> float | None:
    number = _number(tags.first(f"Exif.Photo.{name}", f"Exif.Image.{name}", f"Xmp.exif.{name}"))
    return number if number and number >= LEAST_SETTING else None


def _number(text: str) -> float | None:
    """``1/887``, ``2.8`` or ``-1`` as a finite number; 0/0 is none."""
    above, _, below = text.strip().partition("/")
    try:
        number = float(above) / float(below or 1)
    except (ValueError, ZeroDivisionError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _line(text: str, max_length: int = LINE_MAX_LENGTH) -> str:
    """Printable characters, single spaces, at most ``max_length`` of them."""
    return " ".join(_printable(text).split())[:max_length].strip()


def _paragraphs(text: str) -> str:
    """Printable characters and line breaks."""
    return "\n".join(_printable(line).rstrip() for line in text.splitlines()).strip()[:TEXT_MAX_LENGTH]


def _printable(text: str) -> str:
    return "".join(one if one.isprintable() or one in _JOINERS else " " for one in text)
