"""Raw files show the picture that the camera stored inside; without one they are developed."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from album.exceptions import MediaError
from album.media.decode import decode_photo
from album.media.rendering import render_photo
from album.media.sniff import DNG, RAF, RW2, sniff
from tests.corpus.places import CORPUS, need

WIDTH, HEIGHT = 1280, 960
Entry = tuple[int, int, bytes]
"""Tag, type and values of a TIFF directory; types 1 to 5 are byte, text, short, long and rational."""
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 10: 8}


def shorts(*values: int) -> bytes:
    return struct.pack(f"<{len(values)}H", *values)


def longs(*values: int) -> bytes:
    return struct.pack(f"<{len(values)}I", *values)


def directory(at: int, entries: list[Entry]) -> bytes:
    """The directory that lies ``at`` bytes from the start of the file, longer values behind it."""
    behind = at + 2 + 12 * len(entries) + 4
    table, values = shorts(len(entries)), b""
    for tag, kind, value in sorted(entries):
        held = value.ljust(4, b"\0") if len(value) <= 4 else longs(behind + len(values))
        values += value if len(value) > 4 else b""
        table += struct.pack("<HHI", tag, kind, len(value) // _SIZES[kind]) + held
    return table + longs(0) + values


def dng(orientation: int, preview: Image.Image | None = None) -> bytes:
    """A camera's negative: red on the left, blue on the right; ``preview`` is the camera's own picture."""
    sensor = np.full((HEIGHT, WIDTH), 200, np.uint16)
    sensor[0::2, 0 : WIDTH // 2 : 2] = 30_000  # the red ones of R G / G B
    sensor[1::2, WIDTH // 2 + 1 :: 2] = 30_000  # the blue ones
    jpeg = io.BytesIO()
    if preview is not None:
        preview.save(jpeg, "JPEG", quality=95)
    front = len(directories(orientation, preview, 0, len(jpeg.getvalue())))
    return directories(orientation, preview, front, len(jpeg.getvalue())) + jpeg.getvalue() + sensor.tobytes()


def directories(orientation: int, preview: Image.Image | None, jpeg_at: int, jpeg_size: int) -> bytes:
    matrix = b"".join(struct.pack("<ii", round(value * 10_000), 10_000) for value in np.eye(3).flatten())
    common: list[Entry] = [
        (271, 2, b"Photo Album\0"),
        (272, 2, b"Test One\0"),
        (274, 3, shorts(orientation)),
        (50706, 1, b"\1\4\0\0"),
        (50708, 2, b"Test One\0"),
        (50721, 10, matrix),
    ]
    raw: list[Entry] = [
        (254, 4, longs(0)),
        (256, 4, longs(WIDTH)),
        (257, 4, longs(HEIGHT)),
        (258, 3, shorts(16)),
        (259, 3, shorts(1)),
        (262, 3, shorts(32803)),
        (273, 4, longs(jpeg_at + jpeg_size)),
        (277, 3, shorts(1)),
        (278, 4, longs(HEIGHT)),
        (279, 4, longs(2 * WIDTH * HEIGHT)),
        (33421, 3, shorts(2, 2)),
        (33422, 1, b"\0\1\1\2"),
        (50717, 4, longs(30_000)),
    ]
    if preview is None:
        return b"II*\0" + longs(8) + directory(8, common + raw)
    first: list[Entry] = [
        *common,
        (254, 4, longs(1)),
        (256, 4, longs(preview.width)),
        (257, 4, longs(preview.height)),
        (258, 3, shorts(8, 8, 8)),
        (259, 3, shorts(7)),
        (262, 3, shorts(6)),
        (273, 4, longs(jpeg_at)),
        (277, 3, shorts(3)),
        (278, 4, longs(preview.height)),
        (279, 4, longs(jpeg_size)),
        (330, 4, longs(0)),
    ]
    raw_at = 8 + len(directory(8, first))
    first[-1] = (330, 4, longs(raw_at))
    return b"II*\0" + longs(8) + directory(8, first) + directory(raw_at, raw)


def halves(width: int, height: int, left: str, right: str) -> Image.Image:
    picture = Image.new("RGB", (width, height), right)
    picture.paste(left, (0, 0, width // 2, height))
    return picture


def red_is(pixels: np.ndarray) -> str:
    """On which side red is stronger than blue."""
    warmth = pixels[..., 0].astype(int) - pixels[..., 2]
    rows, columns = warmth.shape
    means = {
        "left": warmth[:, : columns // 3].mean(),
        "right": warmth[:, -columns // 3 :].mean(),
        "top": warmth[: rows // 3].mean(),
        "bottom": warmth[-rows // 3 :].mean(),
    }
    return max(means, key=lambda side: means[side])


@pytest.mark.parametrize(("orientation", "side"), [(1, "left"), (3, "right"), (6, "top"), (8, "bottom")])
def test_a_negative_without_a_picture_is_developed_upright(tmp_path: Path, orientation: int, side: str) -> None:
    path = tmp_path / "a.dng"
    path.write_bytes(dng(orientation))
    pixels = decode_photo(path, min_side_px=240)
    assert pixels.shape == ((240, 320, 3) if orientation in {1, 3} else (320, 240, 3))
    assert red_is(pixels) == side


@pytest.mark.parametrize(("orientation", "side"), [(1, "right"), (3, "left"), (6, "bottom"), (8, "top")])
def test_the_camera_s_own_large_picture_is_preferred(tmp_path: Path, orientation: int, side: str) -> None:
    path = tmp_path / "a.dng"
    path.write_bytes(dng(orientation, halves(1600, 1200, "blue", "red")))
    assert red_is(decode_photo(path, min_side_px=240)) == side


def test_a_small_picture_is_not(tmp_path: Path) -> None:
    path = tmp_path / "a.dng"
    path.write_bytes(dng(1, halves(160, 120, "blue", "red")))
    assert red_is(decode_photo(path, min_side_px=240)) == "left"


def test_a_negative_gets_its_renditions_and_tells_its_own_size(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(dng(6, halves(1600, 1200, "blue", "red")))
    made = render_photo(tmp_path / "a", DNG, tmp_path)
    assert (made.width_px, made.height_px) == (HEIGHT, WIDTH)  # the sensor's, not the picture's


def test_a_negative_cut_in_half_is_an_error_in_words(tmp_path: Path) -> None:
    (tmp_path / "a.dng").write_bytes(dng(1)[: WIDTH * HEIGHT])
    with pytest.raises(MediaError, match=r"^The photo cannot be decoded"):
        decode_photo(tmp_path / "a.dng", min_side_px=100)


@pytest.mark.corpus
@pytest.mark.parametrize(("name", "media_type"), [("FujiFilm.raf", RAF), ("Panasonic.rw2", RW2), ("DNG.dng", DNG)])
def test_real_raw_files_are_shown(tmp_path: Path, name: str, media_type: object) -> None:
    path = CORPUS / "exiftool-t" / name
    need(path)
    found = sniff(path.read_bytes()[:4096])
    assert found == media_type
    assert render_photo(path, found, tmp_path).width_px > 0
