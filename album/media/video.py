"""Videos: the facts that they state, a poster and a short moving preview."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from album.disk import written_whole
from album.exceptions import MediaError
from album.media.dates import parse_moment
from album.media.facts import FileFacts
from album.media.frames import (
    NEAR_BLACK,
    keyframes,
    open_video,
    paint,
    pixel_aspect,
    read_rotation,
    successive_frames,
    upright_size,
)
from album.media.rendering import write_renditions
from album.media.renditions import ANIMATION, PREVIEW_SIDE_PX, Rendered
from album.media.sniff import HEAD_BYTES, sniff

_BROWSERS_PLAY = {
    "video/mp4": ({"h264", "av1"}, {"", "aac", "mp3", "opus", "flac"}),
    "video/quicktime": ({"h264", "av1"}, {"", "aac", "mp3"}),
    "video/x-m4v": ({"h264", "av1"}, {"", "aac", "mp3"}),
    "video/webm": ({"vp8", "vp9", "av1"}, {"", "opus", "vorbis"}),
}
"""What Chrome, Firefox and Safari all play: codecs of picture and sound by container, ``""`` for no sound.

Source: MDN, "Web video codec guide" and "Media container formats", 2026. Needing a proxy, therefore: HEVC, MPEG-4
part 2, H.263, MPEG-1 and -2, Motion JPEG, ProRes, DV, Theora, WMV; sound as PCM, AC-3, AMR or ADPCM; 3GP, AVI, MKV,
MTS, MPG, WMV, FLV and OGV.
"""

_H264_FORMATS = frozenset({"yuv420p", "yuvj420p", None})
"""8 bits, 4:2:0: browsers play no other H.264. None: the stream does not say, which is the common case."""

ANIMATION_FRAMES = 8
ANIMATION_FRAME_MS = 375
ANIMATION_SIDE_PX = 320
ANIMATION_MAX_BYTES = 300_000
_ANIMATION_QUALITIES = (60, 30, 5)
_FEW_KEYFRAMES = 4
_SUCCESSIVE_PIXELS = 150_000_000
"""How much is decoded where keyframes are few: 72 frames of 1920 x 1080, 0.6 s of one core."""


def read_video_facts(path: Path) -> FileFacts:
    """What the container and its first frame tell.

    ``taken_at_local`` is UTC with ``utc_offset`` 0 where the container states nothing better. ``rotation_deg`` is
    how far players turn the picture clockwise.

    Raises:
        MediaError: no video, or none that the album decodes.
    """
    with open_video(path) as (container, stream):
        with path.open("rb") as file:
            mime = sniff(file.read(HEAD_BYTES)).mime
        said = {name.lower(): text for name, text in (stream.metadata | container.metadata).items()}
        rotation_deg = read_rotation(container, stream)
        width_px = round(stream.codec_context.width * pixel_aspect(stream)) or None
        height_px = stream.codec_context.height or None
        video_codec = stream.codec_context.codec.canonical_name
        audio_codec = _audio_codec(container)
        taken_at, utc_offset = _read_time(said)
        latitude_deg, longitude_deg = _read_position(said)
        return FileFacts(
            width_px=height_px if rotation_deg % 180 else width_px,
            height_px=width_px if rotation_deg % 180 else height_px,
            taken_at_local=taken_at,
            utc_offset=utc_offset,
            taken_at_source="container" if taken_at else "",
            latitude_deg=latitude_deg,
            longitude_deg=longitude_deg,
            camera=_read_camera(said),
            title=_first(said, "com.apple.quicktime.title", "com.apple.quicktime.displayname", "title"),
            description=_first(said, "com.apple.quicktime.description", "description"),
            keywords=_read_keywords(said),
            content_identifier=_first(said, "com.apple.quicktime.content.identifier"),
            duration_s=_read_duration(container),
            rotation_deg=-rotation_deg % 360,
            video_codec=video_codec,
            audio_codec=audio_codec,
            needs_proxy=not _is_playable(mime, video_codec, audio_codec, stream.codec_context.pix_fmt),
        )


def _read_duration(container: Any) -> float | None:
    """Seconds; None of a bare stream of pictures, which states none: FFmpeg guesses by its bit rate."""
    if not container.duration or container.format.name == "mpegvideo":
        return None
    return float(container.duration / 1e6)


def _is_playable(mime: str, video_codec: str, audio_codec: str, pixel_format: str | None) -> bool:
    video_codecs, audio_codecs = _BROWSERS_PLAY.get(mime, (set(), set()))
    is_usual = video_codec != "h264" or pixel_format in _H264_FORMATS
    return video_codec in video_codecs and audio_codec in audio_codecs and is_usual


def _audio_codec(container: Any) -> str:
    """The codec of the first sound, ``unknown`` if FFmpeg has none for it, empty without sound."""
    stream = next(iter(container.streams.audio), None)
    if stream is None:
        return ""
    return stream.codec_context.codec.canonical_name if stream.codec_context else "unknown"


def _first(said: Mapping[str, str], *names: str) -> str:
    return next((text for name in names if (text := said.get(name, "").strip())), "")


def _read_time(said: Mapping[str, str]) -> tuple[datetime | None, timedelta | None]:
    """Local time with its offset where a phone states it, else UTC; AVI states a camera's clock without offset."""
    moments = (parse_moment(said.get(name, "")) for name in ("com.apple.quicktime.creationdate", "creation_time"))
    return next(filter(None, moments), (None, None))


