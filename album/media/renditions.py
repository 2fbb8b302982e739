"""The small pictures of an item that pages show: their names and sizes."""

from __future__ import annotations

from dataclasses import dataclass

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
