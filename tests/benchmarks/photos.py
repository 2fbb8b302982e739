"""Photos as a phone writes them: 12 megapixels, JPEG, with the grain that makes a decoder work."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

WIDTH_PX, HEIGHT_PX = 4000, 3000


def make_photos(folder: Path, count: int) -> list[Path]:
    """``count`` files of different content, made where they are missing."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"photo-{number:03}.jpg" for number in range(count)]
    for number, path in enumerate(paths):
        if not path.is_file():
            rng = np.random.default_rng(number)
            colors = Image.fromarray(rng.integers(0, 256, (60, 80, 3), np.uint8))
            smooth = np.asarray(colors.resize((WIDTH_PX, HEIGHT_PX), Image.Resampling.BICUBIC), np.int16)
            grain = rng.normal(0, 6, (500, 500, 1)).astype(np.int16)
            tiled = np.tile(grain, (HEIGHT_PX // 500, WIDTH_PX // 500, 1))
            draft = path.with_suffix(".part")
            Image.fromarray((smooth + tiled).clip(0, 255).astype(np.uint8)).save(draft, "JPEG", quality=90)
            draft.replace(path)
    return paths
