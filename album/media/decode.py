"""Photos to pixels: upright, sRGB, no larger than wanted, and an error in words where that is impossible."""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, UnidentifiedImageError

from album.exceptions import MediaError
from album.media.colors import to_srgb
from album.media.openers import (
    FORMATS,
    MAX_HELD_PIXELS,
    MAX_PIXELS,
    UNKNOWN_FORMAT,
    check_held,
    draft_jpeg,
    open_image,
    too_many_pixels,
)
from album.media.sniff import HEAD_BYTES, MediaType, sniff

__all__ = ["FORMATS", "MAX_HELD_PIXELS", "Pixels", "decode_photo", "open_photo", "read_orientation", "shrink"]

Pixels = NDArray[np.uint8]
"""``(H, W, 3) uint8 RGB``, upright."""

DECODER_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    AttributeError,
    EOFError,
    RuntimeError,
    MemoryError,
    struct.error,
    zlib.error,
)
"""What Pillow and its plugins raise on files that were damaged, on purpose or not."""

FILTER = Image.Resampling.HAMMING
"""Of the step to the wanted size, at most a halving as decoders shrink before it.

Measured: 2000 to 1600 pixels, 17 ms instead of LANCZOS's 36, 46 dB from it, 2026-11.
"""

_TRUNCATION_WORDS = (
    "truncated",
    "unrecognized data stream",
    "broken data stream",
    "incomplete",
    "buffer",
    "end of file",
)
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def decode_photo(path: Path, *, min_side_px: int) -> Pixels:
    """The first picture of the photo at ``path``, upright, its shorter side ``min_side_px`` (never enlarged).

    JPEG is decoded at the smallest eighth that suffices. Transparency is shown on white.

    Raises:
        MediaError: the photo is truncated, damaged, too large or of a type that cannot be decoded.
    """
    with open_photo(path) as image:
        return np.asarray(shrink(image, min_side_px / min(image.size)), dtype=np.uint8)


@contextmanager
def open_photo(path: Path, media_type: MediaType | None = None) -> Iterator[Image.Image]:
    """The opened photo, its type asked of its bytes if not given; most formats' pixels are not decoded yet.

    Whatever a decoder raises inside becomes a MediaError.
    """
    try:
        with path.open("rb") as file:
            if media_type is None:
                media_type = sniff(file.read(HEAD_BYTES), path.name)
                file.seek(0)
            with open_image(file, path, media_type.decoder) as image:
                yield image
    except MediaError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise too_many_pixels(MAX_PIXELS) from error
    except DECODER_ERRORS as error:
        raise MediaError(_describe_failure(path, error)) from error


def shrink(image: Image.Image, scale: float, *, least: float | None = None) -> Image.Image:
    """The pixels of an opened photo at ``scale`` of its size (never enlarged), upright, RGB in sRGB.

    A JPEG that is decoded to a scale between ``least`` and that one is left at it.
    Color and orientation are changed last, where the picture is small.
    """
    wanted = _scaled(image.size, scale)
    draft_jpeg(image, _scaled(image.size, least or scale))
    check_held(math.prod(image.size), image.format)
    wanted = wanted if max(wanted) < max(image.size) else image.size
    image.load()
    orientation = read_orientation(image)  # after load: a TIFF is turned by loading, then states nothing
    if image.mode in {"1", "P", "PA"}:  # nothing between two of their values
        image = image.convert("RGBA" if image.has_transparency_data else "L" if image.mode == "1" else "RGB")
    gap = None if image.mode.startswith("I;16") else 2.0  # which Pillow cannot reduce
    if wanted != image.size:  # else it would be copied
        image = image.resize(wanted, FILTER, reducing_gap=gap)
    small = to_srgb(image)
    turn = _UPRIGHT.get(orientation)
    return small if turn is None else small.transpose(turn)


def read_orientation(image: Image.Image) -> int:
    """The Exif orientation, 1 to 8; anything else that a file states counts as 1, which is upright."""
    stated = image.getexif().get(ExifTags.Base.Orientation)
    return stated if isinstance(stated, int) and 1 <= stated <= 8 else 1


def _scaled(size: tuple[int, int], scale: float) -> tuple[int, int]:
    """Width and height in pixels, at least one, never more than ``size``."""
    scale = min(1.0, scale)
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _describe_failure(path: Path, error: BaseException) -> str:
    """Why a decoder gave up, for a person, and what to do next. The caller names the file."""
    if isinstance(error, FileNotFoundError):
        return "The photo cannot be read: the file is not there. Restore it from a backup."
    if isinstance(error, UnidentifiedImageError):
        return "The photo cannot be decoded: not an image, or damaged at its very beginning. Upload it again."
    if isinstance(error, MemoryError):
        return "The photo cannot be decoded: it wants more memory than there is. Store a smaller copy."
    said = getattr(error, "strerror", None) or str(error)
    if is_truncation(error):
        size = path.stat().st_size
        return f"The photo cannot be decoded: truncated after {size:,} bytes. Upload a complete copy."
    if "has not been built in" in said:  # into libheif
        return UNKNOWN_FORMAT
    return f"The photo cannot be decoded: damaged ({said or type(error).__name__}). Upload it again."


def is_truncation(error: BaseException | None) -> bool:
    """True if that is how Pillow says that a file ends too early."""
    said = (getattr(error, "strerror", None) or str(error)).lower()
    return isinstance(error, OSError | EOFError | SyntaxError) and any(word in said for word in _TRUNCATION_WORDS)
