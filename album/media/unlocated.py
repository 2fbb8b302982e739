"""Copies of photos and videos that do not say where they were taken, for people who may not know.

What is known to be harmless is kept, and everything else goes: positions hide in Exif, XMP, notes of the maker,
second pictures, clips behind the first one. The pixels of JPEG, PNG and WebP, and the streams of a video, stay.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from album.exceptions import MediaError
from album.media.sniff import MediaType

JPEG_QUALITY = 92
"""Of a full-size copy, where a format cannot be rewritten without its pixels."""

_KEPT_TAGS = (271, 272, 274, 282, 283, 296, 306)
"""Source: Exif 3.0. Maker, model, orientation, resolution, time of the file."""
_KEPT_EXIF_TAGS = (33434, 33437, 34855, 36867, 36868, 36880, 36881, 36882, 37386, 37521, 41989, 42036)
"""Exposure, f-number, ISO, times of the picture with zone and fraction, focal lengths, lens."""
_EXIF_IFD = 0x8769

_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_KEPT_CHUNKS = frozenset(
    b"IHDR PLTE IDAT IEND tRNS gAMA cHRM sRGB iCCP cICP mDCV cLLI sBIT bKGD pHYs acTL fcTL fdAT".split()
)
_KEPT_WEBP_CHUNKS = frozenset((b"VP8 ", b"VP8L", b"ALPH", b"ANIM", b"ANMF", b"ICCP"))
_WEBP_EXIF, _WEBP_XMP = 0x08, 0x04
_DAMAGED = "The file is damaged, so that it cannot be given without its place."


def copied_type(media_type: MediaType) -> MediaType:
    """What the copy of a file of this type is."""
    if media_type.kind == "video":
        return MediaType("video", "video/mp4", ".mp4")
    return media_type if media_type.mime in _REWRITERS else MediaType("photo", "image/jpeg", ".jpg")


def copy_photo(path: Path, target: Path, media_type: MediaType) -> None:
    """Writes the photo at ``path`` to ``target``: its time, camera and colors, and nothing that locates it.

    JPEG, PNG and WebP keep their pixels bit by bit; others become a JPEG of the full size.

    Raises:
        MediaError: it cannot be read.
        OSError: ``target`` cannot be written.
    """
    rewrite = _REWRITERS.get(media_type.mime)
    if rewrite is None:
        _draw_again(path, target, media_type)
        return
    try:
        target.write_bytes(rewrite(path.read_bytes(), _harmless_exif(path, media_type)))
    except (IndexError, struct.error) as error:
        raise MediaError(_DAMAGED) from error


def copy_video(path: Path, target: Path) -> None:
    """Writes the pictures and the sound of the video at ``path`` into the MP4 ``target``, as they are.

    Raises:
        MediaError: it cannot be read, or MP4 cannot hold its streams.
        OSError: ``target`` cannot be written.
    """
    import av
    from av.error import FFmpegError

    from album.media.frames import open_video

    with open_video(path) as (source, video), target.open("wb") as file:
        sound = next(iter(source.streams.audio), None)
        try:
            with av.open(file, "w", format="mp4") as output:
                tracks = {video.index: output.add_stream_from_template(video)}
                if video.codec_context.name == "hevc":
                    tracks[video.index].codec_tag = "hvc1"  # Apple's players refuse FFmpeg's "hev1"
                if sound is not None:
                    tracks[sound.index] = output.add_stream_from_template(sound)
                for track in (output, *tracks.values()):
                    track.metadata.clear()
                for packet in source.demux([stream for stream in (video, sound) if stream is not None]):
                    # Matroska states no decoding time of the first ones; what ends the reading has none at all.
                    if (packet.pts, packet.dts) != (None, None):
                        packet.stream = tracks[packet.stream.index]
                        output.mux(packet)
        except (FFmpegError, ValueError) as error:
            raise MediaError("The streams of this video fit into no MP4.") from error


def _rewrite_jpeg(content: bytes, exif: bytes) -> bytes:
    """Frame, tables, scans and color profile; nothing behind the end of the first picture."""
    kept = [b"\xff\xd8"]
    if exif:
        kept.append(b"\xff\xe1" + struct.pack(">H", len(exif) + 8) + b"Exif\0\0" + exif)
    at = 2
    while at < len(content):
        if content[at] != 0xFF:
            raise MediaError(_DAMAGED)
        marker = content[at + 1]
        if marker == 0xFF:  # filling
            at += 1
            continue
        if marker == 0xD9:
            break
        size = struct.unpack_from(">H", content, at + 2)[0] + 2
        segment = content[at : at + size]
        if _is_kept_segment(marker, segment):
            kept.append(segment)
        at += size
        if marker == 0xDA:
            end = _MARKER.search(content, at)
            scan_end = end.start() if end else len(content)
            kept.append(content[at:scan_end])
            at = scan_end
    return b"".join((*kept, b"\xff\xd9"))


def _is_kept_segment(marker: int, segment: bytes) -> bool:
    if marker == 0xE0:
        return segment[4:9] == b"JFIF\0"
    if marker == 0xE2:
        return segment[4:16] == b"ICC_PROFILE\0"
    if marker == 0xEE:  # says how the colors are to be read
        return segment[4:9] == b"Adobe"
    return not (0xE0 <= marker <= 0xEF or marker == 0xFE)


def _rewrite_png(content: bytes, exif: bytes) -> bytes:
    import zlib

    kept, at = [content[:8]], 8
    while at < len(content):
        size = struct.unpack_from(">I", content, at)[0] + 12
        name = content[at + 4 : at + 8]
        if name in _KEPT_CHUNKS:
            kept.append(content[at : at + size])
        if name == b"IHDR" and exif:
            crc = zlib.crc32(b"eXIf" + exif)
            kept.append(struct.pack(">I", len(exif)) + b"eXIf" + exif + struct.pack(">I", crc))
        at += size
        if name == b"IEND":
            break
    return b"".join(kept)


def _rewrite_webp(content: bytes, exif: bytes) -> bytes:
    kept = []
    for name, chunk in _webp_chunks(content):
        if name == b"VP8X":
            flags = chunk[8] & ~(_WEBP_EXIF | _WEBP_XMP) | (_WEBP_EXIF if exif else 0)
            kept.append(chunk[:8] + bytes((flags,)) + chunk[9:])
        elif name in _KEPT_WEBP_CHUNKS:
            kept.append(chunk)
    if exif and kept[0][:4] == b"VP8X":  # else there was nothing to state it
        kept.append(b"EXIF" + struct.pack("<I", len(exif)) + exif + b"\0" * (len(exif) % 2))
    body = b"WEBP" + b"".join(kept)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _webp_chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    at, end = 12, min(len(content), struct.unpack_from("<I", content, 4)[0] + 8)
    while at + 8 <= end:
        size = struct.unpack_from("<I", content, at + 4)[0]
        size += 8 + size % 2
        yield content[at : at + 4], content[at : at + size]
        at += size


_REWRITERS = {"image/jpeg": _rewrite_jpeg, "image/png": _rewrite_png, "image/webp": _rewrite_webp}


def _harmless_exif(path: Path, media_type: MediaType) -> bytes:
    """Orientation, times and camera as Exif that states nothing else; empty where nothing of it is known."""
    from PIL import Image

    from album.media.decode import DECODER_ERRORS, open_photo

    kept = Image.Exif()
    with suppress(MediaError, *DECODER_ERRORS), open_photo(path, media_type) as image:
        stated = image.getexif()
        inner = stated.get_ifd(_EXIF_IFD)
        kept.update({tag: stated[tag] for tag in _KEPT_TAGS if tag in stated})
        if details := {tag: inner[tag] for tag in _KEPT_EXIF_TAGS if tag in inner}:
            kept[_EXIF_IFD] = details
        return kept.tobytes()[6:] if len(kept) else b""
    return b""  # values that make no sense


def _draw_again(path: Path, target: Path, media_type: MediaType) -> None:
    from album.media.decode import open_photo, shrink

    with open_photo(path, media_type) as image:
        upright = shrink(image, 1.0)
    upright.info = {}
    upright.save(target, "JPEG", quality=JPEG_QUALITY)
