"""The analyzer without weights: light, colors, shape, and what the file itself states. It names no objects."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from album.inference.results import Analysis, FloatArray, Frame, PhotoFacts, Pixels, Tag, TagSource, WeightsRef

# The palette, by hue (degrees), saturation and value (0 to 1), chosen so that the basic colors of CSS and those of
# album/media/scenes.py each get their own name.
_BLACK_VALUE = 0.2
_GRAY_SATURATION = 0.15
_WHITE_VALUE = 0.82
_BROWN_VALUE = 0.65
_PINK_SATURATION, _PINK_VALUE = 0.5, 0.7
_HUES = ("red", "orange", "yellow", "green", "cyan", "blue", "purple", "pink", "red")
_HUE_ENDS_DEG = (14, 44, 68, 160, 200, 255, 295, 340)
COLOR_NAMES = (*_HUES, "brown", "black", "white", "gray")

_MAIN_COLOR_SHARE = 0.2
_MOST = 0.5
_COLORLESS_CHROMA = 0.06
_PLAIN_DEVIATION = 0.06
"""A picture of one single gray is gray, not a black-and-white photo."""
_BRIGHT_MEAN, _DARK_MEAN, _HIGH_CONTRAST_DEVIATION = 170, 65, 75
"""Mean and standard deviation of luma, 0 to 255."""

_SAMPLE_PX = 64
_PANORAMA_RATIO = 2.0
_SQUARE_TOLERANCE = 1.05
_TROPIC_DEG = 23.5
"""Between the tropics there are no four seasons."""

# fmt: off
_MONTHS = (
    "", "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)
# fmt: on
"""Not from strftime: a description is English whatever the locale of the host."""
_NORTHERN_SEASONS = ("winter", "spring", "summer", "autumn")


class BuiltinAnalyzer:
    """Light, colors, orientation, season, time of day, places and names of the metadata; satisfies Analyzer."""

    weights = WeightsRef("built-in", "1")
    micro_batch = 16

    def analyze(self, frames: Sequence[Frame]) -> list[Analysis]:
        """One analysis per frame, in order. Scores: a color's is its share of the picture, all others are 1."""
        return [_analyze_one(frame) for frame in frames]

    def cancel(self) -> None:
        """Nothing to do: a frame takes about a millisecond."""

    def close(self) -> None:
        """Nothing to do: there are no weights."""


def _analyze_one(frame: Frame) -> Analysis:
    small = Image.fromarray(frame.pixels).resize((_SAMPLE_PX, _SAMPLE_PX), Image.Resampling.BOX)
    light, colors = name_light(np.asarray(small, np.uint8)), name_colors(np.asarray(small, np.uint8))
    shape = name_shape(frame.pixels.shape[1], frame.pixels.shape[0])
    season, part = name_season(frame.facts), name_time_of_day(frame.facts.taken_at_local)
    shape_tag = shape if shape in {"panorama", "square"} else f"{shape} orientation"
    names = [light, shape_tag, season, part, *frame.facts.place_names, *frame.facts.person_names]
    tags = [Tag(name, min(1.0, share), TagSource.BUILT_IN) for name, share in colors.items()]
    tags += [Tag(" ".join(name.lower().split()), 1.0, TagSource.BUILT_IN) for name in names if name]
    return Analysis(
        description=_describe((light, shape), colors, frame.facts),
        tags=tuple({tag.name: tag for tag in tags}.values()),
    )


def name_light(pixels: Pixels) -> str:
    """``bright``, ``dark``, ``high contrast`` or, for ordinary light, nothing."""
    luma = np.asarray(Image.fromarray(pixels).convert("L"), np.float32)
    if luma.mean() >= _BRIGHT_MEAN:
        return "bright"
    if luma.mean() <= _DARK_MEAN:
        return "dark"
    return "high contrast" if luma.std() >= _HIGH_CONTRAST_DEVIATION else ""


def name_colors(pixels: Pixels) -> dict[str, float]:
    """At most two colors with their share of the picture, largest first; gray tones are ``black and white``."""
    hsv = np.asarray(Image.fromarray(pixels).convert("HSV"), np.float32).reshape(-1, 3) / np.float32(255)
    chroma, value = hsv[:, 1] * hsv[:, 2], hsv[:, 2]
    if np.percentile(chroma, 98) < _COLORLESS_CHROMA and value.std() > _PLAIN_DEVIATION:
        return {"black and white": 1.0}
    found, counts = np.unique(name_pixels(hsv), return_counts=True)
    shares = {str(name): float(count) / len(hsv) for name, count in zip(found, counts, strict=True)}
    best = sorted(shares, key=lambda name: -shares[name])[:2]
    return {name: shares[name] for name in best if shares[name] >= _MAIN_COLOR_SHARE}


