"""Motion photos: the clip that lies inside a photo, or the identifier that a photo shares with its clip."""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import BinaryIO

from album.media.facts import EmbeddedClip
from album.media.tags import Tags

_SMALLEST_CLIP_BYTES = 16
_MOST_DIGITS = 18
_SAMSUNG_MARKER = b"MotionPhoto_Data"
_SAMSUNG_END = b"SEFT"
_SAMSUNG_DIRECTORY = b"SEFH"
_APPLE_MAKER_NOTE = b"Apple iOS\x00"
_APPLE_DIRECTORY_AT = 14
_APPLE_CONTENT_IDENTIFIER = 0x0011
"""Source: ExifTool's table of Apple's maker notes."""


def find_clip(path: Path, tags: Tags) -> EmbeddedClip | None:
    """Where the clip of a motion photo lies in the file; None if the bytes there are not the start of a video."""
    with suppress(OSError), path.open("rb") as file:
        for clip in _stated_clips(file, tags):
            if clip.offset > 0 and clip.size_bytes >= _SMALLEST_CLIP_BYTES:
                file.seek(clip.offset + 4)
                if file.read(4) == b"ftyp":
                    return clip
    return None


def read_content_identifier(tags: Tags) -> str:
    """What an Apple photo shares with its clip; empty if it states nothing."""
    if tags.first("Exif.Image.Make") != "Apple":
        return ""
    with suppress(ValueError, struct.error, LookupError):
        note = bytes(map(int, tags.first("Exif.Photo.MakerNote").split()))
        if note.startswith(_APPLE_MAKER_NOTE):
            return _read_apple_text(note, _APPLE_CONTENT_IDENTIFIER)
    return ""


def _stated_clips(file: BinaryIO, tags: Tags) -> Iterator[EmbeddedClip]:
    size_bytes = file.seek(0, 2)
    yield from _clips_in_boxes(file, size_bytes)
    yield from _clips_in_directory(tags, size_bytes)
    # Source: developer.android.com, "Motion Photo format" 1.0 and its predecessor, Google's "Microvideo".
    from_end = _bytes_stated(tags, "Xmp.GCamera.MicroVideoOffset")
    yield EmbeddedClip(size_bytes - from_end, from_end)
    yield from _clips_in_samsung_trailer(file, size_bytes)


def _clips_in_boxes(file: BinaryIO, size_bytes: int) -> Iterator[EmbeddedClip]:
    """The payload of the box ``mpvd`` at the top level of a HEIC or AVIF photo."""
    at = 0
    file.seek(0)
    while len(header := file.read(16)) >= 8 and (at or header[4:8] == b"ftyp"):
        length, header_bytes = int.from_bytes(header[:4], "big"), 8
        if length == 1:
            length, header_bytes = int.from_bytes(header[8:16], "big"), 16
        end = at + length if length else size_bytes
        if end < at + header_bytes or end > size_bytes:
            return
        if header[4:8] == b"mpvd":
            yield EmbeddedClip(at + header_bytes, end - at - header_bytes)
        at = end
        file.seek(at)


def _clips_in_directory(tags: Tags, size_bytes: int) -> Iterator[EmbeddedClip]:
    """The item ``MotionPhoto`` of the container directory; items follow the picture, the last ends the file."""
    end = size_bytes
    for semantic, length, padding in reversed(list(_directory_items(tags))):
        if semantic == "MotionPhoto":
            yield EmbeddedClip(end - length, length)
            return
        end -= length + padding


def _directory_items(tags: Tags) -> Iterator[tuple[str, int, int]]:
    """Semantic, length and padding in bytes of each item."""
    for number in count(1):
        item = f"Xmp.Container.Directory[{number}]/Container:Item/Item:"
        semantic = tags.first(f"{item}Semantic")
        if not semantic:
            return
        yield semantic, _bytes_stated(tags, f"{item}Length"), _bytes_stated(tags, f"{item}Padding")


def _bytes_stated(tags: Tags, name: str) -> int:
    """A number of bytes that a file can have, else 0."""
    stated = tags.first(name)
    return int(stated) if stated.isdecimal() and len(stated) <= _MOST_DIGITS else 0


def _clips_in_samsung_trailer(file: BinaryIO, size_bytes: int) -> Iterator[EmbeddedClip]:
    """What follows Samsung's marker, up to the directory that closes the file."""
    file.seek(max(0, size_bytes - len(_SAMSUNG_END)))
    if file.read() != _SAMSUNG_END:
        return
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        marker, end = content.rfind(_SAMSUNG_MARKER), content.rfind(_SAMSUNG_DIRECTORY)
        start = marker + len(_SAMSUNG_MARKER)
        if marker >= 0 and start < end:
            yield EmbeddedClip(start, end - start)


def _read_apple_text(note: bytes, wanted: int) -> str:
    """A text of the directory in Apple's maker note, whose offsets count from the note's first byte."""
    order = "<" if note[12:14] == b"II" else ">"
    (entries,) = struct.unpack_from(f"{order}H", note, _APPLE_DIRECTORY_AT)
    for index in range(entries):
        at = _APPLE_DIRECTORY_AT + 2 + 12 * index
        tag, _, length, offset = struct.unpack_from(f"{order}HHII", note, at)
        if tag == wanted:
            return note[offset : offset + length].split(b"\x00")[0].decode("ascii").strip()[:64]
    return ""
