"""Videos to a few pictures: by scene change, spread over the duration, upright, cheap however long the video is."""

from __future__ import annotations

import errno
import math
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from album.exceptions import MediaError
from album.media.decode import Pixels
from album.media.hdr import Transfer, to_srgb
from album.media.sniff import HEAD_BYTES, sniff

_DEMUXERS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,asf,flv,ogg"
"""No playlists: a file of those could make FFmpeg open other files or addresses."""

_DECODERS = (
    "h264,hevc,vp8,vp9,libdav1d,av1,mpeg4,msmpeg4v2,msmpeg4,mjpeg,mpeg1video,mpeg2video,h263,flv,dvvideo,prores,"
    "dnxhd,vc1,wmv1,wmv2,wmv3,vp6f,svq1,svq3,cinepak,theora,"
    "aac,aac_latm,mp3float,mp2,mp2float,ac3,eac3,opus,libopus,vorbis,flac,alac,amrnb,amrwb,dca,wmav1,wmav2,"
    "wmapro,nellymoser,qdm2,pcm_u8,pcm_s8,pcm_s16le,pcm_s16be,pcm_s24le,pcm_s24be,pcm_s32le,pcm_alaw,pcm_mulaw,"
    "pcm_bluray,adpcm_ima_wav,adpcm_ima_qt,adpcm_ms,adpcm_swf,pcm_dvd"
)
"""What cameras, phones and the usual editors write and wrote; FFmpeg has 400 more, of games and the like."""

MAX_FRAME_PIXELS = 36_000_000
"""8192 x 4320 fits, the largest that cameras in people's hands record."""

MAX_SIDE_PX = 16_384
"""Source: the largest side that H.264, HEVC and WebP allow for."""

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
_TURNS = {90: Image.Transpose.ROTATE_90, 180: Image.Transpose.ROTATE_180, 270: Image.Transpose.ROTATE_270}
_UNSPECIFIED_COLORSPACE = 2
_HIGH_DEFINITION_PX = 720
_BUILT_IN_ERRORS = (OSError, EOFError, ValueError, ArithmeticError, RuntimeError, LookupError, MemoryError)
_FULL_DISK = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_PACKETS_TO_FIRST_FRAME = 600
"""Ten seconds at 60 frames a second; where none of them gives a picture, none will."""


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
        moments = count * _SEEKS_PER_FRAME
        if sampler.read(keyframes(container, stream, moments)) < count:
            step_s = (container.duration or 0) / 1e6 / moments or _LINEAR_STEP_S
            sampler.read(successive_frames(container, stream, step_s=step_s))
        return sampler.choose()


@contextmanager
def open_video(path: Path, *, threads: int = 1) -> Iterator[tuple[Any, Any]]:
    """The opened container and its video stream; whatever FFmpeg raises inside becomes a MediaError.

    FFmpeg is handed the open file, not its path, and may open nothing else.
    """
    import av
    from av.error import FFmpegError

    options = {
        "format_whitelist": _DEMUXERS,
        "codec_whitelist": _DECODERS,
        "protocol_whitelist": "none",
        "max_pixels": str(MAX_FRAME_PIXELS),
        "probesize": "5000000",
        "analyzeduration": "5000000",
    }
    try:
        with path.open("rb") as file:
            sniff(file.read(HEAD_BYTES))
            file.seek(0)
            with av.open(file, options=options, metadata_errors="replace", io_open=_refuse_to_open) as container:
                stream = _video_stream(container)
                stream.codec_context.thread_count = threads
                if threads > 1:
                    stream.codec_context.thread_type = "AUTO"
                stream.codec_context.options = {"max_pixels": str(MAX_FRAME_PIXELS)}
                yield container, stream
    except MediaError:
        raise
    except FileNotFoundError as error:
        raise MediaError("The video cannot be read: the file is not there. Restore it from a backup.") from error
    except (*_BUILT_IN_ERRORS, FFmpegError) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        code = getattr(error, "errno", None)
        if code in _FULL_DISK:  # of what is written inside, not of the video
            raise OSError(code, reason) from error
        raise MediaError(f"The video cannot be decoded: {reason}. Upload a complete copy.") from error


def _refuse_to_open(url: str, flags: int, options: dict[str, str]) -> Any:
    """Called where a file refers to another one."""
    raise ValueError("it refers to another file")


def is_decodable(stream: Any) -> bool:
    """True where the stream's codec is one of those that the album lets FFmpeg decode."""
    return stream.codec_context is not None and stream.codec_context.name in _DECODERS.split(",")


def read_rotation(container: Any, stream: Any) -> int:
    """Degrees to turn counterclockwise, of the first frame; 0 if no frame can be decoded."""
    frame = first_frame(container, stream)
    return 0 if frame is None else frame_rotation(frame)


def _video_stream(container: Any) -> Any:
    """The first stream that moves: a cover picture inside a sound file is none."""
    from av.stream import Disposition

    stills = Disposition.attached_pic | Disposition.timed_thumbnails
    moving = [stream for stream in container.streams.video if not stream.disposition & stills]
    if not moving:
        raise MediaError("The video cannot be decoded: it holds no moving picture.")
    stream = next(filter(is_decodable, moving), None)
    if stream is None:
        name = getattr(moving[0].codec_context, "name", "") or "unknown"
        raise MediaError(f"The video cannot be decoded: its codec ({name}) is none that the album decodes.")
    width_px, height_px = stream.codec_context.width, stream.codec_context.height
    if max(width_px, height_px) > MAX_SIDE_PX or width_px * height_px > MAX_FRAME_PIXELS:
        raise MediaError(
            f"The video cannot be decoded: {width_px} x {height_px} is too large, the limit is "
            f"{MAX_FRAME_PIXELS:,} pixels. Store a smaller copy."
        )
    return stream


