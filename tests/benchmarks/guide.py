"""What the guide starts from: a process per photo, ``python -m tests.benchmarks.guide WEIGHTS PHOTO [THREADS]``.

Imports torch and transformers, loads BLIP and CLIP, reads the file, makes one caption and one vector, and ends.
Without THREADS torch chooses, as it does for anyone who does not ask: one per core.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from PIL import Image
from transformers import BlipForConditionalGeneration, BlipImageProcessor, CLIPImageProcessor, CLIPModel

from tests.benchmarks.full_size import TOKENS


def main(weights: Path, photo: Path, threads: int | None) -> None:
    if threads is not None:
        torch.set_num_threads(threads)
    captioner = BlipForConditionalGeneration.from_pretrained(weights / "torch" / "blip").eval()
    encoder = CLIPModel.from_pretrained(weights / "torch" / "clip").eval()
    picture = Image.open(photo).convert("RGB")
    with torch.inference_mode():
        pixels = BlipImageProcessor()(picture, return_tensors="pt").pixel_values
        ids = captioner.generate(pixel_values=pixels, max_new_tokens=TOKENS, min_new_tokens=TOKENS, num_beams=1)
        encoder.get_image_features(pixel_values=CLIPImageProcessor()(picture, return_tensors="pt").pixel_values)
    if ids.shape[1] - 1 != TOKENS:
        raise RuntimeError(f"a sentence of {ids.shape[1] - 1} tokens instead of {TOKENS}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else None)
