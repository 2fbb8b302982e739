"""Photos to pixels: upright, RGB, no larger than wanted, and an error in words where that is impossible."""

from __future__ import annotations

import math
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import (
    AvifImagePlugin,
    ExifTags,
    Image,
    ImageFile,
    TiffImagePlugin,
    UnidentifiedImageError,
    WebPImagePlugin,
)

from album.exceptions import MediaError
from album.media.sniff import HEAD_BYTES, HEIC, sniff

Pixels = NDArray[np.uint8]
"""``(H, W, 3) uint8 RGB``, upright."""

_REGISTERED_BY_IMPORT = (AvifImagePlugin, TiffImagePlugin, WebPImagePlugin)
FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP", "AVIF")
"""The only decoders that Pillow may use: nothing that runs programs (EPS) or that no camera writes."""

MAX_PIXELS = 210_000_000
"""Above the largest phone sensors (16320 x 12240); a file that states more is refused unread."""

MAX_HELD_PIXELS = 110_000_000
"""What may stand in memory at once, 330 MB as RGB: 108-megapixel photos of any format, larger ones as JPEG."""

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
"""What Pillow raises on files that were damaged, on purpose or not."""

_TRUNCATION_WORDS = ("truncated", "unrecognized data stream", "broken data stream", "incomplete", "buffer")
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_FULL_RANGE_16_BIT = 65535

# Set once for the process, as decoding runs in threads: Pillow then refuses a bomb before it reads any pixel.
Image.MAX_IMAGE_PIXELS = MAX_PIXELS
warnings.simplefilter("error", Image.DecompressionBombWarning)
# Oddities in the metadata of a file that decodes anyway: nobody can act on them.
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")


def decode_photo(path: Path, *, min_side_px: int) -> Pixels:
    """The first picture of the photo at ``path``, upright, its shorter side ``min_side_px`` (never enlarged).

    JPEG is decoded at the smallest eighth that suffices. Transparency is shown on white.

    Raises:
        MediaError: the photo is truncated, damaged, too large or of a type that cannot be decoded.
    """
    with open_photo(path) as image:
        target = _target_size(image.size, min_side_px)
        image.draft("RGB", target)
        if math.prod(image.size) > MAX_HELD_PIXELS:
            raise MediaError(_too_many_pixels(MAX_HELD_PIXELS))
        image.load()
        orientation = read_orientation(image)  # after load: a TIFF is turned by loading, then states nothing
        target = _target_size(image.size, min_side_px)
        small = _to_rgb(image).resize(target, Image.Resampling.BICUBIC, reducing_gap=2.0)
        turn = _UPRIGHT.get(orientation)
        return np.asarray(small if turn is None else small.transpose(turn), dtype=np.uint8)


@contextmanager
def open_photo(path: Path) -> Iterator[ImageFile.ImageFile]:
    """The opened photo, pixels not yet decoded; whatever its decoder raises inside becomes a MediaError."""
    try:
        with path.open("rb") as file:
            if sniff(file.read(HEAD_BYTES)) is HEIC:
                raise MediaError(
                    "The photo cannot be decoded: no HEIC decoder is installed. Convert it to JPEG, or keep it as "
                    "it is: the original stays stored."
                )
            file.seek(0)
            with Image.open(file, formats=FORMATS) as image:
                yield image
    except MediaError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise MediaError(_too_many_pixels(MAX_PIXELS)) from error
    except DECODER_ERRORS as error:
        raise MediaError(_describe_failure(path, error)) from error


def read_orientation(image: Image.Image) -> int:
    """The Exif orientation, 1 to 8; anything else that a file states counts as 1, which is upright."""
    stated = image.getexif().get(ExifTags.Base.Orientation)
    return stated if isinstance(stated, int) and 1 <= stated <= 8 else 1


def _target_size(size: tuple[int, int], min_side_px: int) -> tuple[int, int]:
    """Width and height in pixels with the shorter side at ``min_side_px``, or ``size`` if it is shorter already."""
    scale = min(1.0, min_side_px / min(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _to_rgb(image: Image.Image) -> Image.Image:
    """RGB on white, whatever the mode: deep gray is brought to 8 bits, not cut off at 255."""
    if image.mode.startswith("I;16"):
        image = Image.fromarray((np.asarray(image) * (255.0 / _FULL_RANGE_16_BIT)).round().astype(np.uint8))
    elif image.mode in {"I", "F"}:
        image = Image.fromarray(_stretch(np.asarray(image, dtype=np.float64)))
    elif image.mode == "LAB":
        from PIL import ImageCms

        lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
        turned = ImageCms.profileToProfile(image, lab, srgb, outputMode="RGB")
        image = turned if turned is not None else image
    if image.has_transparency_data:
        top = image.convert("RGBA")
        white = Image.new("RGBA", top.size, "white")
        return Image.alpha_composite(white, top).convert("RGB")
    return image.convert("RGB")


def _stretch(values: NDArray[np.float64]) -> Pixels:
    """Gray of no stated range as 0 to 255: 16-bit values by their full range, others by what occurs."""
    values = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
    low, high = min(0.0, float(values.min())), float(values.max())
    if low == 0 and 255 < high <= _FULL_RANGE_16_BIT:
        high = _FULL_RANGE_16_BIT
    return ((values - low) * (255.0 / max(high - low, 1e-9))).round().astype(np.uint8)


def _too_many_pixels(limit: int) -> str:
    return f"The photo cannot be decoded: too many pixels: the limit is {limit:,}. Store a smaller copy."


def _describe_failure(path: Path, error: BaseException) -> str:
    """Why a decoder gave up, for a person, and what to do next. The caller names the file."""
    if isinstance(error, FileNotFoundError):
        return "The photo cannot be read: the file is not there. Restore it from a backup."
    if isinstance(error, UnidentifiedImageError):
        return "The photo cannot be decoded: not an image, or damaged at its very beginning. Upload it again."
    if isinstance(error, MemoryError):
        return "The photo cannot be decoded: it wants more memory than there is. Store a smaller copy."
    said = getattr(error, "strerror", None) or str(error)
    if isinstance(error, OSError | EOFError | SyntaxError) and any(
        word in said.lower() for word in _TRUNCATION_WORDS
    ):
        size = path.stat().st_size
        return f"The photo cannot be decoded: truncated after {size:,} bytes. Upload a complete copy."
    return f"The photo cannot be decoded: damaged ({said or type(error).__name__}). Upload it again."
