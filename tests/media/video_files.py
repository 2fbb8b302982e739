"""Small videos made for a test: plain colors or pictures, one second each."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
from PIL import Image

SIZE_PX = (160, 96)
FRAMES_PER_S = 10

_MATRICES = {90: (0, 1, -1, 0), 180: (-1, 0, 0, -1), 270: (0, -1, 1, 0)}
"""Source: ISO 14496-12, the track header's a, b, c, d for a display turned clockwise by so many degrees."""


def write_video(
    path: Path,
    scenes: Sequence[str | Image.Image],
    *,
    codec: str = "mpeg4",
    metadata: dict[str, str] | None = None,
    rotation_deg: int = 0,
    pixel_aspect: Fraction | None = None,
    keyframe_every: int = 10,
) -> Path:
    """``path``, now holding one second of each scene (a color name or a picture)."""
    with av.open(str(path), "w") as container:
        container.metadata.update(metadata or {})
        stream = container.add_stream(codec, rate=FRAMES_PER_S)
        stream.width, stream.height = SIZE_PX
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        stream.codec_context.gop_size = keyframe_every
        stream.codec_context.bit_rate = 2_000_000
        if pixel_aspect:
            stream.codec_context.sample_aspect_ratio = pixel_aspect
        for scene in scenes:
            picture = Image.new("RGB", SIZE_PX, scene) if isinstance(scene, str) else scene.resize(SIZE_PX)
            for _ in range(FRAMES_PER_S):
                container.mux(stream.encode(av.VideoFrame.from_image(picture)))
        container.mux(stream.encode())
    if rotation_deg:
        _turn(path, rotation_deg)
    return path


def _turn(path: Path, degrees: int) -> None:
    """Writes the display matrix into the track header, as phones do."""
    content = bytearray(path.read_bytes())
    at = content.index(b"tkhd") + 44
    for offset, value in zip((0, 4, 12, 16), _MATRICES[degrees], strict=True):
        content[at + offset : at + offset + 4] = (value * 65536).to_bytes(4, "big", signed=True)
    path.write_bytes(content)
