"""Pictures to pixel tensors, in numpy and Pillow, equal to what the networks' own image processors make."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from PIL import Image

from album.inference.results import FloatArray, Pixels

Mode = Literal["squash", "crop", "pad"]
Resample = Literal["nearest", "bilinear", "bicubic", "lanczos"]
Triple = tuple[float, float, float]

# Source: OpenAI CLIP's preprocessing; BLIP uses the same.
CLIP_MEAN: Triple = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD: Triple = (0.26862954, 0.26130258, 0.27577711)


@dataclass(frozen=True, slots=True)
class PixelRecipe:
    """How a network wants its pictures.

    ``squash`` (BLIP, SigLIP) ignores the aspect; ``crop`` (CLIP) scales the short side and keeps the center;
    ``pad`` scales the long side and fills with the mean, which normalizes to zero.
    """

    size_px: int
    mean: Triple = CLIP_MEAN
    std: Triple = CLIP_STD
    mode: Mode = "squash"
    resample: Resample = "bicubic"


def resize_and_normalize(images: Sequence[Pixels], recipe: PixelRecipe) -> FloatArray:
    """``(N, 3, S, S) float32`` of ``(H, W, 3) uint8 RGB`` pictures of any size."""
    tensor = np.empty((len(images), 3, recipe.size_px, recipe.size_px), np.float32)
    for row, pixels in zip(tensor, images, strict=True):
        row[:] = np.asarray(_resize(Image.fromarray(pixels), recipe)).transpose(2, 0, 1)
    # In place, color by color: eight times as fast as in the order in which a picture lies in memory.
    mean, std = (np.array(part, np.float32)[:, None, None] * 255 for part in (recipe.mean, recipe.std))
    tensor -= mean
    tensor /= std
    return tensor


def _resize(picture: Image.Image, recipe: PixelRecipe) -> Image.Image:
    side, resample = recipe.size_px, Image.Resampling[recipe.resample.upper()]
    if recipe.mode == "squash":
        return picture.resize((side, side), resample)
    if recipe.mode == "crop":
        picture = _without_far_ends(picture)
    reference = min(picture.size) if recipe.mode == "crop" else max(picture.size)
    # Whole pixels are cut off, not rounded, as transformers does: the other side of 301 x 200 at 224 is 337.
    width, height = (max(1, length * side // reference) for length in picture.size)
    left, top = (width - side) // 2, (height - side) // 2
    scaled = picture.resize((width, height), resample)
    if recipe.mode == "crop":
        return scaled.crop((left, top, left + side, top + side))
    red, green, blue = (round(value * 255) for value in recipe.mean)
    canvas = Image.new("RGB", (side, side), (red, green, blue))
    canvas.paste(scaled, (-left, -top))
    return canvas


def _without_far_ends(picture: Image.Image) -> Image.Image:
    """The middle of a very long picture: scaled by its short side, all of it would fill gigabytes."""
    longest = 16 * min(picture.size)
    spare = [max(0, length - longest) // 2 for length in picture.size]
    return picture.crop((spare[0], spare[1], picture.width - spare[0], picture.height - spare[1]))
