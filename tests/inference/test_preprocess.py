"""Pixel tensors equal those of transformers' own image processors, and very long pictures stay small."""

from __future__ import annotations

import numpy as np
import pytest

from album.inference.preprocess import PixelRecipe, resize_and_normalize
from album.inference.results import Pixels

SIZES = [(301, 200), (200, 301), (480, 640), (481, 641), (37, 93), (225, 1000), (1200, 1600)]


def picture(height: int, width: int) -> Pixels:
    return np.random.default_rng(height + width).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.torch
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_tensors_equal_those_of_the_networks_own_processors(size: tuple[int, int]) -> None:
    pytest.importorskip("transformers")
    from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    image = picture(*size)
    squashed = BlipImageProcessorPil()(image, return_tensors="np")["pixel_values"]
    cropped = CLIPImageProcessorPil()(image, return_tensors="np")["pixel_values"]
    np.testing.assert_allclose(resize_and_normalize([image], PixelRecipe(384)), squashed, atol=1e-5)
    np.testing.assert_allclose(resize_and_normalize([image], PixelRecipe(224, mode="crop")), cropped, atol=1e-5)


def test_padding_keeps_the_aspect_and_fills_with_what_normalizes_to_nothing() -> None:
    white = np.full((100, 50, 3), 255, np.uint8)
    (tensor,) = resize_and_normalize([white], PixelRecipe(40, (0.5,) * 3, (0.5,) * 3, mode="pad"))
    assert tensor[:, :, 10:30] == pytest.approx(1.0)
    assert tensor[:, :, :10] == pytest.approx(0.0, abs=0.01)
    assert tensor[:, :, 30:] == pytest.approx(0.0, abs=0.01)


@pytest.mark.parametrize("shape", [(2, 40_000), (40_000, 2), (1, 1)])
def test_extreme_shapes_make_a_tensor_of_the_same_size(shape: tuple[int, int]) -> None:
    tensor = resize_and_normalize([picture(*shape)], PixelRecipe(224, mode="crop"))
    assert tensor.shape == (1, 3, 224, 224) and tensor.dtype == np.float32
    assert np.isfinite(tensor).all()


def test_no_pictures_make_an_empty_tensor() -> None:
    assert resize_and_normalize([], PixelRecipe(64)).shape == (0, 3, 64, 64)