def keyframes(container: Any, stream: Any, moments: int) -> Iterator[Any]:
    """The keyframe before each of evenly spread moments, each once; nothing if the duration is unknown."""
    from av.error import FFmpegError

    stream.codec_context.skip_frame = "NONKEY"
    seen: set[int] = set()
    for index in range(moments if container.duration else 0):
        at_us = (container.start_time or 0) + int(container.duration * (index + 0.5) / moments)
        try:
            container.seek(at_us)
        except FFmpegError:
            return
        frame = first_frame(container, stream)
        if frame is not None and frame.pts not in seen:
            seen.add(frame.pts)
            yield frame


def successive_frames(
    container: Any, stream: Any, *, step_s: float, max_pixels: int = _LINEAR_READ_PIXELS
) -> Iterator[Any]:
    """Frames from the start on, ``step_s`` apart, until so many pixels have been decoded."""
    from av.error import FFmpegError

    stream.codec_context.skip_frame = "DEFAULT"
    with suppress(FFmpegError):  # a container that cannot seek still stands near its start
        container.seek(container.start_time or 0)
    stream.codec_context.flush_buffers()
    next_s = -math.inf
    for frame in _decode_some(container, stream):
        if (frame.time or 0.0) >= next_s:
            next_s = (frame.time or 0.0) + step_s
            yield frame
        max_pixels -= frame.width * frame.height
        if max_pixels <= 0:
            return


def first_frame(container: Any, stream: Any) -> Any | None:
    """The next frame, got from its keyframe alone where the decoder would rather wait for more."""
    from av.error import FFmpegError

    try:
        for packet in islice(container.demux(stream), _PACKETS_TO_FIRST_FRAME):
            with suppress(FFmpegError):
                frames = stream.codec_context.decode(packet)
                if packet.is_keyframe and not frames:
                    frames = stream.codec_context.decode(None)
                    stream.codec_context.flush_buffers()
                if frames:
                    frames[0].time_base = stream.time_base  # unknown to a decoder that was asked without a packet
                    return frames[0]
    except FFmpegError:
        pass
    return None


def _decode_some(container: Any, stream: Any) -> Iterator[Any]:
    """Decoded frames up to the end or to the first damage that the decoder cannot step over."""
    from av.error import FFmpegError

    try:
        yield from container.decode(stream)
    except FFmpegError:
        return


def paint(frame: Any, stream: Any, max_side_px: int) -> Image.Image:
    """The frame upright, with square pixels, as sRGB; its longer side at most ``max_side_px``, never enlarged."""
    width, height = frame.width * pixel_aspect(stream), frame.height
    scale = min(1.0, max_side_px / max(width, height))
    size_px = max(1, round(width * scale)), max(1, round(height * scale))
    small = frame.reformat(*size_px, "rgb24", src_colorspace=_assumed_colorspace(frame), threads=1)
    image = Image.fromarray(small.to_ndarray())
    if transfer := hdr_transfer(frame):
        image = to_srgb(image, transfer)
    turn = _TURNS.get(frame_rotation(frame))
    return image if turn is None else image.transpose(turn)


def hdr_transfer(frame: Any) -> Transfer | None:
    """How a frame stores colors that a usual screen shows pale and flat: ``hlg``, as phones do, or ``pq``."""
    from av.video.reformatter import ColorTrc

    transfers: dict[int, Transfer] = {ColorTrc.ARIB_STD_B67: "hlg", ColorTrc.SMPTE2084: "pq"}
    return transfers.get(frame.color_trc)


def _assumed_colorspace(frame: Any) -> int | None:
    """None where the frame states its own. FFmpeg would take BT.601, but high definition is BT.709 by its rules."""
    from av.video.reformatter import Colorspace

    is_stated = frame.colorspace != _UNSPECIFIED_COLORSPACE
    return None if is_stated or frame.height < _HIGH_DEFINITION_PX else int(Colorspace.ITU709)


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
        return np.ascontiguousarray(np.rot90(small, frame_rotation(frame) // 90))

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


def upright_size(frame: Any, stream: Any) -> tuple[int, int]:
    """Width and height of the frame in square pixels, turned as it is to be shown."""
    width, height = max(1, round(frame.width * pixel_aspect(stream))), frame.height
    return (height, width) if frame_rotation(frame) % 180 else (width, height)


def pixel_aspect(stream: Any) -> float:
    """Width of one pixel in heights of it; absurd values, which damaged files state, count as 1."""
    stated = stream.sample_aspect_ratio or Fraction(1)
    return float(stated) if Fraction(1, 4) <= stated <= 4 else 1.0


def frame_rotation(frame: Any) -> int:
    """Degrees to turn counterclockwise: a multiple of 90; a display matrix without sense counts as 0."""
    degrees = int(frame.rotation)
    return round(degrees / 90) * 90 % 360 if abs(degrees) <= 360 else 0
