"""Photos become upright RGB pixels of bounded size, or an error that says why not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageCms

from album.exceptions import MediaError, UnsupportedMedia
from album.media import decode, openers
from album.media.decode import decode_photo
from album.media.jxl import read_jxl_size

CORNERS = {(0, 0): "red", (0, -1): "lime", (-1, 0): "blue", (-1, -1): "white"}
TO_STORED = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
"""How a camera held that way stores an upright picture: the inverse of what a viewer has to do."""


def draw_corners(width: int = 96, height: int = 64) -> Image.Image:
    quarters = Image.new("RGB", (2, 2))
    for (row, column), color in CORNERS.items():
        quarters.paste(color, (column % 2, row % 2, column % 2 + 1, row % 2 + 1))
    return quarters.resize((width, height), Image.Resampling.NEAREST)


def assert_upright(pixels: decode.Pixels) -> None:
    for (row, column), color in CORNERS.items():
        expected = np.array(Image.new("RGB", (1, 1), color))[0, 0].astype(int)
        assert np.abs(pixels[row, column].astype(int) - expected).max() < 60, (row, column)


@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "TIFF", "WEBP", "AVIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_each_exif_orientation_comes_out_upright(tmp_path: Path, orientation: int, image_format: str) -> None:
    turn = TO_STORED[orientation]
    picture = draw_corners()
    stored = picture if turn is None else picture.transpose(turn)
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    path = tmp_path / "turned"
    stored.save(path, image_format, exif=exif, quality=95)
    pixels = decode_photo(path, min_side_px=32)
    assert pixels.shape == (32, 48, 3)
    assert_upright(pixels)


def test_an_illegal_orientation_counts_as_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 99
    draw_corners().save(tmp_path / "odd.jpg", exif=exif, quality=95)
    assert_upright(decode_photo(tmp_path / "odd.jpg", min_side_px=64))


def test_the_shorter_side_gets_the_wanted_length_and_nothing_is_enlarged(tmp_path: Path) -> None:
    draw_corners(300, 200).save(tmp_path / "a.png")
    assert decode_photo(tmp_path / "a.png", min_side_px=100).shape == (100, 150, 3)
    assert decode_photo(tmp_path / "a.png", min_side_px=4000).shape == (200, 300, 3)


def test_a_large_jpeg_is_never_decoded_at_full_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "large.jpg"
    draw_corners(4000, 3000).save(path)
    # 12 megapixels do not fit below this limit, the scaled picture of 1000 x 750 does.
    monkeypatch.setattr(openers, "MAX_HELD_PIXELS", 1_000_000)
    assert decode_photo(path, min_side_px=384).shape == (384, 512, 3)


@pytest.mark.parametrize(
    "options",
    [{}, {"progressive": True}, {"subsampling": 0}, {"keep_rgb": True}, {"restart_marker_rows": 1}],
    ids=lambda options: next(iter(options), "plain"),
)
def test_pixels_of_four_bytes_are_those_of_three(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any]
) -> None:
    path, noise = tmp_path / "photo.jpg", np.random.default_rng(1).integers(0, 256, (77, 131, 3), np.uint8)
    Image.fromarray(noise).save(path, "JPEG", **options)
    padded = [decode_photo(path, min_side_px=side) for side in (20, 38, 77)]
    monkeypatch.setattr(openers, "_PADDED", "RGB")
    plain = [decode_photo(path, min_side_px=side) for side in (20, 38, 77)]
    assert all(np.array_equal(one, other) for one, other in zip(padded, plain, strict=True))


def test_too_many_pixels_are_refused_before_they_are_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw_corners(200, 200).save(tmp_path / "bomb.png")
    monkeypatch.setattr(openers, "MAX_HELD_PIXELS", 10_000)
    with pytest.raises(MediaError, match=r"^The photo .*too many pixels: the limit is 10,000"):
        decode_photo(tmp_path / "bomb.png", min_side_px=64)
    monkeypatch.setattr(openers, "MAX_PIXELS", 30_000)
    with pytest.raises(MediaError, match="too many pixels"):
        decode_photo(tmp_path / "bomb.png", min_side_px=64)


@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "TIFF", "WEBP", "AVIF", "BMP"])
def test_a_photo_cut_in_half_is_an_error(tmp_path: Path, image_format: str) -> None:
    noise = np.random.default_rng(1).integers(0, 255, (200, 300, 3), np.uint8)
    path = tmp_path / "cut"
    Image.fromarray(noise).save(path, image_format)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(MediaError, match=r"^The photo cannot be decoded"):
        decode_photo(path, min_side_px=100)


def test_a_truncated_jpeg_says_so_with_its_size(tmp_path: Path) -> None:
    path = tmp_path / "holiday.jpg"
    noise = np.random.default_rng(1).integers(0, 255, (200, 300, 3), np.uint8)
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[:20_000])
    with pytest.raises(MediaError, match=r"^The photo cannot be decoded: truncated after 20,000 bytes"):
        decode_photo(path, min_side_px=100)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"just words in a file", "its format is damaged or unknown"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9", "PostScript"),
        (b"\xff\xd8\xff\xe0 no JPEG at all", "not an image|truncated"),
    ],
)
def test_what_is_no_photo_is_refused_with_words(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "letter.jpg"
    path.write_bytes(content)
    with pytest.raises(MediaError, match=words):
        decode_photo(path, min_side_px=100)


def test_strangers_keep_their_own_error(tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_bytes(b"%PDF-1.7")
    with pytest.raises(UnsupportedMedia, match=r"^The file is a PDF document"):
        decode_photo(tmp_path / "a.pdf", min_side_px=100)


@pytest.mark.parametrize("coding", [(b"vvc1", b"hvcC"), (b"av01", b"av1C")])  # H.266, AV1
def test_a_heic_of_a_coding_that_cannot_be_read_here_is_not_called_damaged(
    tmp_path: Path, coding: tuple[bytes, bytes]
) -> None:
    path = tmp_path / "a.heic"
    save_heic(Image.new("RGB", (64, 64), "red"), path)
    path.write_bytes(path.read_bytes().replace(b"hvc1", coding[0]).replace(b"hvcC", coding[1]))
    with pytest.raises(MediaError, match=r"damaged or unknown here. Download the original to see it"):
        decode_photo(path, min_side_px=32)


def test_a_missing_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match=r"^The photo cannot be read: the file is not there"):
        decode_photo(tmp_path / "gone.jpg", min_side_px=100)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.heic", b"\x00\x00\x00\x14ftypheic\x00\x00\x00\x00mif1"),
        ("a.jxl", b"\xff\x0a\xfa\x7f"),
        ("a.jxl", b"\x00\x00\x00\x0cJXL \r\n\x87\n"),
        ("a.cr2", b"II*\x00\x10\x00\x00\x00CR\x02\x00" + bytes(64)),
        ("a.psd", b"8BPS\x00\x01" + bytes(64)),
    ],
)
def test_the_head_of_any_format_alone_is_an_error_in_words(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(MediaError, match=r"^The photo cannot be decoded: "):
        decode_photo(tmp_path / name, min_side_px=100)


def save_heic(picture: Image.Image, path: Path, **options: Any) -> None:
    import pillow_heif

    pillow_heif.from_pillow(picture).save(path, **options)


def save_jxl(picture: Image.Image, path: Path) -> None:
    from pillow_jxl import Encoder

    encoder = Encoder(mode=picture.mode, lossless=False, quality=95, num_threads=1)  # type: ignore[call-arg]
    path.write_bytes(encoder(picture.tobytes(), *picture.size, jpeg_encode=False))


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_a_turned_heic_is_turned_once(tmp_path: Path, orientation: int) -> None:
    turn, picture, exif = TO_STORED[orientation], draw_corners(), Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    stored = picture if turn is None else picture.transpose(turn)
    save_heic(stored, tmp_path / "a.heic", quality=95, exif=exif.tobytes())
    pixels = decode_photo(tmp_path / "a.heic", min_side_px=32)
    assert pixels.shape == (32, 48, 3)
    assert_upright(pixels)


def test_jpeg_xl_is_decoded_and_its_size_is_known_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_jxl(draw_corners(300, 200), tmp_path / "a.jxl")
    assert_upright(decode_photo(tmp_path / "a.jxl", min_side_px=64))
    monkeypatch.setattr(openers, "MAX_HELD_PIXELS", 100_000)
    with pytest.raises(MediaError, match="too many pixels: the limit is 50,000"):
        decode_photo(tmp_path / "a.jxl", min_side_px=64)


@pytest.mark.parametrize("size", [(8, 8), (64, 64), (300, 200), (1920, 1080), (777, 12), (5000, 3)])
def test_the_stated_size_of_jpeg_xl_is_read(tmp_path: Path, size: tuple[int, int]) -> None:
    save_jxl(Image.new("RGB", size), tmp_path / "a.jxl")
    assert read_jxl_size((tmp_path / "a.jxl").read_bytes()) == size


def test_a_jpeg_inside_jpeg_xl_is_given_back_and_turned(tmp_path: Path) -> None:
    from pillow_jxl import Encoder

    exif, turn = Image.Exif(), TO_STORED[6]
    assert turn is not None
    exif[ExifTags.Base.Orientation] = 6
    draw_corners().transpose(turn).save(tmp_path / "a.jpg", exif=exif, quality=95)
    encoder = Encoder(mode="RGB", lossless=True, quality=100, num_threads=1)  # type: ignore[call-arg]
    (tmp_path / "a.jxl").write_bytes(encoder((tmp_path / "a.jpg").read_bytes(), 64, 96, jpeg_encode=True))
    pixels = decode_photo(tmp_path / "a.jxl", min_side_px=32)
    assert pixels.shape == (32, 48, 3)
    assert_upright(pixels)


def swapped_profile() -> bytes:
    """A profile under which red and blue are exchanged: ``rXYZ`` and ``bXYZ`` of sRGB, the other way around."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    swapped = profile.replace(b"rXYZ", b"tmp1").replace(b"bXYZ", b"rXYZ").replace(b"tmp1", b"bXYZ")
    return swapped.replace("sRGB".encode("utf-16-be"), "swap".encode("utf-16-be"))


