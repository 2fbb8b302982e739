"""What a file tells about itself, and what it does not tell although tags are there."""

from __future__ import annotations

from datetime import datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from PIL import ExifTags, Image
from PIL.TiffImagePlugin import IFDRational

from album.exceptions import MediaError
from album.media.exif import FileFacts, read_facts
from tests.media.video_files import write_video

LISBON: dict[int, Any] = {
    ExifTags.GPS.GPSLatitudeRef: "N",
    ExifTags.GPS.GPSLatitude: (38.0, 43.0, 12.0),
    ExifTags.GPS.GPSLongitudeRef: "W",
    ExifTags.GPS.GPSLongitude: (9.0, 8.0, 24.0),
}


def write_photo(
    path: Path, base: dict[int, Any], details: dict[int, Any] | None = None, gps: dict[int, Any] | None = None
) -> FileFacts:
    exif = Image.Exif()
    exif.update(base)
    exif.get_ifd(ExifTags.IFD.Exif).update(details or {})
    exif.get_ifd(ExifTags.IFD.GPSInfo).update(gps or {})
    Image.new("RGB", (60, 40)).save(path, exif=exif)
    return read_facts(path, "image/jpeg")


def test_time_offset_place_and_camera_are_read(tmp_path: Path) -> None:
    facts = write_photo(
        tmp_path / "a.jpg",
        {ExifTags.Base.Make: "NIKON CORPORATION", ExifTags.Base.Model: "NIKON D70"},
        {
            ExifTags.Base.DateTimeOriginal: "2024:07:01 08:15:30",
            ExifTags.Base.OffsetTimeOriginal: "+01:00",
        },
        LISBON,
    )
    assert facts.taken_at_local == datetime(2024, 7, 1, 8, 15, 30)
    assert facts.utc_offset == timedelta(hours=1)
    assert facts.latitude_deg == pytest.approx(38.72)
    assert facts.longitude_deg == pytest.approx(-9.14)
    assert facts.camera == "NIKON D70"
    assert facts.duration_s is None


@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
@pytest.mark.parametrize("image_format", ["JPEG", "TIFF", "AVIF"])
def test_width_and_height_are_those_of_the_upright_picture(
    tmp_path: Path, orientation: int, image_format: str
) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    Image.new("RGB", (60, 40)).save(tmp_path / "a", image_format, exif=exif)
    facts = read_facts(tmp_path / "a", "image/any")
    assert (facts.width_px, facts.height_px, facts.orientation) == (40, 60, orientation)


def test_an_illegal_orientation_is_1(tmp_path: Path) -> None:
    assert write_photo(tmp_path / "a.jpg", {ExifTags.Base.Orientation: 0}).orientation == 1


def test_the_original_time_wins_over_later_ones(tmp_path: Path) -> None:
    facts = write_photo(
        tmp_path / "a.jpg",
        {ExifTags.Base.DateTime: "2025:01:01 00:00:00"},
        {
            ExifTags.Base.DateTimeOriginal: "2023:02:02 11:00:00",
            ExifTags.Base.DateTimeDigitized: "2023:04:04 11:00:00",
        },
    )
    assert facts.taken_at_local == datetime(2023, 2, 2, 11)
    assert facts.utc_offset is None


@pytest.mark.parametrize(
    "stated", ["0000:00:00 00:00:00", "    :  :     :  :  ", "2024:13:45 99:00:00", "1970:01:01 00:00:00", ""]
)
def test_a_date_without_sense_is_no_date(tmp_path: Path, stated: str) -> None:
    facts = write_photo(tmp_path / "a.jpg", {}, {ExifTags.Base.DateTimeOriginal: stated})
    assert facts.taken_at_local is None


@pytest.mark.parametrize(
    "gps",
    [
        {},
        {key: "" if isinstance(value, str) else () for key, value in LISBON.items()},
        LISBON | {ExifTags.GPS.GPSLatitude: (IFDRational(0, 0),) * 3},
        LISBON | {ExifTags.GPS.GPSLatitude: (200.0, 0.0, 0.0)},
        LISBON | {ExifTags.GPS.GPSLatitude: (0.0,) * 3, ExifTags.GPS.GPSLongitude: (0.0,) * 3},
        {ExifTags.GPS.GPSLatitudeRef: "N", ExifTags.GPS.GPSLatitude: (38.0, 43.0, 12.0)},
    ],
    ids=["absent", "empty", "0/0", "200 degrees", "0, 0", "half"],
)
def test_a_place_without_sense_is_no_place(tmp_path: Path, gps: dict[int, Any]) -> None:
    facts = write_photo(tmp_path / "a.jpg", {}, {}, gps)
    assert (facts.latitude_deg, facts.longitude_deg) == (None, None)


def test_a_photo_without_metadata_has_its_size(tmp_path: Path) -> None:
    Image.new("RGB", (60, 40)).save(tmp_path / "a.png")
    assert read_facts(tmp_path / "a.png", "image/png") == FileFacts(60, 40)


def test_a_video_tells_size_duration_time_and_place(tmp_path: Path) -> None:
    path = write_video(
        tmp_path / "a.mp4",
        ["red", "blue"],
        metadata={"creation_time": "2024-07-01T07:15:30.000000Z", "location": "+38.7200-009.1400/"},
    )
    facts = read_facts(path, "video/mp4")
    assert (facts.width_px, facts.height_px) == (160, 96)
    assert facts.duration_s == pytest.approx(2.0, abs=0.1)
    assert facts.taken_at_local == datetime(2024, 7, 1, 7, 15, 30)
    assert facts.utc_offset == timedelta(0)
    assert (facts.latitude_deg, facts.longitude_deg) == (38.72, -9.14)


def test_a_turned_video_has_the_size_of_the_upright_picture(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", ["red"], rotation_deg=90)
    assert (read_facts(path, "video/mp4").width_px, read_facts(path, "video/mp4").height_px) == (96, 160)


def test_pixels_that_are_not_square_widen_the_picture(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", ["red"], pixel_aspect=Fraction(3, 2))
    assert read_facts(path, "video/mp4").width_px == 240


@pytest.mark.parametrize("mime", ["image/jpeg", "video/mp4"])
def test_a_file_that_is_not_what_it_seems_is_a_media_error(tmp_path: Path, mime: str) -> None:
    (tmp_path / "a").write_bytes(b"\x00\x00\x00\x14ftypisom\x00\x00\x02\x00isom" + bytes(99))
    with pytest.raises(MediaError, match=r"^The (photo|video) cannot be decoded"):
        read_facts(tmp_path / "a", mime)
