"""One decode makes grid, preview and placeholder, and none of them tells where the photo was taken."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import blurhash
import numpy as np
import pytest
from PIL import ExifTags, Image, ImageCms, PngImagePlugin

from album.exceptions import MediaError
from album.media import decode
from album.media.rendering import render_avif, render_photo, write_renditions
from album.media.renditions import GRID, PREVIEW
from album.media.scenes import draw_scene, sample_scene
from album.media.sniff import HEAD_BYTES, sniff

SECRET = b"Secret Garden 12"


def photo(path: Path, size: tuple[int, int], image_format: str = "JPEG", **options: object) -> Path:
    """A gradient, so that each part of it is known by its color."""
    ramp = np.stack(np.meshgrid(np.linspace(0, 255, size[0]), np.linspace(0, 255, size[1])), axis=-1)
    pixels = np.concatenate([ramp, np.full((*ramp.shape[:2], 1), 128.0)], axis=-1).astype(np.uint8)
    Image.fromarray(pixels).save(path, image_format, **options)
    return path


def render(path: Path, folder: Path):
    with path.open("rb") as file:
        return render_photo(path, sniff(file.read(HEAD_BYTES), path.name), folder)


def sizes(folder: Path) -> tuple[tuple[int, int], tuple[int, int]]:
    with Image.open(folder / GRID) as grid, Image.open(folder / PREVIEW) as preview:
        assert (grid.format, preview.format) == ("WEBP", "JPEG")
        return grid.size, preview.size


@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_a_large_photo_gets_both_sizes_and_tells_its_own(tmp_path: Path, image_format: str) -> None:
    made = render(photo(tmp_path / "a", (2400, 1800), image_format), tmp_path)
    assert (made.width_px, made.height_px, made.warning) == (2400, 1800, "")
    assert sizes(tmp_path) == ((400, 300), (1600, 1200))
    with Image.open(tmp_path / PREVIEW) as preview:
        right, _, blue = preview.getpixel((1590, 20))  # type: ignore[misc]
    assert right > 240 and 110 < blue < 146


@pytest.mark.parametrize(
    ("size", "decoded"),
    [((4032, 100), (1512, 38)), ((6001, 100), (1501, 25)), ((3001, 100), (1501, 50)), ((3850, 100), (1444, 38))],
)
def test_a_jpeg_is_left_at_the_size_it_is_decoded_to_where_that_is_near_the_wanted_one(
    tmp_path: Path, size: tuple[int, int], decoded: tuple[int, int]
) -> None:
    source = photo(tmp_path / "a", size, quality=95)
    made = render(source, tmp_path)
    assert (made.width_px, made.height_px) == size
    assert sizes(tmp_path)[1] == decoded
    with Image.open(source) as whole, Image.open(tmp_path / PREVIEW) as preview:
        expected = np.asarray(whole.resize(decoded), float)
        assert np.abs(np.asarray(preview, float) - expected).max() < 8


def test_nothing_is_enlarged(tmp_path: Path) -> None:
    render(photo(tmp_path / "a", (300, 20)), tmp_path)
    assert sizes(tmp_path) == ((300, 20), (300, 20))


def test_extreme_shapes_keep_one_pixel(tmp_path: Path) -> None:
    render(photo(tmp_path / "a", (9000, 3)), tmp_path)
    assert sizes(tmp_path) == ((400, 1), (1600, 1))


@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "TIFF"])
def test_a_turned_photo_is_upright_and_tells_its_upright_size(tmp_path: Path, image_format: str) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    made = render(photo(tmp_path / "a", (2000, 1000), image_format, exif=exif), tmp_path)
    assert (made.width_px, made.height_px) == (1000, 2000)
    assert sizes(tmp_path) == ((200, 400), (800, 1600))


@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_no_rendition_carries_metadata(tmp_path: Path, image_format: str) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.ImageDescription] = SECRET.decode()
    exif.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitudeRef] = "N"
    options: dict[str, object] = {"exif": exif, "icc_profile": profile(), "xmp": SECRET}
    if image_format == "PNG":
        options["pnginfo"] = PngImagePlugin.PngInfo()
        options["pnginfo"].add_text("Comment", SECRET.decode())  # type: ignore[attr-defined]
    if image_format == "JPEG":
        options["comment"] = SECRET
    source = photo(tmp_path / "a", (500, 400), image_format, **options)
    assert SECRET in source.read_bytes()
    render(source, tmp_path)
    render_avif(source, tmp_path / "a.avif")
    for name in (GRID, PREVIEW, "a.avif"):
        content = (tmp_path / name).read_bytes()
        assert not any(word in content for word in (SECRET, b"Exif", b"EXIF", b"ICC_PROFILE", b"ICCP", b"prof"))
        with Image.open(tmp_path / name) as image:
            assert not image.getexif()
            assert image.info.keys() <= {"jfif", "jfif_version", "jfif_unit", "jfif_density", "loop", "background",
                                         "timestamp", "duration"}  # fmt: skip


def profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def test_avif_shows_the_same_picture_in_fewer_bytes(tmp_path: Path) -> None:
    import random

    rng = random.Random(3)
    draw_scene(sample_scene(rng), rng, (2000, 1500))[0].save(tmp_path / "a.jpg", quality=92)
    render(tmp_path / "a.jpg", tmp_path)
    render_avif(tmp_path / "a.jpg", tmp_path / "a.avif")
    with Image.open(tmp_path / "a.avif") as avif, Image.open(tmp_path / PREVIEW) as preview:
        assert avif.size == preview.size == (1600, 1200)
        assert np.abs(np.asarray(avif, float) - np.asarray(preview, float)).mean() < 4
    assert (tmp_path / "a.avif").stat().st_size < (tmp_path / PREVIEW).stat().st_size


def test_the_placeholder_shows_where_it_is_light(tmp_path: Path) -> None:
    picture = Image.new("RGB", (600, 400), "black")
    picture.paste("white", (300, 0, 600, 400))
    made = write_renditions(picture, tmp_path)
    assert (made.width_px, made.height_px) == (600, 400)
    blurred = np.asarray(blurhash.decode(made.placeholder, 20, 14))
    assert blurred[:, 2].mean() < 80 and blurred[:, 17].mean() > 180


@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "BMP"])
def test_of_a_truncated_photo_the_rest_is_shown_with_a_warning(tmp_path: Path, image_format: str) -> None:
    path = photo(tmp_path / "a", (800, 600), image_format)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    made = render(path, tmp_path)
    assert made.warning == (
        f"The file is truncated after {path.stat().st_size:,} bytes: only a part is shown. Upload a complete copy."
    )
    assert (made.width_px, made.height_px) == (800, 600)
    with Image.open(tmp_path / PREVIEW) as preview:
        lit = preview.height - 5 if image_format == "BMP" else 5  # a BMP begins at the bottom
        assert preview.getpixel((790, lit))[0] > 240  # type: ignore[index]
    with pytest.raises(MediaError, match="truncated"):  # and the switch is back where it was
        decode.decode_photo(path, min_side_px=100)


def test_a_truncated_photo_of_which_nothing_is_left_is_an_error_and_leaves_no_file(tmp_path: Path) -> None:
    file = io.BytesIO()
    Image.effect_noise((800, 600), 90).save(file, "JPEG")
    start = file.getvalue().index(b"\xff\xda") + 10
    (tmp_path / "a.jpg").write_bytes(file.getvalue()[:start])
    with pytest.raises(MediaError, match=f"truncated after {start} bytes"):
        render(tmp_path / "a.jpg", tmp_path / "made")
    assert not (tmp_path / "made").exists()


def test_a_picture_appears_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = photo(tmp_path / "a", (500, 400))
    render(source, tmp_path)
    before = (tmp_path / PREVIEW).read_bytes()

    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(OSError, match="No space left"):
        render(source, tmp_path)
    assert (tmp_path / PREVIEW).read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", GRID, PREVIEW]


def with_screen_copy(path: Path, picture: Image.Image, copy: Image.Image, orientation: int) -> Path:
    """A JPEG as some cameras write it: with a smaller copy of itself behind it (MPF, large thumbnail)."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    picture.save(path, "MPO", save_all=True, append_images=[copy], exif=exif)
    content = bytearray(path.read_bytes())
    base = content.index(b"MPF\0") + 4
    (directory,) = struct.unpack_from("<I", content, base + 4)
    (count,) = struct.unpack_from("<H", content, base + directory)
    for at in range(base + directory + 2, base + directory + 2 + 12 * count, 12):
        tag, _, _, entries = struct.unpack_from("<HHII", content, at)
        if tag == 0xB002:
            struct.pack_into("<I", content, base + entries + 16, 0x010002)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("copy_size", "is_used"), [((1600, 1200), True), ((1500, 1125), False), ((1920, 1080), False)]
)
def test_the_copy_that_a_camera_stored_is_used_where_large_enough_and_whole(
    tmp_path: Path, copy_size: tuple[int, int], is_used: bool
) -> None:
    large, copy = Image.new("RGB", (3600, 2700), "red"), Image.new("RGB", copy_size, "blue")
    made = render(with_screen_copy(tmp_path / "a.jpg", large, copy, 6), tmp_path)
    assert (made.width_px, made.height_px) == (2700, 3600)
    assert sizes(tmp_path) == ((300, 400), (1200, 1600))
    with Image.open(tmp_path / PREVIEW) as preview:
        assert (preview.getpixel((9, 9))[2] > 200) is is_used  # type: ignore[index]