@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "TIFF", "WEBP", "AVIF"])
def test_a_color_profile_is_followed(tmp_path: Path, image_format: str) -> None:
    path = tmp_path / "a"
    Image.new("RGB", (64, 64), (250, 5, 5)).save(path, image_format, icc_profile=swapped_profile())
    red, green, blue = decode_photo(path, min_side_px=64)[32, 32].tolist()
    assert red < 40 and green < 40 and blue > 210


@pytest.mark.parametrize("profile", [b"no profile at all", swapped_profile()[:200], bytes(5_000_000)])
def test_a_broken_color_profile_counts_as_none(tmp_path: Path, profile: bytes) -> None:
    Image.new("RGB", (16, 16), (250, 5, 5)).save(tmp_path / "a.tif", icc_profile=profile)
    assert decode_photo(tmp_path / "a.tif", min_side_px=16)[8, 8].tolist() == [250, 5, 5]


def test_the_profile_of_a_printing_press_is_no_reason_to_fail_on_rgb(tmp_path: Path) -> None:
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    Image.new("RGB", (16, 16), (250, 5, 5)).save(tmp_path / "a.png", icc_profile=lab)
    assert decode_photo(tmp_path / "a.png", min_side_px=16)[8, 8].tolist() == [250, 5, 5]


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparency_is_shown_on_white(tmp_path: Path, mode: str) -> None:
    clear = Image.new("RGBA", (20, 20), (255, 0, 0, 0))
    clear.paste((0, 0, 0, 255), (0, 0, 10, 20))
    clear.convert(mode).save(tmp_path / "a.png")
    assert_left_half_black_on_white(decode_photo(tmp_path / "a.png", min_side_px=20))


