"""Copies say nothing of the place, and everything that people look at is as it was."""

from __future__ import annotations

import io
from pathlib import Path

import av
import numpy as np
import pyexiv2
import pytest
from PIL import ExifTags, Image, ImageCms, PngImagePlugin

from album.exceptions import MediaError
from album.media.sniff import HEAD_BYTES, MediaType, sniff
from album.media.unlocated import copied_type, copy_photo, copy_video
from tests.media.video_files import write_video

PLACE = b"48,12.3456N"
XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description xmlns:exif="http://ns.adobe.com/exif/1.0/" exif:GPSLatitude="' + PLACE + b'"/>'
    b"</rdf:RDF></x:xmpmeta>"
)
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def located_exif() -> Image.Exif:
    exif = Image.Exif()
    exif[ExifTags.Base.Make], exif[ExifTags.Base.Orientation] = "Maker", 6
    exif[ExifTags.IFD.Exif] = {
        ExifTags.Base.DateTimeOriginal: "2024:05:06 07:08:09",
        ExifTags.Base.MakerNote: b"note " + PLACE,
        ExifTags.Base.UserComment: b"ASCII\0\0\0" + PLACE,
    }
    exif[ExifTags.IFD.GPSInfo] = {1: "N", 2: (48.0, 12.0, 34.56), 3: "E", 4: (11.0, 0.0, 0.0), 29: "2024:05:06"}
    return exif


def drawn() -> Image.Image:
    return Image.fromarray(np.random.default_rng(1).integers(0, 255, (60, 80, 3), dtype=np.uint8))


def located(image_format: str, **options) -> bytes:
    if image_format == "PNG":
        options["pnginfo"] = PngImagePlugin.PngInfo()
        options["pnginfo"].add_itxt("XML:com.adobe.xmp", XMP.decode())
        options["pnginfo"].add_text("Comment", PLACE.decode())
    elif image_format in {"JPEG", "WEBP"}:
        options["xmp"] = XMP
    file = io.BytesIO()
    drawn().save(file, image_format, exif=located_exif(), icc_profile=PROFILE, **options)
    return file.getvalue()


def copied(tmp_path: Path, content: bytes) -> tuple[Path, MediaType]:
    source = tmp_path / "source"
    source.write_bytes(content)
    media_type = sniff(content[:HEAD_BYTES])
    copy = copied_type(media_type)
    target = tmp_path / f"copy{copy.extension}"
    copy_photo(source, target, media_type)
    return target, copy


def assert_unlocated(path: Path) -> None:
    content = path.read_bytes()
    assert PLACE not in content
    with Image.open(path) as image:
        exif = image.getexif()
        assert not exif.get_ifd(ExifTags.IFD.GPSInfo)
        assert ExifTags.IFD.GPSInfo not in exif
        assert "xmp" not in image.info


@pytest.mark.parametrize(
    ("image_format", "options"),
    [
        ("JPEG", {"quality": 90}), ("JPEG", {"progressive": True}), ("PNG", {}), ("WEBP", {"lossless": True}),
        ("WEBP", {"quality": 80}),
    ],
)  # fmt: skip
def test_pixels_colors_turn_and_time_stay_and_the_place_goes(tmp_path: Path, image_format: str, options) -> None:
    content = located(image_format, **options)
    assert PLACE in content
    path, copy = copied(tmp_path, content)
    assert_unlocated(path)
    with Image.open(io.BytesIO(content)) as before, Image.open(path) as after:
        assert copy.mime == Image.MIME[image_format]
        assert np.array_equal(np.asarray(before), np.asarray(after))
        assert after.info["icc_profile"] == PROFILE
        exif = after.getexif()
        assert (exif[ExifTags.Base.Orientation], exif[ExifTags.Base.Make]) == (6, "Maker")
        assert exif.get_ifd(ExifTags.IFD.Exif) == {ExifTags.Base.DateTimeOriginal: "2024:05:06 07:08:09"}


def test_what_stands_behind_the_picture_goes(tmp_path: Path) -> None:
    second = located("JPEG")
    comment = b"\xff\xfe" + (len(PLACE) + 2).to_bytes(2) + PLACE
    first = located("JPEG")
    path, _ = copied(tmp_path, first[:2] + comment + first[2:] + second + b"ftypmp42" + PLACE)
    assert_unlocated(path)
    assert path.read_bytes().count(b"\xff\xd8\xff") == 1
    assert path.read_bytes().endswith(b"\xff\xd9")


