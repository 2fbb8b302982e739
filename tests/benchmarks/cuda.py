"""BLIP-base on a CUDA device: ``python -m tests.benchmarks.cuda WEIGHTS SECONDS``.

Photos per second of the album's captioner in bf16 at several batch sizes and of plain ``generate`` in fp32 at
batch 1 and 16, and the share of time in which the device has nothing to do, from the profiler's kernel times.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from album.exceptions import InferenceOutOfMemory
from album.inference.captioners import TorchBlip
from album.inference.results import Pixels
from tests.benchmarks.full_size import TOKENS

BATCHES = (1, 8, 16, 32, 64, 128)
PLAIN_BATCHES = (1, 16)
SIDE_PX = 384


def pictures(count: int) -> list[Pixels]:
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (SIDE_PX, SIDE_PX, 3), np.uint8) for _ in range(count)]


def rate(run: Callable[[], object], count: int, seconds: float) -> float:
    """Photos per second of ``run``, which does ``count`` of them, after a first call that is not counted."""
    run()
    torch.cuda.synchronize()
    started, done = time.monotonic(), 0
    while time.monotonic() - started < seconds:
        run()
        torch.cuda.synchronize()
        done += count
    return done / (time.monotonic() - started)


def idle_share(run: Callable[[], object]) -> float:
    """The share of one call in which no kernel runs on the device."""
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CUDA]) as seen:
        torch.cuda.synchronize()
        started = time.monotonic()
        run()
        torch.cuda.synchronize()
        elapsed_s = time.monotonic() - started
    busy_s: float = sum(event.self_device_time_total for event in seen.key_averages()) / 1e6
    return max(0.0, 1 - busy_s / elapsed_s)


def plain(folder: Path, batch: int) -> Callable[[], Any]:
    """``generate`` of transformers in fp32, as its documentation shows it."""
    from transformers import BlipForConditionalGeneration

    model = BlipForConditionalGeneration.from_pretrained(folder).to("cuda").eval()
    pixels = torch.randn(batch, 3, SIDE_PX, SIDE_PX, device="cuda")

    def run() -> Any:
        with torch.inference_mode():
            return model.generate(pixel_values=pixels, max_new_tokens=TOKENS, min_new_tokens=TOKENS, num_beams=1)

    return run


def measure(folder: Path, seconds: float) -> dict[str, Any]:
    """Photos per second by batch, and the idle share at the best batch."""
    ours: dict[int, float] = {}
    idle: dict[int, float] = {}
    for batch in BATCHES:
        captioner = TorchBlip(folder, device="cuda", dtype="bf16", batch=batch)
        sentences = partial(captioner.sentences, pictures(batch))
        try:
            ours[batch], idle[batch] = rate(sentences, batch, seconds), idle_share(sentences)
        except InferenceOutOfMemory:
            break
        finally:
            captioner.close()
    theirs = {batch: rate(plain(folder, batch), batch, seconds) for batch in PLAIN_BATCHES}
    best = max(ours, key=lambda batch: ours[batch])
    return {
        "device": torch.cuda.get_device_name(),
        "ours": ours,
        "transformers": theirs,
        "best_batch": best,
        "idle": idle[best],
    }


def main(weights: Path, seconds: float) -> None:
    if not torch.cuda.is_available():
        print(json.dumps({"skipped": "no CUDA device"}))
        return
    print(json.dumps(measure(weights / "torch" / "blip", seconds)))


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]))
