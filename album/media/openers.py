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

from PIL import (
    AvifImagePlugin,
    ExifTags,
    Image,
    JpegImagePlugin,
    MpoImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    UnidentifiedImageError,
    WebPImagePlugin,
    features,
)

from album.exceptions import MediaError
from album.media.colors import MAX_PROFILE_BYTES
from album.media.jxl import read_jxl_size
from album.media.sniff import Decoder

_REGISTERED_BY_IMPORT = (AvifImagePlugin, TiffImagePlugin, WebPImagePlugin)
FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP", "AVIF")
"""The only decoders that Pillow may use by itself: nothing that runs programs (EPS) or that no camera writes."""

UNKNOWN_FORMAT = (
    "The photo cannot be decoded: its format is damaged or unknown here. Download the original to see it, or "
    "upload a JPEG copy."
)

MAX_PIXELS = 210_000_000
"""Above the largest phone sensors (16320 x 12240); a file that states more is refused unread."""

MAX_HELD_PIXELS = 110_000_000
"""What may stand in memory at once, 440 MB as Pillow keeps RGB: 108-megapixel photos, larger ones as JPEG."""

PROGRESSIVE = "progressive JPEG"
_SHARES = {"AVIF": 2, "HEIF": 2, "JXL": 2, "WEBP": 4, PROGRESSIVE: 2}
"""How often that format's decoder keeps each pixel, with Pillow's copy: so much smaller is the largest photo.

Measured: peak memory of one photo of 24 megapixels, divided by Pillow's 96 MB, 2026-11. A progressive JPEG
keeps its coefficients, which are counted apart; but they pack a hundredfold, so that bombs are made of them.
"""

RAW_PREVIEW_SIDE_PX = 1600
"""The picture that a camera put into its raw file is used from this longer side on; else the file is developed."""

_SIDEWAYS_FLIPS = frozenset({5, 6})
ORIGINAL_SIZE = "original_size_px"
"""The key in ``info`` of the upright size of a photo that is opened smaller than it is."""

MAX_SCANS = 100
"""Progressive JPEGs have ten, those of their thumbnails and gain maps not counted."""

MAX_SCANNED_PIXELS = 1_000_000_000
"""Each scan passes over the whole picture. Measured: 68 megapixels in 100 nearly empty scans, 9.2 s, 2026-11."""

_EIGHTHS = (1, 2, 3, 4, 8)
"""What parts of its size Pillow can have of a JPEG: it asks for 1 / n, and gets the next larger number of eighths.

Source: libjpeg-turbo, jdmaster.c, jpeg_core_output_dimensions. Pillow's own ``draft`` never asks for a third.
"""

_READ_BYTES = 2**20
"""Measured: a JPEG of 12 megapixels costs 2.6 ms less than when read in 64 KiB, Pillow's own, 2026-11."""

_PADDED = "RGBX" if features.check("libjpeg_turbo") else "RGB"
"""What Pillow is to ask of a JPEG's decoder: pixels of four bytes, as it keeps them, need not be rearranged.

Measured: 1500 x 1125 pixels of 12 megapixels, 1.6 ms less, bit for bit the same, 2026-11.
"""

_START_OF_SCAN = b"\xff\xda"
_MP_ENTRIES = 0xB002
_SHAPE_TOLERANCE = 0.01
_FLIP_ORIENTATIONS = {3: 3, 5: 8, 6: 6}
"""LibRaw's turn of a raw file as the Exif orientation that says the same. Source: LibRaw, sizes.flip."""

# Set once for the process, as decoding runs in threads: Pillow then refuses a bomb before it reads any pixel.
Image.MAX_IMAGE_PIXELS = MAX_PIXELS
AvifImagePlugin.DEFAULT_MAX_THREADS = 1  # several photos are decoded at once
PngImagePlugin.MAX_TEXT_CHUNK = MAX_PROFILE_BYTES
warnings.simplefilter("error", Image.DecompressionBombWarning)
# Oddities in the metadata of a file that decodes anyway: nobody can act on them.
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")


def open_image(file: BinaryIO, path: Path, decoder: Decoder) -> Image.Image:
    """The image in ``file``, which is what lies at ``path``, its limits checked as far as the header tells.

    Raises:
        MediaError: no decoder, or too many pixels. Decoders raise what they like.
    """
    if decoder not in _OPENERS:
        raise MediaError(UNKNOWN_FORMAT)
    image = _OPENERS[decoder](file, path)
    if math.prod(image.size) > MAX_PIXELS:
        raise too_many_pixels(MAX_PIXELS)
    return image


def check_held(pixels: float, image_format: str | None) -> None:
    """Raises MediaError if that many pixels of a format must not stand in memory."""
    limit = MAX_HELD_PIXELS // _SHARES.get(image_format or "", 1)
    if pixels > limit:
        raise too_many_pixels(limit)


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
    try:
        return Image.open(file, formats=("HEIF",))
    except UnidentifiedImageError as error:  # which codings it reads depends on how libheif was built
        raise MediaError(UNKNOWN_FORMAT) from error