def name_pixels(hsv: FloatArray) -> NDArray[np.str_]:
    """The color name of each pixel, ``(N,)``, from ``(N, 3)`` hue, saturation and value, each 0 to 1."""
    hue, saturation, value = hsv[:, 0] * 360, hsv[:, 1], hsv[:, 2]
    by_hue = np.array(_HUES)[np.searchsorted(_HUE_ENDS_DEG, hue, side="right")]
    is_pale = saturation < _GRAY_SATURATION
    rules = {
        "black": value < _BLACK_VALUE,
        "white": is_pale & (value > _WHITE_VALUE),
        "gray": is_pale,
        "brown": (by_hue == "orange") & (value < _BROWN_VALUE),
        "pink": (by_hue == "red") & (saturation < _PINK_SATURATION) & (value > _PINK_VALUE),
    }
    return np.select(list(rules.values()), [np.array(name) for name in rules], by_hue)


def name_shape(width_px: int, height_px: int) -> str:
    """``panorama``, ``horizontal``, ``square`` or ``vertical``: a landscape may be what a picture shows."""
    if width_px >= height_px * _PANORAMA_RATIO:
        return "panorama"
    if max(width_px, height_px) <= min(width_px, height_px) * _SQUARE_TOLERANCE:
        return "square"
    return "horizontal" if width_px > height_px else "vertical"


def name_season(facts: PhotoFacts) -> str:
    """The season where and when the picture was taken; nothing if either is unknown, or between the tropics."""
    latitude, moment = facts.latitude_deg, facts.taken_at_local
    if moment is None or latitude is None or math.fabs(latitude) < _TROPIC_DEG:
        return ""
    quarter = moment.month % 12 // 3
    return _NORTHERN_SEASONS[quarter if latitude > 0 else (quarter + 2) % 4]


def name_time_of_day(moment: datetime | None) -> str:
    """``morning`` from 5, ``afternoon`` from 12, ``evening`` from 18, ``night`` from 22; nothing at exactly 0:00.

    Exactly midnight is what is stored when only the date is known.
    """
    if moment is None or (moment.hour, moment.minute, moment.second) == (0, 0, 0):
        return ""
    if 5 <= moment.hour < 12:
        return "morning"
    if 12 <= moment.hour < 18:
        return "afternoon"
    return "evening" if 18 <= moment.hour < 22 else "night"


def _describe(light_and_shape: tuple[str, str], colors: dict[str, float], facts: PhotoFacts) -> str:
    """``A bright horizontal picture, mostly blue and white, taken on a summer morning in Lisbon.``"""
    light, shape = light_and_shape
    is_colorless = "black and white" in colors
    words = [light.replace(" ", "-"), "black-and-white" if is_colorless else "", shape]
    noun = "" if shape == "panorama" else "picture"
    parts = [" ".join(["A", *(word for word in [*words, noun] if word)])]
    if colors and not is_colorless:
        how_much = "mostly" if sum(colors.values()) >= _MOST else "partly"
        parts.append(f"{how_much} {' and '.join(colors)}")
    when, where = _describe_time(facts), f"in {facts.place_names[0]}" if facts.place_names else ""
    if when or where:
        parts.append(" ".join(word for word in ("taken", when, where) if word))
    if facts.person_names:
        parts.append(f"with {_join(facts.person_names)} named in the file")
    return ", ".join(parts) + "."


def _describe_time(facts: PhotoFacts) -> str:
    """``on a summer morning``, ``in July`` or nothing: the month stands in where the season is not known."""
    if facts.taken_at_local is None:
        return ""
    season = name_season(facts) or _MONTHS[facts.taken_at_local.month]
    part = name_time_of_day(facts.taken_at_local)
    return f"on {_with_article(f'{season} {part}')}" if part else f"in {season}"


def _with_article(words: str) -> str:
    return f"an {words}" if words[0].lower() in "aeo" else f"a {words}"


def _join(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
