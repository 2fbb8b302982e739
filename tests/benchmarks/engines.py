"""One engine in a process of its own: ``python -m tests.benchmarks.engines ENGINE WEIGHTS COUNT PHOTO...``.

Prints CPU seconds per photo, all threads together, from decoded pictures to words or vectors, and the peak memory.
Both sides of a comparison get the same pixels from the same preprocessing, so only the engines differ.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from album.inference.preprocess import PixelRecipe, resize_and_normalize
from album.inference.results import Pixels
from album.media.decode import decode_photo
from tests.benchmarks.full_size import BLIP_ID, CLIP_ID, TOKENS
from tests.benchmarks.measuring import peak_mb

Engine = Callable[[Sequence[Pixels]], object]
BLIP_SIDE_PX, CLIP_SIDE_PX = 384, 224


def blip_transformers(weights: Path) -> Engine:
    """``generate`` of transformers, one photo at a time."""
    import torch
    from transformers import BlipForConditionalGeneration

    torch.set_num_threads(1)
    model = BlipForConditionalGeneration.from_pretrained(weights / "torch" / "blip").eval()
    recipe = PixelRecipe(BLIP_SIDE_PX)

    def run(pictures: Sequence[Pixels]) -> None:
        with torch.inference_mode():
            for picture in pictures:
                pixels = torch.from_numpy(resize_and_normalize([picture], recipe))
                ids = model.generate(
                    pixel_values=pixels, max_new_tokens=TOKENS, min_new_tokens=TOKENS, num_beams=1, do_sample=False
                )
                check_length(ids.shape[1] - 1)

    return run


def blip_onnx(weights: Path, decode_batch: int = 4) -> Engine:
    """The album's captioner, int8."""
    from album.inference.captioners import OnnxBlip

    captioner = OnnxBlip(weights / BLIP_ID, threads=1, decode_batch=decode_batch)

    def run(pictures: Sequence[Pixels]) -> None:
        for caption in captioner.caption(pictures):
            check_length(caption.token_count)

    return run


def clip_transformers(weights: Path) -> Engine:
    """``get_image_features`` of transformers, one photo at a time."""
    import torch
    from transformers import CLIPModel

    torch.set_num_threads(1)
    model = CLIPModel.from_pretrained(weights / "torch" / "clip").eval()
    recipe = PixelRecipe(CLIP_SIDE_PX, mode="crop")

    def run(pictures: Sequence[Pixels]) -> None:
        with torch.inference_mode():
            for picture in pictures:
                model.get_image_features(pixel_values=torch.from_numpy(resize_and_normalize([picture], recipe)))

    return run


def clip_onnx(weights: Path) -> Engine:
    """The album's encoder, int8."""
    from album.inference.encoders import OnnxDualEncoder

    return OnnxDualEncoder(weights / CLIP_ID, threads=1).embed_images


def check_length(tokens: int) -> None:
    """Raises where a sentence is not of the length that all are compared at."""
    if tokens != TOKENS:
        raise RuntimeError(f"a sentence of {tokens} tokens instead of {TOKENS}")


def main(name: str, weights: str, count: str, *photos: str) -> None:
    side_px = (CLIP_SIDE_PX if name.startswith("clip") else BLIP_SIDE_PX) * 3 // 2
    pictures = [decode_photo(Path(photo), min_side_px=side_px) for photo in photos]
    wanted = [pictures[number % len(pictures)] for number in range(int(count))]
    run: Engine = globals()[name](Path(weights))
    run(wanted[: len(pictures)])
    started = time.process_time()
    run(wanted)
    cpu_s = (time.process_time() - started) / len(wanted)
    print(json.dumps({"cpu_s": cpu_s, "peak_mb": peak_mb()}))


if __name__ == "__main__":
    main(*sys.argv[1:])
