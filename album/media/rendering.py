"""From a photo to its renditions, which carry no metadata.

Pillow is loaded by the first picture, in the child that makes it: whoever names these functions needs none of it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from album.media.renditions import Rendered
from album.media.sniff import MediaType

if TYPE_CHECKING:
    from PIL import Image


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
