"""When a photo or video was taken: the dates that file, name and sidecars state, and which of them to trust."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from zoneinfo import ZoneInfo

from album.media.tags import Tags

TRUST = (
    "sidecar",
    "original",
    "container",
    "takeout",
    "created",
    "iptc",
    "xmp",
    "gps",
    "name",
    "modified",
    "file",
)
"""Where dates come from, the most trusted first. A sidecar holds what its owner corrected."""

_CREATED = frozenset({"created", "container"})
"""What a CreateDate is called in the Exif of a photo, and in the container of a video."""

FIRST_PHOTO_YEAR = 1826
_EPOCHS = (datetime(1904, 1, 1), datetime(1970, 1, 1))  # noqa: DTZ001 # clocks that were never set
_DAY = timedelta(days=1)

_MOMENT = re.compile(
    r"(\d{4})(?:[:/-](\d\d?)(?:[:/-](\d\d?)(?:[ T]+(\d\d):(\d\d)(?::(\d\d)(?:[.,](\d+))?)?)?)?)?"
    r"\s*(Z|[+-]\d\d:?\d\d)?"
)
_NAMED = re.compile(
    r"(?<!\d)((?:19|20)\d\d)([-_.]?)(\d\d)\2(\d\d)"
    r"(?:(?:[-_. T]{0,2}(?=\d\d)|,? (?:at|um|à) )(\d\d?+)[-_.:h]?(\d\d)[-_.:m]?(\d\d)(\d{3})?(?!\d)"
    r"(?:\s?([AaPp])\.?[Mm](?![A-Za-z]))?|(?!\d))"
)
"""Source: names given by Android, Pixel, Windows and iOS cameras, screenshots, WhatsApp, Signal and Telegram."""


@dataclass(frozen=True, slots=True)
class Moment:
    """``local`` is naive, as a clock showed it; ``offset`` is None where nobody knows the zone of that clock.

    ``is_utc`` marks a moment of which only the instant is known, not what a clock at the place showed.
    """

    local: datetime
    offset: timedelta | None
    source: str
    is_utc: bool = False


def most_trusted(moments: Iterable[Moment | None]) -> Moment | None:
    """The moment from the most trusted source; of equals the first."""
    return min((one for one in moments if one), key=lambda one: TRUST.index(one.source), default=None)


def moments_in_photo(tags: Tags) -> Iterator[Moment]:
    """Every date in the tags of a photo."""
    yield from _moments_in_exif(tags)
    day, clock = tags.first("Iptc.Application2.DateCreated"), tags.first("Iptc.Application2.TimeCreated")
    # Programs that do not know the zone write +00:00, which the format demands.
    yield from _found(f"{day} {clock.removesuffix('+00:00')}" if day else "", "iptc")
    yield from (replace(one, source="xmp") for one in moments_in_sidecar(tags))
    day, clock = tags.first("Exif.GPSInfo.GPSDateStamp"), _gps_clock(tags.first("Exif.GPSInfo.GPSTimeStamp"))
    stamps = (f"{day} {clock}" if day and clock else "", tags.first("Xmp.exif.GPSTimeStamp"))
    for stamp in stamps:
        for one in _found(stamp, "gps"):
            yield _in_utc(one.local - (one.offset or timedelta(0)), "gps")


def moments_in_sidecar(tags: Tags, in_file: Iterable[Moment | None] = ()) -> Iterator[Moment]:
    """The dates in XMP, those of the taking before that of the file.

    A CreateDate corrects only a CreateDate: it is believed before all other dates where it contradicts that of the
    file itself. Else it tells when something was made, which may have been a scan.
    """
    known = [one for one in in_file if one]
    for name in ("Xmp.exif.DateTimeOriginal", "Xmp.photoshop.DateCreated"):
        yield from _completed(tags.first(name), "sidecar", known)
    stated = {one.local.replace(microsecond=0) for one in known if one.source in _CREATED}
    for one in _completed(tags.first("Xmp.xmp.CreateDate"), "created", known):
        is_correction = stated and one.local.replace(microsecond=0) not in stated
        yield replace(one, source="sidecar") if is_correction else one


def moment_in_name(name: str) -> Moment | None:
    """The date in a file name such as ``IMG_20190321_110422.jpg``; a date without time is the start of its day."""
    for found in _NAMED.finditer(name):
        year, _, month, day, *clock, thousandths, half = found.groups()
        with suppress(ValueError):
            on = date(int(year), int(month), int(day))
            hour, minute, second = (int(part or 0) for part in clock)
            if half and hour <= 12:  # 15.04 PM is a clock of 24 hours all the same
                hour = hour % 12 + 12 * (half in "Pp")
            local = datetime.combine(on, time(hour, minute, second, int(thousandths or 0) * 1000))
            if _is_believable(local):
                is_utc = name.startswith("PXL_")  # Source: Pixel cameras name their files in UTC
                return _in_utc(local, "name") if is_utc else Moment(local, None, "name")
    return None


def moment_of(at: datetime | None, source: str) -> Moment | None:
    """The moment of an aware time of which nothing else is known; None if it cannot be when a photo was taken."""
    if at is None:
        return None
    utc = at.astimezone(UTC).replace(tzinfo=None)
    return _in_utc(utc, source) if _is_believable(utc) else None


def parse_moment(text: str) -> tuple[datetime, timedelta | None] | None:
    """A naive time and its offset from ``2019:03:21 11:04:22.348-05:00``, ISO 8601 or the start of one.

    Blank, zero and impossible dates, unset clocks and the future are None.
    """
    found = _MOMENT.fullmatch(text.strip())
    if not found:
        return None
    year, month, day, hour, minute, second, fraction, offset = found.groups()
    try:
        on = date(int(year), int(month or 1), int(day or 1))
        at = time(int(hour or 0), int(minute or 0), int(second or 0), _microseconds(fraction))
    except ValueError:
        return None
    local = datetime.combine(on, at)
    return (local, parse_offset(offset or "")) if _is_believable(local) else None


def parse_offset(text: str) -> timedelta | None:
    """``+09:00``, ``-0500`` or ``Z``; None if it is none on Earth."""
    if text == "Z":
        return timedelta(0)
    found = re.fullmatch(r"([+-])(\d\d):?(\d\d)", text)
    if not found:
        return None
    offset = timedelta(hours=int(found[2]), minutes=int(found[3]))
    if offset > timedelta(hours=14):
        return None
    return -offset if found[1] == "-" else offset


def settle_zone(moment: Moment, place: tuple[float, float] | None, home: tzinfo) -> tuple[Moment, str]:
    """The moment with its offset, where known, and the name of the zone at ``place`` (degrees), or empty.

    A stated offset is believed; else the zone of the place tells, daylight saving time included. A moment that is
    known only in UTC is shown as clocks at the place show it, or those of ``home``.
    """
    name = _zone_at(place) if place else ""
    zone = ZoneInfo(name) if name else home
    if moment.is_utc:
        local = moment.local.replace(tzinfo=UTC).astimezone(zone)
        return replace(moment, local=local.replace(tzinfo=None), offset=local.utcoffset()), name
    offset_there = moment.local.replace(tzinfo=zone).utcoffset() if name else None
    if moment.offset is None:
        return replace(moment, offset=offset_there), name
    return moment, name if offset_there == moment.offset else ""


def _moments_in_exif(tags: Tags) -> Iterator[Moment]:
    """A date and the offset beside it, or beside the same date under another name."""
    stated = [
        ("original", "Photo.DateTimeOriginal", "SubSecTimeOriginal", "OffsetTimeOriginal"),
        ("created", "Photo.DateTimeDigitized", "SubSecTimeDigitized", "OffsetTimeDigitized"),
        ("modified", "Image.DateTime", "SubSecTime", "OffsetTime"),
    ]
    texts = {source: tags.first(f"Exif.{name}") for source, name, _, _ in stated}
    offsets = {source: parse_offset(tags.first(f"Exif.Photo.{name}")) for source, _, _, name in stated}
    for source, _, fraction, _ in stated:
        for one in _found(texts[source], source):
            same = (offsets[other] for other in (source, *texts) if texts[other] == texts[source])
            offset = one.offset if one.offset is not None else next((it for it in same if it is not None), None)
            microsecond = _microseconds(tags.first(f"Exif.Photo.{fraction}")) or one.local.microsecond
            yield replace(one, local=one.local.replace(microsecond=microsecond), offset=offset)


def _found(text: str, source: str) -> Iterator[Moment]:
    parsed = parse_moment(text)
    if parsed:
        yield Moment(*parsed, source)


def _completed(text: str, source: str, in_file: Iterable[Moment]) -> Iterator[Moment]:
    """The date in a sidecar; with what the file adds to it where that states the same as far as ``text`` goes."""
    is_utc = text.endswith("Z")
    for one in _found(text, source):
        stated = one.local.isoformat(timespec="seconds")[: len(text)]
        same = most_trusted(
            it for it in in_file if any(clock.isoformat().startswith(stated) for clock in _clocks(it, is_utc))
        )
        if same is None:
            yield replace(one, is_utc=is_utc)
        else:
            local = same.local.replace(microsecond=one.local.microsecond or same.local.microsecond)
            yield replace(same if is_utc or one.offset is None else one, local=local, source=source)


def _clocks(moment: Moment, is_utc: bool) -> tuple[datetime, ...]:
    """What a sidecar may repeat of ``moment``: its local time, to which some programs put a Z, or that in UTC."""
    return (moment.local, moment.local - (moment.offset or timedelta(0))) if is_utc else (moment.local,)


def _in_utc(local: datetime, source: str) -> Moment:
    return Moment(local, timedelta(0), source, is_utc=True)


def _gps_clock(text: str) -> str:
    """``16:04:21`` from ``16/1 4/1 2101/100``."""
    with suppress(ValueError, ZeroDivisionError, OverflowError):
        hour, minute, second = (int(a) / int(b) for a, b in (part.split("/") for part in text.split()))
        return f"{int(hour):02}:{int(minute):02}:{int(second):02}"
    return ""


def _microseconds(digits: str | None) -> int:
    return int(digits[:6].ljust(6, "0")) if digits and digits.isdecimal() and digits.isascii() else 0


def _is_believable(local: datetime) -> bool:
    """False of years before photography and after the next, and of a clock that shows the start of its epoch."""
    is_unset = any(abs(local - epoch) <= _DAY for epoch in _EPOCHS)
    return FIRST_PHOTO_YEAR <= local.year <= datetime.now(UTC).year + 1 and not is_unset


def _zone_at(place: tuple[float, float]) -> str:
    import tzfpy

    latitude_deg, longitude_deg = place
    return str(tzfpy.get_tz(longitude_deg, latitude_deg))
