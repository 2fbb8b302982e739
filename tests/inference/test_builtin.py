"""The analyzer without weights says what light, colors, shape and metadata are, and nothing else."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pytest
from PIL import Image

from album.inference.builtin import (
    BuiltinAnalyzer,
    name_colors,
    name_light,
    name_season,
    name_shape,
    name_time_of_day,
)
from album.inference.results import Analysis, Analyzer, Frame, PhotoFacts, Pixels, TagSource
from album.media import scenes


def plain(color: str | tuple[int, int, int], width: int = 120, height: int = 80) -> Pixels:
    return np.array(Image.new("RGB", (width, height), color), np.uint8)


def analyze(pixels: Pixels, facts: PhotoFacts | None = None) -> Analysis:
    analyzer: Analyzer = BuiltinAnalyzer()
    (analysis,) = analyzer.analyze([Frame(pixels, facts or PhotoFacts())])
    return analysis


def test_a_whole_sentence_from_pixels_and_facts() -> None:
    sky = plain("white")
    sky[:48] = (60, 120, 240)
    sky[48:] = 255
    facts = PhotoFacts(datetime(2024, 7, 1, 8, 30), 38.7, -9.1, ("Lisbon", "Portugal"))
    found = analyze(sky, facts)
    assert found.description == (
        "A bright horizontal picture, mostly blue and white, taken on a summer morning in Lisbon."
    )
    names = [tag.name for tag in found.tags]
    assert names == ["blue", "white", "bright", "horizontal orientation", "summer", "morning", "lisbon", "portugal"]
    assert {tag.source for tag in found.tags} == {TagSource.BUILT_IN}
    assert found.embedding is None


def test_it_knows_only_pixels_when_the_file_states_nothing() -> None:
    assert analyze(plain("navy", 80, 120)).description == "A dark vertical picture, mostly blue."
    assert analyze(plain("white", 300, 100)).description == "A bright panorama, mostly white."


def test_it_has_its_own_name_and_never_claims_intelligence() -> None:
    assert BuiltinAnalyzer.weights.id == "built-in"
    facts = PhotoFacts(datetime(2024, 7, 1), 38.7, -9.1, ("Lisbon",), ("Alice", "Bob"))
    description = analyze(plain("red"), facts).description or ""
    assert " AI" not in description and "intelligen" not in description
    assert description.endswith("with Alice and Bob named in the file.")


@pytest.mark.parametrize("colors", [scenes.COLORS, scenes.BACKGROUNDS], ids=["colors", "backgrounds"])
def test_each_color_of_the_drawn_scenes_has_its_own_name(colors: dict[str, tuple[int, int, int]]) -> None:
    assert {name: next(iter(name_colors(plain(color)))) for name, color in colors.items()} == {
        name: name for name in colors
    }


def test_a_color_has_its_share_as_score_and_small_shares_are_left_out() -> None:
    picture = plain("red", 100, 100)
    picture[:, 60:] = (0, 0, 255)
    picture[:10] = (0, 255, 0)
    assert name_colors(picture) == pytest.approx({"red": 0.54, "blue": 0.36})


def test_no_color_dominates_a_colorful_picture() -> None:
    hues = np.zeros((64, 64, 3), np.uint8)
    hues[:, :, 0] = np.linspace(0, 255, 64)
    hues[:, :, 1:] = 255
    picture = np.asarray(Image.fromarray(hues, "HSV").convert("RGB"))
    assert sum(name_colors(picture).values()) < 0.5
    assert "mostly" not in (analyze(picture).description or "")


def test_a_picture_of_gray_tones_is_black_and_white_but_plain_gray_is_gray() -> None:
    ramp = np.linspace(0, 255, 120, dtype=np.uint8)[None, :, None].repeat(80, 0).repeat(3, 2)
    assert name_colors(ramp) == {"black and white": 1.0}
    assert (analyze(ramp).description or "").startswith("A ")
    assert "black-and-white horizontal picture." in (analyze(ramp).description or "")
    assert list(name_colors(plain("gray"))) == ["gray"]


def test_light_is_named_only_where_it_is_unusual() -> None:
    halves = plain("black")
    halves[:, :60] = 255
    assert name_light(halves) == "high contrast"
    assert [name_light(plain(color)) for color in ("white", "black", "gray")] == ["bright", "dark", ""]


@pytest.mark.parametrize(
    ("size", "name"),
    [((4, 3), "horizontal"), ((3, 4), "vertical"), ((1000, 1020), "square"), ((4, 2), "panorama")],
)
def test_the_shape_has_a_name(size: tuple[int, int], name: str) -> None:
    assert name_shape(*size) == name


@pytest.mark.parametrize(
    ("month", "latitude_deg", "season"),
    [
        (7, 38.7, "summer"),
        (7, -33.9, "winter"),
        (12, 60.0, "winter"),
        (12, -37.8, "summer"),
        (4, 48.0, "spring"),
        (10, -45.0, "spring"),
        (10, 45.0, "autumn"),
        (7, 1.3, ""),
        (7, None, ""),
    ],
)
def test_seasons_follow_the_hemisphere_and_are_not_guessed(
    month: int, latitude_deg: float | None, season: str
) -> None:
    assert name_season(PhotoFacts(datetime(2024, month, 1, 9), latitude_deg)) == season


def test_the_month_stands_in_for_an_unknown_season() -> None:
    found = analyze(plain("red"), PhotoFacts(datetime(2024, 8, 1, 19)))
    assert found.description == "A horizontal picture, mostly red, taken on an August evening."


@pytest.mark.parametrize(
    ("hour", "part"),
    [(5, "morning"), (11, "morning"), (12, "afternoon"), (18, "evening"), (22, "night"), (3, "night")],
)
def test_the_hour_tells_the_time_of_day(hour: int, part: str) -> None:
    assert name_time_of_day(datetime(2024, 7, 1, hour, 30)) == part


def test_exactly_midnight_is_a_date_without_time() -> None:
    assert name_time_of_day(datetime(2024, 7, 1)) == ""
    found = analyze(plain("red"), PhotoFacts(datetime(2024, 7, 1), 38.7))
    assert found.description == "A horizontal picture, mostly red, taken in summer."


def test_names_of_places_are_not_taken_for_plurals() -> None:
    names = [tag.name for tag in analyze(plain("red"), PhotoFacts(place_names=("Athens", "Los  Angeles"))).tags]
    assert names[-2:] == ["athens", "los angeles"]


def test_a_single_pixel_can_be_analyzed() -> None:
    assert analyze(plain("red", 1, 1)).description == "A square picture, mostly red."
