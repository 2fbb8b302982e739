"""The least that two previews of a photo can cost: ``python -m tests.benchmarks.limit TARGET FILE...``.

Libjpeg-turbo's scaled decode, one resize chain and one encode (of the larger) in a bare loop: no database, no
child, no metadata, no hash. Sizes and filters are those of the album's renditions.
"""

from __future__ import annotations

import sys
from pathlib import Path

import simplejpeg
from PIL import Image

from album.media.decode import FILTER
from album.media.renditions import GRID_SIDE_PX, PREVIEW_LEAST_PX, PREVIEW_SIDE_PX

QUALITY = 82


def main(target: Path, files: list[Path]) -> None:
    for path in files:
        content = path.read_bytes()
        height_px, width_px, *_ = simplejpeg.decode_jpeg_header(content)
        side = {"min_width": PREVIEW_LEAST_PX} if width_px >= height_px else {"min_height": PREVIEW_LEAST_PX}
        image = Image.fromarray(simplejpeg.decode_jpeg(content, "RGB", **side))
        image.thumbnail((PREVIEW_SIDE_PX, PREVIEW_SIDE_PX), FILTER)
        image.save(target / f"{path.stem}.jpg", quality=QUALITY)
        image.thumbnail((GRID_SIDE_PX, GRID_SIDE_PX), Image.Resampling.BICUBIC)


if __name__ == "__main__":
    main(Path(sys.argv[1]), [Path(name) for name in sys.argv[2:]])