@pytest.mark.parametrize("image_format", ["TIFF", "AVIF", "HEIF"])
def test_what_cannot_be_rewritten_is_drawn_again(tmp_path: Path, image_format: str) -> None:
    if image_format == "HEIF":
        import pillow_heif

        pillow_heif.register_heif_opener()
    if image_format == "TIFF":
        source = tmp_path / "located.tiff"
        drawn().save(source)
        with pyexiv2.Image(str(source)) as image:
            image.modify_exif({"Exif.GPSInfo.GPSLatitude": "48/1 12/1 0/1"})
        content = source.read_bytes()
    else:
        content = located(image_format)
    path, copy = copied(tmp_path, content)
    assert_unlocated(path)
    assert copy.mime == "image/jpeg"
    with Image.open(path) as image:
        assert sorted(image.size) == [60, 80]


def test_a_file_without_metadata_stays_the_same_bytes(tmp_path: Path) -> None:
    file = io.BytesIO()
    drawn().save(file, "PNG")
    path, _ = copied(tmp_path, file.getvalue())
    assert path.read_bytes() == file.getvalue()


@pytest.mark.parametrize("cut", [3, 20, 200])
@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP"])
def test_of_a_damaged_file_nothing_leaves_that_tells_the_place(tmp_path: Path, image_format: str, cut: int) -> None:
    content = located(image_format)
    at = content.index(PLACE)
    for damaged in (content[: at + len(PLACE)], content[:cut] + b"\xff" * 7 + content[cut:]):
        try:
            path, _ = copied(tmp_path, damaged)
        except (MediaError, AssertionError):
            continue
        assert PLACE not in path.read_bytes()


@pytest.mark.parametrize("rotation_deg", [0, 90])
def test_a_video_keeps_pictures_sound_and_turn_and_loses_its_place(tmp_path: Path, rotation_deg: int) -> None:
    metadata = {"location": "+48.1234+011.5678/", "com.apple.quicktime.location.ISO6709": "+48.1234+011.5678/"}
    source = write_video(
        tmp_path / "v.mp4",
        ["red", "blue"],
        codec="libx264",
        sound="aac",
        rotation_deg=rotation_deg,
        metadata=metadata,
    )
    assert b"+48.1234" in source.read_bytes()
    target = tmp_path / "copy.mp4"
    copy_video(source, target)
    assert b"+48.12" not in target.read_bytes()

    def told(path: Path) -> tuple[int, bytes, list[str]]:
        with av.open(str(path)) as video:
            names = [stream.codec_context.name for stream in video.streams]
            packets = b"".join(bytes(packet) for packet in video.demux(video=0))
        with av.open(str(path)) as video:
            return next(video.decode(video=0)).rotation, packets, names

    assert told(target) == told(source)


@pytest.mark.parametrize("container", ["mp4", "mkv", "ts"])
def test_a_copy_of_hevc_has_the_tag_that_apples_players_ask_for(tmp_path: Path, container: str) -> None:
    source = write_video(tmp_path / f"v.{container}", ["red"], codec="libx265")
    copy_video(source, tmp_path / "copy.mp4")
    with av.open(str(tmp_path / "copy.mp4")) as video:
        assert video.streams.video[0].codec_tag == "hvc1"
        assert sum(1 for _ in video.decode(video=0)) == 10


def test_a_copy_of_matroska_keeps_each_frame_and_its_time(tmp_path: Path) -> None:
    source = write_video(tmp_path / "v.mkv", ["red", "blue"], codec="libx264")
    copy_video(source, tmp_path / "copy.mp4")

    def times(path: Path) -> list[float]:
        with av.open(str(path)) as video:
            return [round(frame.time, 3) for frame in video.decode(video=0)]

    assert times(tmp_path / "copy.mp4") == times(source)
    assert len(times(source)) == 20


def test_a_video_that_fits_into_no_mp4_is_refused_in_words(tmp_path: Path) -> None:
    source = write_video(tmp_path / "v.wmv", ["red"], codec="wmv2")
    with pytest.raises(MediaError, match="MP4"):
        copy_video(source, tmp_path / "copy.mp4")
