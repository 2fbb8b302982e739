"""Videos to a few pictures: by scene change, spread over the duration, upright, cheap however long the video is."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from album.exceptions import MediaError
from album.media.decode import MAX_HELD_PIXELS, Pixels
from album.media.sniff import HEAD_BYTES, sniff

_DEMUXERS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts"
"""No playlists: a file of those could make FFmpeg open other files or addresses."""

SCENE_CHANGE = 8.0
"""Mean difference of two 32 x 32 thumbnails, 0 to 255, from which they show different scenes.

Measured: six drawn scenes in a 30 s clip, all six found and no other, 2026-11.
"""

NEAR_BLACK = 12.0
"""Mean of a thumbnail, 0 to 255, below which a frame shows nothing (video black itself is 0 to 1)."""

_THUMB_PX = 32
_SEEKS_PER_FRAME = 4
_LINEAR_READ_PIXELS = 600_000_000
"""How much is decoded one frame after the other where seeking finds too little: 290 frames of 1920 x 1080."""
_LINEAR_STEP_S = 0.25


@dataclass(frozen=True, slots=True)
class VideoFrame:
    """One upright picture, ``(H, W, 3) uint8 RGB``, and its seconds from the start of the video."""

    pixels: Pixels
    at_s: float


@dataclass(eq=False, slots=True)
class _Candidate:
    frame: VideoFrame
    thumb: Pixels
    change: float


def sample_frames(path: Path, *, count: int, min_side_px: int) -> list[VideoFrame]:
    """At most ``count`` different frames in order, at least one; shorter side ``min_side_px``, never enlarged.

    Frames that are nearly black or nearly equal to another are left out, unless nothing else is there.

    Raises:
        MediaError: no frame of the video can be decoded.
    """
    with open_video(path) as (container, stream):
        sampler = _Sampler(count, min_side_px, pixel_aspect(stream))
        positions = sampler.read(_seek_frames(container, stream, count))
        if positions < count:
            sampler.read(_linear_frames(container, stream, count))
        return sampler.choose()


@contextmanager
def open_video(path: Path) -> Iterator[tuple[Any, Any]]:
    """The opened container and its video stream; whatever FFmpeg raises inside becomes a MediaError."""
    import av

    try:
        with path.open("rb") as file:
            sniff(file.read(HEAD_BYTES))
        options = {"protocol_whitelist": "file", "format_whitelist": _DEMUXERS}
        with av.open(str(path.absolute()), container_options=options, metadata_errors="replace") as container:
            stream = _video_stream(container)
            stream.codec_context.thread_count = 1  # the batch decodes several items at once
            stream.codec_context.options = {"max_pixels": str(MAX_HELD_PIXELS)}
            yield container, stream
    except MediaError:
        raise
    except (OSError, EOFError, ValueError, ArithmeticError, RuntimeError, LookupError, MemoryError) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise MediaError(f"The video cannot be decoded: {reason}. Upload a complete copy.") from error


def read_rotation(container: Any, stream: Any) -> int:
    """Degrees to turn counterclockwise, of the first frame; 0 if no frame can be decoded."""
    frame = next(_decode_some(container, stream), None)
    return 0 if frame is None else _rotation(frame)


def _video_stream(container: Any) -> Any:
    """The first stream that moves: a cover picture inside a sound file is none."""
    from av.stream import Disposition

    for stream in container.streams.video:
        if not stream.disposition & Disposition.attached_pic and stream.codec_context is not None:
            return stream
    raise MediaError("The video cannot be decoded: it holds no moving picture.")


def _seek_frames(container: Any, stream: Any, count: int) -> Iterator[Any]:
    """The keyframe before each of evenly spread moments, each once; nothing if the duration is unknown."""
    from av.error import FFmpegError

    stream.codec_context.skip_frame = "NONKEY"
    seen: set[int] = set()
    moments = count * _SEEKS_PER_FRAME if container.duration else 0
    for index in range(moments):
        at_us = (container.start_time or 0) + int(container.duration * (index + 0.5) / moments)
        try:
            container.seek(at_us)
        except FFmpegError:
            return
        frame = next(_decode_some(container, stream), None)
        if frame is not None and frame.pts not in seen:
            seen.add(frame.pts)
            yield frame


def _linear_frames(container: Any, stream: Any, count: int) -> Iterator[Any]:
    """Frames from the start on, some time apart, until the budget of decoded pixels is used up."""
    from av.error import FFmpegError

    stream.codec_context.skip_frame = "DEFAULT"
    with suppress(FFmpegError):  # a container that cannot seek still stands near its start
        container.seek(container.start_time or 0)
    step_s = (container.duration or 0) / 1e6 / (count * _SEEKS_PER_FRAME) or _LINEAR_STEP_S
    budget, next_s = _LINEAR_READ_PIXELS, -math.inf
    for frame in _decode_some(container, stream):
        if (frame.time or 0.0) >= next_s:
            next_s = (frame.time or 0.0) + step_s
            yield frame
        budget -= frame.width * frame.height
        if budget <= 0:
            return


def _decode_some(container: Any, stream: Any) -> Iterator[Any]:
    """Decoded frames up to the end or to the first damage that the decoder cannot step over."""
    from av.error import FFmpegError

    try:
        yield from container.decode(stream)
    except FFmpegError:
        return


class _Sampler:
    """Keeps the frames that differ, never many more than wanted, and chooses among them at the end."""

    def __init__(self, count: int, min_side_px: int, aspect: float) -> None:
        self.count = count
        self.min_side_px = min_side_px
        self.aspect = aspect
        self.kept: list[_Candidate] = []
        self.spare: _Candidate | None = None

    def read(self, frames: Iterator[Any]) -> int:
        """How many frames were looked at."""
        looked_at = 0
        for frame in frames:
            looked_at += 1
            self._consider(frame)
        return looked_at

    def _consider(self, frame: Any) -> None:
        thumb = frame.reformat(_THUMB_PX, _THUMB_PX, "rgb24").to_ndarray()
        change = min((_difference(thumb, other.thumb) for other in self.kept), default=255.0)
        is_shown = float(thumb.mean()) >= NEAR_BLACK and change > SCENE_CHANGE
        if not is_shown and self.spare:
            return
        candidate = _Candidate(VideoFrame(self._to_pixels(frame), float(frame.time or 0.0)), thumb, change)
        if not is_shown:
            self.spare = candidate
            return
        self.kept.append(candidate)
        if len(self.kept) > self.count * _SEEKS_PER_FRAME:
            self.kept.remove(min(self.kept, key=lambda one: one.change))

    def _to_pixels(self, frame: Any) -> Pixels:
        """Upright RGB with square pixels."""
        width, height = frame.width * self.aspect, frame.height
        scale = min(1.0, self.min_side_px / min(width, height))
        small = frame.reformat(max(1, round(width * scale)), max(1, round(height * scale)), "rgb24").to_ndarray()
        return np.ascontiguousarray(np.rot90(small, _rotation(frame) // 90))

    def choose(self) -> list[VideoFrame]:
        """The greatest change of each span of time, then the greatest of the rest, in order of time."""
        found = sorted(self.kept or ([self.spare] if self.spare else []), key=lambda one: one.frame.at_s)
        if not found:
            raise MediaError("The video cannot be decoded: no frame is readable. Upload a complete copy.")
        first_s, length_s = found[0].frame.at_s, max(found[-1].frame.at_s - found[0].frame.at_s, 1e-6)
        best: dict[int, _Candidate] = {}
        for one in found:
            span = min(self.count - 1, int((one.frame.at_s - first_s) / length_s * self.count))
            if span not in best or one.change > best[span].change:
                best[span] = one
        chosen = list(best.values())
        rest = sorted((one for one in found if one not in chosen), key=lambda one: -one.change)
        chosen += rest[: self.count - len(chosen)]
        return sorted((one.frame for one in chosen), key=lambda frame: frame.at_s)


def _difference(one: Pixels, other: Pixels) -> float:
    return float(np.abs(one.astype(np.int16) - other).mean())


def pixel_aspect(stream: Any) -> float:
    """Width of one pixel in heights of it; absurd values, which damaged files state, count as 1."""
    stated = stream.sample_aspect_ratio or Fraction(1)
    return float(stated) if Fraction(1, 4) <= stated <= 4 else 1.0


def _rotation(frame: Any) -> int:
    """Degrees to turn counterclockwise: a multiple of 90; a display matrix without sense counts as 0."""
    degrees = int(frame.rotation)
    return round(degrees / 90) * 90 % 360 if abs(degrees) <= 360 else 0
