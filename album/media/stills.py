"""How the small pictures of a photo are made: one decode, one chain of sizes, one file each."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import ExifTags, Image, ImageFile

from album.disk import written_whole
from album.exceptions import MediaError
from album.media.decode import is_truncation, open_photo, read_orientation, shrink
from album.media.openers import ORIGINAL_SIZE, seek_large_preview
from album.media.renditions import GRID, GRID_SIDE_PX, PREVIEW, PREVIEW_LEAST_PX, PREVIEW_SIDE_PX
from album.media.sniff import MediaType

_PREVIEW = {"format": "JPEG", "quality": 82}
_GRID = {"format": "WEBP", "quality": 78, "method": 0}
"""Measured: 40 photos of 12 megapixels, 2026-11. Method 0 in 4.8 ms 35.3 kB, 2 in 6.8 ms 33.6 kB."""

_AVIF = {"format": "AVIF", "quality": 68, "speed": 9, "max_threads": 1}
"""Measured: two photos of 12 megapixels, 2026-11. JPEG in 4 ms 271 and 356 kB, AVIF (aom) of nearly the same SSIM
in 0.15 s 191 and 255 kB. Speed 8 takes three times as long for 8 % fewer bytes; SVT is as fast, and larger."""

_GRID_FILTER, _GRID_GAP = Image.Resampling.BICUBIC, 1.0
"""Measured: from 1500 pixels by way of 500, 3.3 ms, by way of 750 5.0, at once 9.9; LANCZOS 3.8, 6.0, 17, 2026-11.

49, 52 and 56 dB from the last, of a grainy picture; side by side, letters and fans of lines look alike.
"""

_PLACEHOLDER_SIDE_PX = 20
_PLACEHOLDER_COMPONENTS = (4, 3)
_SIDEWAYS = frozenset({5, 6, 7, 8})


def write_stills(image: Image.Image, folder: Path) -> str:
    """The BlurHash of an upright RGB image; its ``GRID`` and ``PREVIEW`` then lie in ``folder``."""
    preview = _fit(image, PREVIEW_SIDE_PX)
    grid = _fit(preview, GRID_SIDE_PX)
    _write(preview, folder / PREVIEW, _PREVIEW)
    _write(grid, folder / GRID, _GRID)
    return _make_placeholder(grid)


def write_avif(image: Image.Image, target: Path) -> None:
    """Writes the image as it is."""
    _write(image, target, _AVIF)


def decode_preview(path: Path, media_type: MediaType | None) -> tuple[Image.Image, tuple[int, int], str]:
    """The photo at the size of its preview, the size of the upright original, and what is wrong with it."""
    try:
        return *_decode_once(path, media_type), ""
    except MediaError as error:
        if not is_truncation(error.__cause__):
            raise
        with _partial_pictures():
            preview, size_px = _decode_once(path, media_type)
        if _is_blank(preview):
            raise
    size_bytes = path.stat().st_size
    words = f"The file is truncated after {size_bytes:,} bytes: only a part is shown. Upload a complete copy."
    return preview, size_px, words


def _decode_once(path: Path, media_type: MediaType | None) -> tuple[Image.Image, tuple[int, int]]:
    with open_photo(path, media_type) as image:
        size_px, orientation = image.size, read_orientation(image)
        if seek_large_preview(image, PREVIEW_SIDE_PX):
            image.getexif()[ExifTags.Base.Orientation] = orientation  # which the copy does not state
        side_px = max(image.size)
        preview = shrink(image, PREVIEW_SIDE_PX / side_px, least=PREVIEW_LEAST_PX / side_px)
        if read_orientation(image) in _SIDEWAYS:
            size_px = size_px[::-1]
        return preview, image.info.get(ORIGINAL_SIZE, size_px)


def _is_blank(image: Image.Image) -> bool:
    """True if all but a hundredth is of one color: what stands for missing parts, with nothing beside it."""
    tiny = image.resize((64, 64), Image.Resampling.BOX)
    counts = [count for count, _ in tiny.getcolors(64 * 64) or []]
    return max(counts) > 0.99 * sum(counts)


def _fit(image: Image.Image, side_px: int) -> Image.Image:
    scale = side_px / max(image.size)
    if scale >= 1:
        return image
    size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    return image.resize(size, _GRID_FILTER, reducing_gap=_GRID_GAP)


def _write(image: Image.Image, target: Path, options: dict[str, Any]) -> None:
    image.info = {}  # profiles, Exif and texts of the original, which some encoders would copy
    with written_whole(target) as part:
        image.save(part, **options)


def _make_placeholder(image: Image.Image) -> str:
    import blurhash

    tiny = image.resize(_tiny_size(image.size), Image.Resampling.BOX, reducing_gap=1.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # how it asks Pillow for the pixels
        return str(blurhash.encode(tiny, *_PLACEHOLDER_COMPONENTS))


def _tiny_size(size: tuple[int, int]) -> tuple[int, int]:
    scale = _PLACEHOLDER_SIDE_PX / max(size)
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


@contextmanager
def _partial_pictures() -> Iterator[None]:
    """Pillow then gives what it has of a truncated file. A switch of the process: only for single-threaded ones."""
    ImageFile.LOAD_TRUNCATED_IMAGES = True
    try:
        yield
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = False
