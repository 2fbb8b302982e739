"""The small pictures of an item that pages show, and the names of their files. None carries any metadata.

Pillow is loaded by the first picture, in the child that makes it: whoever wants a name needs none of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from album.media.sniff import MediaType

if TYPE_CHECKING:
    from PIL import Image

GRID = "grid.webp"
PREVIEW = "preview.jpg"
LARGE_AVIF = "preview.avif"
ANIMATION = "animation.webp"
PROXY = "proxy.mp4"

GRID_SIDE_PX = 400
PREVIEW_SIDE_PX, PREVIEW_LEAST_PX = 1600, 1440
"""Longer sides. A JPEG that is decoded to a side between the last two is left at it, as most photos are.

Measured: 4032 to 1512 pixels, 42 dB from LANCZOS of the full size and as sharp; by way of half the size 37 dB,
softer, and 21 ms more, 2026-11.
"""


@dataclass(frozen=True, slots=True)
class Rendered:
    """Size of the upright original in pixels, its BlurHash, and what a person should know of the previews."""

    width_px: int
    height_px: int
    placeholder: str
    warning: str = ""


def render_photo(path: Path, media_type: MediaType, folder: Path) -> Rendered:
    """The size and placeholder of the photo; ``GRID`` and ``PREVIEW`` then lie in ``folder``. One decode for all.

    Of a photo that was cut off the part that is there is shown, and ``warning`` says so.

    Raises:
        MediaError: nothing of it can be decoded.
    """
    from album.media.stills import decode_preview, write_stills

    preview, (width_px, height_px), warning = decode_preview(path, media_type)
    return Rendered(width_px, height_px, write_stills(preview, folder), warning)


def write_renditions(image: Image.Image, folder: Path) -> Rendered:
    """Size and placeholder of an upright RGB image; its ``GRID`` and ``PREVIEW`` then lie in ``folder``."""
    from album.media.stills import write_stills

    return Rendered(image.width, image.height, write_stills(image, folder))


def render_avif(source: Path, target: Path, media_type: MediaType | None = None) -> None:
    """Makes ``target``, the preview of the photo ``source`` in fewer bytes, from the original's own pixels.

    Raises:
        MediaError: it cannot be decoded.
    """
    from album.media.stills import decode_preview, write_avif

    write_avif(decode_preview(source, media_type)[0], target)
