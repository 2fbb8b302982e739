"""Small videos made for a test: plain colors or pictures, one second each."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from PIL import Image

SIZE_PX = (160, 96)
FRAMES_PER_S = 10
SOUND_RATE = 48_000

_MATRICES = {90: (0, 1, -1, 0), 180: (-1, 0, 0, -1), 270: (0, -1, 1, 0)}
"""Source: ISO 14496-12, the track header's a, b, c, d for a display turned clockwise by so many degrees."""


def write_video(
    path: Path,
    scenes: Sequence[str | Image.Image],
    *,
    codec: str = "mpeg4",
    sound: str = "",
    pixel_format: str = "yuv420p",
    size_px: tuple[int, int] = SIZE_PX,
    metadata: dict[str, str] | None = None,
    rotation_deg: int = 0,
    pixel_aspect: Fraction | None = None,
    keyframe_every: int = 10,
    is_hlg: bool = False,
    uneven: bool = False,
) -> Path:
    """``path``, now holding one second of each scene (a color name or a picture), with ``sound`` in that codec.

    ``uneven`` frames come after 50 and 150 ms in turn.
    """
    options = {"movflags": "use_metadata_tags"} if path.suffix in {".mp4", ".mov"} else {}
    with av.open(str(path), "w", options=options) as container:
        container.metadata.update(metadata or {})
        stream: Any = container.add_stream(codec, rate=FRAMES_PER_S)
        stream.width, stream.height = size_px
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else pixel_format
        context = stream.codec_context
        context.gop_size, context.bit_rate = keyframe_every, 2_000_000
        context.sample_aspect_ratio = pixel_aspect or Fraction(1)
        context.time_base = tick = Fraction(1, FRAMES_PER_S * (2 if uneven else 1))
        if codec == "libx265":
            context.options = {"x265-params": "log-level=none:pools=1"}
        if is_hlg:
            context.color_trc, context.color_primaries, context.colorspace, context.color_range = 18, 9, 9, 1
        track: Any = container.add_stream(sound, rate=SOUND_RATE, bit_rate=128_000) if sound else None
        for second, scene in enumerate(scenes):
            picture = Image.new("RGB", size_px, scene) if isinstance(scene, str) else scene.resize(size_px)
            for index in range(FRAMES_PER_S):
                frame: Any = av.VideoFrame.from_image(picture)
                at = second * FRAMES_PER_S + index
                frame.pts, frame.time_base = (at * 2 - at % 2 if uneven else at), tick
                container.mux(stream.encode(frame))
            if track is not None:
                container.mux(track.encode(_tone(second)))
        container.mux(stream.encode())
        if track is not None:
            container.mux(track.encode())
    if rotation_deg:
        _turn(path, rotation_deg)
    return path


def _tone(second: int) -> Any:
    """One second of 440 Hz, one channel."""
    times = np.arange(SOUND_RATE) / SOUND_RATE
    samples = (np.sin(times * 2 * np.pi * 440) * 8_000).astype(np.int16)[None]
    frame: Any = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
    frame.sample_rate, frame.pts, frame.time_base = SOUND_RATE, second * SOUND_RATE, Fraction(1, SOUND_RATE)
    return frame


def _turn(path: Path, degrees: int) -> None:
    """Writes the display matrix into the track header, as phones do."""
    content = bytearray(path.read_bytes())
    at = content.index(b"tkhd") + 44
    for offset, value in zip((0, 4, 12, 16), _MATRICES[degrees], strict=True):
        content[at + offset : at + offset + 4] = (value * 65536).to_bytes(4, "big", signed=True)
    path.write_bytes(content)


def refer_elsewhere(path: Path, entry: bytes) -> Path:
    """``path``, whose media data now are said to lie where the data reference ``entry`` says.

    Source: ISO 14496-12, 8.7.2: the boxes moov, trak, mdia, minf, dinf and dref contain one another.
    """
    content = bytearray(path.read_bytes())
    own = content.index(b"url \x00\x00\x00\x01") - 4
    content[own : own + 12] = entry
    for name in (b"moov", b"trak", b"mdia", b"minf", b"dinf", b"dref"):
        at = content.index(name) - 4
        size = int.from_bytes(content[at : at + 4], "big") + len(entry) - 12
        content[at : at + 4] = size.to_bytes(4, "big")
    path.write_bytes(content)
    return path
