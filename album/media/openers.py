"""Stored photos to Pillow images, one opener per decoder. Nothing here reads pixels unless the format forces it.

The libraries for HEIC, JPEG XL and raw files are loaded by the first photo that needs them.
"""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from PIL import AvifImagePlugin, ExifTags, Image, TiffImagePlugin, WebPImagePlugin

from album.exceptions import MediaError
from album.media.jxl import read_jxl_size
from album.media.sniff import Decoder

_REGISTERED_BY_IMPORT = (AvifImagePlugin, TiffImagePlugin, WebPImagePlugin)
FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP", "AVIF")
"""The only decoders that Pillow may use by itself: nothing that runs programs (EPS) or that no camera writes."""

MAX_PIXELS = 210_000_000
"""Above the largest phone sensors (16320 x 12240); a file that states more is refused unread."""

MAX_HELD_PIXELS = 110_000_000
"""What may stand in memory at once, 440 MB as Pillow keeps RGB: 108-megapixel photos, larger ones as JPEG."""

_HEIF_SHARE, _JXL_SHARE = 2, 3
"""How often a decoder keeps each pixel beside Pillow's copy, so much smaller is the largest photo.

Measured: peak memory of one 24-megapixel decode, 2026-11.
"""

RAW_PREVIEW_SIDE_PX = 1600
"""The picture that a camera put into its raw file is used from this longer side on; else the file is developed."""

_FLIP_ORIENTATIONS = {3: 3, 5: 8, 6: 6}
"""LibRaw's turn of a raw file as the Exif orientation that says the same. Source: LibRaw, sizes.flip."""

# Set once for the process, as decoding runs in threads: Pillow then refuses a bomb before it reads any pixel.
Image.MAX_IMAGE_PIXELS = MAX_PIXELS
AvifImagePlugin.DEFAULT_MAX_THREADS = 1  # several photos are decoded at once
warnings.simplefilter("error", Image.DecompressionBombWarning)
# Oddities in the metadata of a file that decodes anyway: nobody can act on them.
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")


def open_image(file: BinaryIO, path: Path, decoder: Decoder) -> Image.Image:
    """The image in ``file``, which is what lies at ``path``, its limits checked as far as the header tells.

    Raises:
        MediaError: no decoder, or too many pixels. Decoders raise what they like.
    """
    if decoder not in _OPENERS:
        raise MediaError(
            "The photo cannot be decoded: its format is damaged or unknown here. Download the original to see it, or "
            "upload a JPEG copy."
        )
    return _OPENERS[decoder](file, path)


def check_held(pixels: float) -> None:
    """Raises MediaError if that many pixels must not stand in memory."""
    if pixels > MAX_HELD_PIXELS:
        raise too_many_pixels(MAX_HELD_PIXELS)


def too_many_pixels(limit: int) -> MediaError:
    return MediaError(
        f"The photo cannot be decoded: too many pixels: the limit is {limit:,}. Store a smaller copy."
    )


def _open_pillow(file: BinaryIO, path: Path) -> Image.Image:
    return Image.open(file, formats=FORMATS)


def _open_heif(file: BinaryIO, path: Path) -> Image.Image:
    if "HEIF" not in Image.OPEN:
        import pillow_heif

        pillow_heif.register_heif_opener(decode_threads=1, depth_images=False, aux_images=False)
    image = Image.open(file, formats=("HEIF",))
    check_held(math.prod(image.size) * _HEIF_SHARE)
    return image


def _open_jxl(file: BinaryIO, path: Path) -> Image.Image:
    content = file.read()
    check_held(math.prod(read_jxl_size(content)) * _JXL_SHARE)
    from pillow_jxl import Decoder as JxlDecoder

    is_jpeg, stated, pixels, profile, _ = JxlDecoder(num_threads=1)(content)
    if is_jpeg:  # a JPEG in less space, given back as it was
        return Image.open(io.BytesIO(pixels), formats=("JPEG",))
    mode = "F" if stated.mode == "F;16" else stated.mode
    image = Image.frombytes(mode, (stated.width, stated.height), pixels)  # upright: the decoder has turned it
    if profile:
        image.info["icc_profile"] = profile
    return image


def _open_raw(file: BinaryIO, path: Path) -> Image.Image:
    import rawpy

    try:
        with rawpy.imread(str(path)) as raw:
            preview = _read_raw_preview(raw)
            if preview is not None and max(preview.size) >= RAW_PREVIEW_SIDE_PX:
                return preview
            try:
                return _develop(raw)
            except rawpy.LibRawError:
                if preview is None:
                    raise
                return preview
    except rawpy.LibRawError as error:
        said = error.args[0] if error.args else error
        reason = said.decode("ascii", "replace") if isinstance(said, bytes) else str(said)
        raise MediaError(
            f"The photo cannot be decoded: the raw file is damaged or of an unknown camera ({reason}). "
            "The original stays stored."
        ) from error


def _read_raw_preview(raw: Any) -> Image.Image | None:
    """The largest picture that the camera stored beside the sensor's values, if there is one that can be opened."""
    import rawpy

    try:
        thumbnail = raw.extract_thumb()
        if thumbnail.format == rawpy.ThumbFormat.BITMAP:
            image = Image.fromarray(thumbnail.data)
        else:
            image = Image.open(io.BytesIO(thumbnail.data), formats=("JPEG",))
    except (rawpy.LibRawError, OSError, SyntaxError, ValueError):
        return None
    sizes, is_tall = raw.sizes, image.height > image.width
    turned_already = sizes.flip in {5, 6} and is_tall != (sizes.height > sizes.width)
    orientation = 1 if turned_already else _FLIP_ORIENTATIONS.get(sizes.flip, 1)
    image.getexif()[ExifTags.Base.Orientation] = orientation
    return image


def _develop(raw: Any) -> Image.Image:
    """The sensor's values as a picture of half the width, upright, in the colors the camera meant."""
    check_held(raw.sizes.raw_width * raw.sizes.raw_height)
    return Image.fromarray(raw.postprocess(half_size=True, use_camera_wb=True, output_bps=8))


_OPENERS: dict[Decoder, Callable[[BinaryIO, Path], Image.Image]] = {
    "pillow": _open_pillow,
    "heif": _open_heif,
    "jxl": _open_jxl,
    "raw": _open_raw,
}
