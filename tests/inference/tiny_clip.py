"""The tiny CLIP of the fixtures, and drawn scenes that it was never trained on."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np

from album.inference.results import Pixels
from album.media.scenes import Scene, draw_scene, sample_scene

FOLDER = Path(__file__).resolve().parents[1] / "fixtures" / "weights" / "tiny-clip"
TORCH_FOLDER = FOLDER / "torch"


def fresh_scenes(count: int, seed: int, size_px: tuple[int, int] = (96, 72)) -> tuple[list[Scene], list[Pixels]]:
    """Scenes whose captions are held out from training, with their pictures."""
    rng = random.Random(seed)
    scenes: list[Scene] = []
    while len(scenes) < count:
        if (scene := sample_scene(rng)).is_held_out:
            scenes.append(scene)
    return scenes, [np.asarray(draw_scene(scene, rng, size_px)[0]) for scene in scenes]
