"""Photos become upright RGB pixels of bounded size, or an error that says why not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image

from album.exceptions import MediaError, UnsupportedMedia
from album.media import decode
from album.media.decode import decode_photo

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
    monkeypatch.setattr(decode, "MAX_HELD_PIXELS", 1_000_000)
    assert decode_photo(path, min_side_px=384).shape == (384, 512, 3)


def test_too_many_pixels_are_refused_before_they_are_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw_corners(200, 200).save(tmp_path / "bomb.png")
    monkeypatch.setattr(decode, "MAX_HELD_PIXELS", 10_000)
    with pytest.raises(MediaError, match=r"^The photo .*too many pixels: the limit is 10,000"):
        decode_photo(tmp_path / "bomb.png", min_side_px=64)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 30_000)
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
        (b"just words in a file", "not an image"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9", "not an image"),
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


def test_a_missing_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match=r"^The photo cannot be read: the file is not there"):
        decode_photo(tmp_path / "gone.jpg", min_side_px=100)


def test_heic_without_a_decoder_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "a.heic").write_bytes(b"\x00\x00\x00\x14ftypheic\x00\x00\x00\x00mif1")
    with pytest.raises(MediaError, match="Convert it to JPEG"):
        decode_photo(tmp_path / "a.heic", min_side_px=100)


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