def _read_position(said: Mapping[str, str]) -> tuple[float | None, float | None]:
    """Degrees from ``+41.2203-096.0716+350/`` (ISO 6709 in decimal degrees, as phones write it).

    0, 0 is what a receiver without a fix writes, not a place where people take videos.
    """
    text = _first(said, "com.apple.quicktime.location.iso6709", "location")
    found = re.match(r"([+-]\d{1,2}(?:\.\d+)?)([+-]\d{1,3}(?:\.\d+)?)", text)
    latitude_deg, longitude_deg = (float(found[1]), float(found[2])) if found else (0.0, 0.0)
    if abs(latitude_deg) > 90 or abs(longitude_deg) > 180 or latitude_deg == longitude_deg == 0:
        return None, None
    return latitude_deg, longitude_deg


def _read_camera(said: Mapping[str, str]) -> str:
    """``Apple iPhone 6`` and the like: the maker is not said twice."""
    maker = _first(said, "com.apple.quicktime.make", "com.android.manufacturer", "make")
    name = _first(said, "com.apple.quicktime.model", "com.android.model", "model")
    if not name or not maker:
        return name or maker
    return name if name.lower().startswith(maker.split()[0].lower()) else f"{maker} {name}"


def _read_keywords(said: Mapping[str, str]) -> tuple[str, ...]:
    text = _first(said, "com.apple.quicktime.keywords", "keywords")
    return tuple(word for part in text.split(",") if (word := part.strip()))


def render_video(path: Path, folder: Path) -> Rendered:
    """The renditions of a poster, the first frame that shows something, and beside them a short ``ANIMATION``.

    The animation is left out where the video has only one picture.

    Raises:
        MediaError: no frame of the video can be decoded.
        OSError: the renditions cannot be written.
    """
    poster, strip, (width_px, height_px) = _read_pictures(path)
    rendered = write_renditions(poster, folder)
    if len(strip) > 1:
        _write_animation(strip, folder / ANIMATION)
    return replace(rendered, width_px=width_px, height_px=height_px)


def _read_pictures(path: Path) -> tuple[Image.Image, list[Image.Image], tuple[int, int]]:
    """The poster, the small pictures of the animation in order of time, and the size of the upright video."""
    poster, poster_light, size_px = None, -math.inf, (0, 0)
    strip: dict[float, Image.Image] = {}
    with open_video(path) as (container, stream):
        for frame in _spread_frames(container, stream):
            picture = paint(frame, stream, PREVIEW_SIDE_PX)
            small = picture.copy()
            small.thumbnail((ANIMATION_SIDE_PX, ANIMATION_SIDE_PX), reducing_gap=2.0)
            strip[frame.time or 0.0] = small
            light = float(np.asarray(small).mean())
            if poster_light < NEAR_BLACK and light > poster_light:
                poster, poster_light, size_px = picture, light, upright_size(frame, stream)
    if poster is None:
        raise MediaError("The video cannot be decoded: no frame is readable. Upload a complete copy.")
    moments = sorted(strip)
    wanted = np.linspace(0, len(moments) - 1, min(len(moments), ANIMATION_FRAMES)).round().astype(int)
    return poster, [strip[moments[index]] for index in wanted], size_px


def _spread_frames(container: Any, stream: Any) -> Iterator[Any]:
    """Keyframes spread over the video; where they are few, also frames from its beginning."""
    found = 0
    for frame in keyframes(container, stream, ANIMATION_FRAMES):
        found += 1
        yield frame
    if found < _FEW_KEYFRAMES:
        duration_s = (container.duration or 0) / 1e6
        step_s = min(duration_s / ANIMATION_FRAMES or 1.0, 1.0)
        frames = successive_frames(container, stream, step_s=step_s, max_pixels=_SUCCESSIVE_PIXELS)
        yield from islice(frames, ANIMATION_FRAMES)


def _write_animation(pictures: list[Image.Image], target: Path) -> None:
    """WebP, coarser where the pictures are so rich that it would be large."""
    content = b""
    for quality in _ANIMATION_QUALITIES:
        file = io.BytesIO()
        options = {"duration": ANIMATION_FRAME_MS, "loop": 0, "quality": quality, "method": 2}
        pictures[0].save(file, "WEBP", save_all=True, append_images=pictures[1:], **options)
        content = file.getvalue()
        if len(content) <= ANIMATION_MAX_BYTES:
            break
    with written_whole(target) as part:
        part.write_bytes(content)