def test_a_transparent_palette_color_is_shown_on_white(tmp_path: Path) -> None:
    picture = Image.new("P", (20, 20), 0)
    picture.putpalette([255, 0, 0, 0, 0, 0])
    picture.paste(1, (0, 0, 10, 20))
    picture.save(tmp_path / "a.png", transparency=0)
    assert_left_half_black_on_white(decode_photo(tmp_path / "a.png", min_side_px=20))


def assert_left_half_black_on_white(pixels: decode.Pixels) -> None:
    assert pixels[10, 2].tolist() == [0, 0, 0]
    assert pixels[10, 17].tolist() == [255, 255, 255]


def test_a_16_bit_png_keeps_its_tones(tmp_path: Path) -> None:
    ramp = np.linspace(0, 65535, 256).astype(np.uint16)[None].repeat(8, 0)
    Image.fromarray(ramp).save(tmp_path / "deep.png")
    pixels = decode_photo(tmp_path / "deep.png", min_side_px=8)
    assert np.abs(pixels[4, :, 0].astype(int) - np.arange(256)).max() <= 1


def test_float_and_32_bit_gray_are_stretched_not_cut_off(tmp_path: Path) -> None:
    ramp = np.linspace(0, 1, 256, dtype=np.float32)[None].repeat(8, 0)
    for name, values in (("f.tif", ramp), ("i.tif", (ramp * 1e6).astype(np.int32))):
        Image.fromarray(values).save(tmp_path / name)
        pixels = decode_photo(tmp_path / name, min_side_px=8)
        assert np.abs(pixels[4, :, 0].astype(int) - np.arange(256)).max() <= 1


def test_a_cmyk_jpeg_has_its_colors(tmp_path: Path) -> None:
    draw_corners().convert("CMYK").save(tmp_path / "print.jpg", quality=95)
    assert_upright(decode_photo(tmp_path / "print.jpg", min_side_px=64))


def test_a_lab_tiff_has_its_colors(tmp_path: Path) -> None:
    Image.new("LAB", (9, 9), (255, 128, 128)).save(tmp_path / "white.tif")
    assert decode_photo(tmp_path / "white.tif", min_side_px=9).min() >= 250


def test_an_animation_shows_its_first_picture(tmp_path: Path) -> None:
    first, second = Image.new("RGB", (9, 9), "red"), Image.new("RGB", (9, 9), "blue")
    first.save(tmp_path / "a.gif", save_all=True, append_images=[second])
    assert decode_photo(tmp_path / "a.gif", min_side_px=9)[4, 4].tolist() == [255, 0, 0]