def _open_jxl(file: BinaryIO, path: Path) -> Image.Image:
    content = file.read()
    check_held(math.prod(read_jxl_size(content)), "JXL")
    from pillow_jxl import Decoder as JxlDecoder

    try:
        is_jpeg, stated, pixels, profile, _ = JxlDecoder(num_threads=1)(content)
    except RuntimeError as error:  # its words are for programmers
        raise MediaError("The photo cannot be decoded: damaged or truncated. Upload it again.") from error
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
            image = _read_raw_image(raw)
            size = (raw.sizes.width, raw.sizes.height)
            if all(size):
                image.info[ORIGINAL_SIZE] = size[::-1] if raw.sizes.flip in _SIDEWAYS_FLIPS else size
            return image
    except rawpy.LibRawError as error:
        said = error.args[0] if error.args else error
        reason = said.decode("ascii", "replace") if isinstance(said, bytes) else str(said)
        raise MediaError(
            f"The photo cannot be decoded: the raw file is damaged or of an unknown camera ({reason}). "
            "The original stays stored."
        ) from error


def _read_raw_image(raw: Any) -> Image.Image:
    """The camera's own picture if it is large, else a developed one, else what there is."""
    import rawpy

    preview = _read_raw_preview(raw)
    if preview is not None and max(preview.size) >= RAW_PREVIEW_SIDE_PX:
        return preview
    try:
        return _develop(raw)
    except rawpy.LibRawError:
        if preview is None:
            raise
        return preview


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
    turned_already = sizes.flip in _SIDEWAYS_FLIPS and is_tall != (sizes.height > sizes.width)
    orientation = 1 if turned_already else _FLIP_ORIENTATIONS.get(sizes.flip, 1)
    image.getexif()[ExifTags.Base.Orientation] = orientation
    return image


def _develop(raw: Any) -> Image.Image:
    """The sensor's values as a picture of half the width, upright, in the colors the camera meant."""
    check_held(raw.sizes.raw_width * raw.sizes.raw_height, "RAW")
    return Image.fromarray(raw.postprocess(half_size=True, use_camera_wb=True, output_bps=8))


def draft_jpeg(image: Image.Image, wanted: tuple[int, int]) -> None:
    """Lets an opened JPEG be decoded in the fewest eighths of its size that give the wanted one; others stay.

    Raises:
        MediaError: what its decoder must hold at once, or do, is too much.
    """
    if not isinstance(image, JpegImagePlugin.JpegImageFile):
        return
    scans, most_scans = _count_scans(image), min(MAX_SCANS, MAX_SCANNED_PIXELS // math.prod(image.size))
    coefficients = _count_coefficients(image)
    for eighths in _EIGHTHS:
        width, height = (math.ceil(side * eighths / 8) for side in image.size)
        if width >= wanted[0] and height >= wanted[1]:
            break
    image._size = width, height  # as its own ``draft`` does it
    tile = image.tile[0]._replace(extents=(0, 0, width, height))
    image.tile = [tile._replace(args=(_PADDED, "")) if tile.args == ("RGB", "") else tile]
    image.decodermaxblock = _READ_BYTES
    image.decoderconfig = (math.ceil(8 / eighths), 0)
    if scans > 1:
        check_held(width * height + coefficients / 2, PROGRESSIVE)  # of two bytes each; a pixel has four
    if scans > most_scans:
        raise MediaError(f"The photo cannot be decoded: damaged ({scans:,} scans). Upload another copy.")


def _count_scans(image: JpegImagePlugin.JpegImageFile) -> int:
    """1 of a usual JPEG; more if all coefficients are kept until the last scan: progressive ones, and some others.

    Then those of its thumbnails and further pictures are counted, too.
    """
    file = image.fp
    if file is None:
        return 1
    position = file.tell()  # behind the header of the first scan
    file.seek(max(0, position - 16))
    _, _, header = file.read(16).rpartition(_START_OF_SCAN)
    scans = 1
    if image.info.get("progressive") or header[2:3] != bytes([image.layers]):
        file.seek(0)
        scans = max(2, file.read().count(_START_OF_SCAN))
    file.seek(position)
    return scans


def _count_coefficients(image: JpegImagePlugin.JpegImageFile) -> float:
    """How many numbers make up the picture: 1.5 per pixel where colors have half the width and height."""
    shares = [across * down for _, across, down, _ in image.layer]
    return math.prod(image.size) * sum(shares) / max(shares)


def seek_large_preview(image: Image.Image, side_px: int) -> bool:
    """True if an opened JPEG now shows the smaller copy of itself that some cameras put behind it, large enough.

    Source: CIPA DC-007, Multi-Picture Format: large thumbnails, of the size of a screen.
    """
    if not isinstance(image, MpoImagePlugin.MpoImageFile):
        return False
    size, pictures = image.size, (image.mpinfo or {}).get(_MP_ENTRIES, [])
    for index, picture in enumerate(pictures):
        if not picture["Attribute"]["MPType"].startswith("Large Thumbnail"):
            continue
        try:
            image.seek(index)
        except (EOFError, OSError, SyntaxError, ValueError):  # cut off by some editor
            image.seek(0)
            continue
        if max(image.size) >= side_px and _is_same_shape(image.size, size):
            return True
    image.seek(0)
    return False


def _is_same_shape(one: tuple[int, int], other: tuple[int, int]) -> bool:
    return abs(one[0] * other[1] - one[1] * other[0]) <= _SHAPE_TOLERANCE * one[0] * other[1]


_OPENERS: dict[Decoder, Callable[[BinaryIO, Path], Image.Image]] = {
    "pillow": _open_pillow,
    "heif": _open_heif,
    "jxl": _open_jxl,
    "raw": _open_raw,
}
