"""Any color space to RGB in sRGB, on pictures that are small already."""

from __future__ import annotations

import io
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

MAX_PROFILE_BYTES = 4_000_000
"""Profiles of printing presses, the largest in use, have two to three million; more is no profile."""

_FULL_RANGE_16_BIT = 65535


def to_srgb(image: Image.Image) -> Image.Image:
    """RGB on white, whatever the mode: deep gray is brought to 8 bits, not cut off at 255.

    A color profile is followed (perceptual intent); one that is broken or of another mode counts as none.
    """
    profile = image.info.get("icc_profile") or b""
    if image.mode in {"I", "F"} or image.mode.startswith("I;16"):
        image = Image.fromarray(_stretch(np.asarray(image, dtype=np.float64), is_16_bit=image.mode[1:2] == ";"))
    if image.has_transparency_data:
        image = _on_white(image)
    if image.mode == "LAB":
        profile = b""
    return _convert(image, profile)


def _on_white(image: Image.Image) -> Image.Image:
    top = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", top.size, "white"), top).convert("RGB")


def _convert(image: Image.Image, profile: bytes) -> Image.Image:
    transform = None
    if image.mode == "LAB" or (profile and len(profile) <= MAX_PROFILE_BYTES):
        transform = _transform(bytes(profile), image.mode)
    if transform is not None:
        turned: Image.Image = transform.apply(image)
        return turned
    return image if image.mode == "RGB" else image.convert("RGB")  # convert would copy it


@lru_cache(maxsize=8)
def _transform(profile: bytes, mode: str):  # type: ignore[no-untyped-def] # ImageCms is loaded when it is needed
    """What brings ``mode`` under that profile to sRGB; None where there is nothing to do, or no way."""
    from PIL import ImageCms

    try:
        if mode == "LAB":
            source = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
        else:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            if "srgb" in ImageCms.getProfileDescription(source).lower():
                return None
        target = ImageCms.createProfile("sRGB")
        return ImageCms.buildTransform(source, target, mode, "RGB", ImageCms.Intent.PERCEPTUAL)
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None


def _stretch(values: NDArray[np.float64], *, is_16_bit: bool) -> NDArray[np.uint8]:
    """Gray of no stated range as 0 to 255: 16-bit values by their full range, others by what occurs."""
    values = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
    low, high = (0.0, 0.0) if is_16_bit else (min(0.0, float(values.min())), float(values.max()))
    if is_16_bit or (low == 0 and 255 < high <= _FULL_RANGE_16_BIT):
        high = _FULL_RANGE_16_BIT
    return ((values - low) * (255.0 / max(high - low, 1e-9))).clip(0, 255).round().astype(np.uint8)
