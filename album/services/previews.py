"""Scaled copies of originals, made at first sight and kept under VAR_DIR. They carry no metadata."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from django.conf import settings

from album.media.decode import Pixels, decode_photo
from album.models import MediaItem
from album.models.media import Kind

GRID_SIDE_PX, PAGE_SIDE_PX = 480, 1600
QUALITY = 84


def make_preview(*, item: MediaItem, side_px: int) -> Path:
    """The JPEG of ``item`` whose longer side is at most ``side_px``; of a video, a frame near its beginning.

    Raises:
        MediaError: the original cannot be decoded.
        OSError: the original is missing, or the disk is full.
    """
    target = Path(settings.VAR_DIR) / "previews" / str(side_px) / item.sha256[:2] / f"{item.sha256}.jpg"
    if not target.is_file():
        _write_jpeg(_decode(item, side_px), side_px, target)
    return target


def _decode(item: MediaItem, side_px: int) -> Pixels:
    path, min_side_px = Path(item.original.path), side_px * 3 // 4  # exact for 4:3, enough for wider ones
    if item.kind == Kind.PHOTO:
        return decode_photo(path, min_side_px=min_side_px)
    from album.media.frames import sample_frames

    return sample_frames(path, count=1, min_side_px=min_side_px)[0].pixels


def _write_jpeg(pixels: Pixels, side_px: int, target: Path) -> None:
    from PIL import Image

    image = Image.fromarray(pixels)
    image.thumbnail((side_px, side_px))
    target.parent.mkdir(parents=True, exist_ok=True)
    descriptor, part = tempfile.mkstemp(dir=target.parent, suffix=".part")
    try:
        with os.fdopen(descriptor, "wb") as file:
            image.save(file, "JPEG", quality=QUALITY, progressive=True)
        Path(part).replace(target)
    finally:
        Path(part).unlink(missing_ok=True)
