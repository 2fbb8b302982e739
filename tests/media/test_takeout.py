"""Google Takeout's JSON is found under its odd names, and read for what it knows."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from album.exceptions import MediaError
from album.media.takeout import TakeoutFacts, find_takeout_sidecar, read_takeout

LONG = "a_very_long_name_that_somebody_gave_to_this_photo.jpg"
STATED: dict[str, Any] = {
    "title": "IMG_1234.jpg",
    "description": " At the lake ",
    "photoTakenTime": {"timestamp": "1553184262", "formatted": "21 Mar 2019, 16:04:22 UTC"},
    "geoData": {"latitude": 41.2203, "longitude": -96.071625, "altitude": 0.0},
    "favorited": True,
    "people": [{"name": "Ada"}],
}


def find(photo: str, *others: str) -> str | None:
    found = find_takeout_sidecar(Path("/album") / photo, {photo, *others})
    return None if found is None else found.name


@pytest.mark.parametrize(
    ("photo", "sidecar"),
    [
        ("photo.jpg", "photo.jpg.json"),
        ("photo.jpg", "photo.jpg.supplemental-metadata.json"),
        ("photo.jpg", "photo.jpg.supplemental-me.json"),
        ("photo.jpg", "photo.jpg.s.json"),
        (LONG, f"{LONG[:46]}.json"),
        ("photo(1).jpg", "photo.jpg(1).json"),
        ("photo(1).jpg", "photo.jpg.supplemental-metadata(1).json"),
        ("photo(1).jpg", "photo(1).jpg.json"),
        ("photo-edited.jpg", "photo.jpg.json"),
        ("photo-bearbeitet.jpg", "photo.jpg.supplemental-metadata.json"),
        ("photo-edited(1).jpg", "photo.jpg(1).json"),
        ("IMG_1234.MP4", "IMG_1234.HEIC.json"),
        ("IMG_1234.MOV", "IMG_1234.jpg.supplemental-metadata.json"),
        ("IMG_1234(2).MP4", "IMG_1234.HEIC(2).json"),
    ],
)
def test_the_odd_names_are_found(photo: str, sidecar: str) -> None:
    assert find(photo, sidecar, "metadata.json", "other.jpg.json") == sidecar


@pytest.mark.parametrize(
    ("photo", "other"),
    [
        ("photo.jpg", "photo.jpg(1).json"),
        ("photo(1).jpg", "photo.jpg.json"),
        ("photo(1).jpg", "photo.jpg(2).json"),
        ("photo.jpg", "photo.png.json"),
        ("photo.jpg", "photo.json"),
        ("photo.jpg", "metadata.json"),
        ("IMG_1234.jpg", "IMG_1234.HEIC.json"),
    ],
)
def test_the_json_of_another_photo_is_not_taken(photo: str, other: str) -> None:
    assert find(photo, other) is None


def write(path: Path, content: Any) -> Path:
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_what_google_knew_is_read(tmp_path: Path) -> None:
    assert read_takeout(write(tmp_path / "a.json", STATED)) == TakeoutFacts(
        name="IMG_1234.jpg",
        taken_at=datetime(2019, 3, 21, 16, 4, 22, tzinfo=UTC),
        latitude_deg=41.2203,
        longitude_deg=-96.071625,
        description="At the lake",
        people=("Ada",),
        is_favorite=True,
    )


def test_zero_zero_is_no_place_and_the_cameras_place_is_the_next_best(tmp_path: Path) -> None:
    nowhere = STATED | {"geoData": {"latitude": 0.0, "longitude": 0.0}}
    assert read_takeout(write(tmp_path / "a.json", nowhere)).latitude_deg is None
    camera = nowhere | {"geoDataExif": {"latitude": 1.5, "longitude": 2.5}}
    assert read_takeout(write(tmp_path / "b.json", camera)).latitude_deg == 1.5


def test_a_place_beyond_all_numbers_is_none(tmp_path: Path) -> None:
    stated = STATED | {"geoData": {"latitude": 10**400, "longitude": 2}}
    assert read_takeout(write(tmp_path / "a.json", stated)).latitude_deg is None


def test_archive_and_trash_are_told_apart(tmp_path: Path) -> None:
    facts = read_takeout(write(tmp_path / "a.json", STATED | {"archived": True, "trashed": True}))
    assert (facts.is_archived, facts.is_trashed) == (True, True)


@pytest.mark.parametrize("timestamp", ["-300000000", "-99999999999999999", "soon", None])
def test_a_scan_from_before_1970_has_a_date_and_nonsense_has_none(tmp_path: Path, timestamp: Any) -> None:
    facts = read_takeout(write(tmp_path / "a.json", STATED | {"photoTakenTime": {"timestamp": timestamp}}))
    expected = datetime(1960, 6, 29, 18, 40, tzinfo=UTC) if timestamp == "-300000000" else None
    assert facts.taken_at == expected


@pytest.mark.parametrize("content", ["", "{", "[1]", "[" * 100_000, '{"title": "Holiday", "description": ""}'])
def test_another_json_is_refused_with_words(tmp_path: Path, content: str) -> None:
    with pytest.raises(MediaError, match=r"^a\.json: "):
        read_takeout(write(tmp_path / "a.json", content))
