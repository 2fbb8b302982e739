"""The tags of a photo or sidecar as text, by the names that Exiv2 gives them. What cannot be read is not there."""

from __future__ import annotations

import codecs
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from PIL import Image

from album.media.decode import DECODER_ERRORS, read_orientation
from album.media.jxl import read_jxl_size
from album.media.openers import FORMATS
from album.media.sniff import MediaType

SIDECAR_MAX_BYTES = 16 * 1024 * 1024
"""Sidecars with the history of a long edit come near 1 MB."""

_SIDEWAYS = frozenset({5, 6, 7, 8})
_FLIPPED_SIDEWAYS = frozenset({5, 6})
"""Source: LibRaw, sizes.flip."""

_HEADER_SAYS_MORE = frozenset({"image/gif", "image/png", "image/webp", "image/avif", "image/tiff"})
"""Whether it is animated; or a size that Exiv2 reads from the wrong one of several pictures."""

_EXIV2_ERRORS = (RuntimeError, ValueError, OSError, MemoryError)
_MUTE = 4
_JXL_HEAD_BYTES = 4 * 1024 * 1024
"""Exif, XMP and a preview may stand before the picture."""


@dataclass(frozen=True, slots=True)
class Tags:
    """Looks up tags; blank values count as absent."""

    values: Mapping[str, Any] = field(default_factory=dict)

    def first(self, *names: str) -> str:
        """The value of the first of ``names`` that says something, else empty; of a list its first entry."""
        return next(self._said(names), "")

    def all(self, *names: str) -> list[str]:
        """Every value of all the ``names``."""
        return list(self._said(names))

    def ending(self, *suffixes: str) -> list[str]:
        """Every value of the names that end so: parts of structures stand in numbered names."""
        return list(self._said(name for name in self.values if name.endswith(suffixes)))

    def _said(self, names: Iterable[str]) -> Iterator[str]:
        for name in names:
            value = self.values.get(name)
            if isinstance(value, dict):  # the same text in several languages
                value = value.get('lang="x-default"') or next(iter(value.values()), "")
            for one in value if isinstance(value, list) else [value]:
                if isinstance(one, str) and (text := _decode(one)):
                    yield text


@dataclass(frozen=True, slots=True)
class PhotoTags:
    """The tags of a photo, and what its header says. The size is that of the upright picture, None if unknown."""

    tags: Tags = field(default_factory=Tags)
    size_px: tuple[int, int] | None = None
    orientation: int = 1
    is_animated: bool = False


def read_photo_tags(path: Path, media_type: MediaType) -> PhotoTags:
    """What Exiv2 reads; where it refuses the file, what it reads in the blocks that the decoder finds."""
    import pyexiv2

    pyexiv2.set_log_level(_MUTE)
    size_px: tuple[int, int] | None = None
    tags = Tags()
    # A path may hold any bytes; Latin-1 carries them through Exiv2's text argument unchanged.
    name = os.fsencode(path).decode("latin-1")
    with suppress(*_EXIV2_ERRORS), pyexiv2.Image(name, "latin-1") as image:
        tags = _read_all(image)
        size_px = (image.get_pixel_width(), image.get_pixel_height())
    header = _read_header(path, media_type, is_needed=not (tags.values and size_px and all(size_px)))
    tags = tags if tags.values else _read_blocks(header.blocks)
    orientation = header.orientation or _orientation(tags)
    size_px = header.upright_size_px or _upright(header.size_px or size_px, orientation)
    return PhotoTags(tags, size_px, orientation, header.is_animated)


def read_sidecar_tags(path: Path) -> Tags:
    """The XMP of a sidecar; nothing if it is none."""
    import pyexiv2

    pyexiv2.set_log_level(_MUTE)
    with suppress(*_EXIV2_ERRORS):
        if path.is_file() and path.stat().st_size <= SIDECAR_MAX_BYTES:
            packet = path.read_bytes()
            if packet.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
                packet = packet.decode("utf-16").encode()
            with pyexiv2.ImageData(packet) as image:
                return Tags(image.read_xmp("latin-1"))
    return Tags()


@dataclass(frozen=True, slots=True)
class _Header:
    """What a decoder says before it decodes. ``orientation`` 0: it leaves the turning to whoever reads the tags."""

    size_px: tuple[int, int] | None = None
    upright_size_px: tuple[int, int] | None = None
    orientation: int = 0
    is_animated: bool = False
    blocks: tuple[bytes, ...] = ()
    """Exif as TIFF, XMP as XML."""


def _read_header(path: Path, media_type: MediaType, *, is_needed: bool) -> _Header:
    """What the decoder says, nothing where it need not be asked or fails. No pixel is decoded."""
    with suppress(*DECODER_ERRORS, Image.DecompressionBombError, Image.DecompressionBombWarning):
        if media_type.decoder == "heif":
            return _read_heif_header(path)
        if media_type.decoder == "raw":
            return _read_raw_header(path)
        if media_type.decoder == "jxl":
            with path.open("rb") as file:
                return _Header(upright_size_px=read_jxl_size(file.read(_JXL_HEAD_BYTES)), orientation=1)
        if media_type.decoder == "pillow" and (is_needed or media_type.mime in _HEADER_SAYS_MORE):
            return _read_pillow_header(path)
    return _Header()


def _read_pillow_header(path: Path) -> _Header:
    with Image.open(path, formats=FORMATS) as image:
        is_animated = image.format not in {"TIFF", "MPO"} and getattr(image, "is_animated", False)
        header = _Header(image.size, is_animated=is_animated, blocks=_info_blocks(image))
        if image.format == "TIFF":
            return replace(header, upright_size_px=image.size)  # Pillow has turned it
        # An AVIF photo is turned by its container, and Pillow puts that into the Exif of its own.
        return replace(header, orientation=read_orientation(image)) if image.format == "AVIF" else header


def _read_heif_header(path: Path) -> _Header:
    import pillow_heif

    photo = pillow_heif.open_heif(path)
    return _Header(upright_size_px=photo.size, orientation=1, blocks=_info_blocks(photo))


def _read_raw_header(path: Path) -> _Header:
    import rawpy

    try:
        with rawpy.imread(str(path)) as raw:
            sizes = raw.sizes
    except rawpy.LibRawError as error:
        raise OSError(str(error)) from error
    size_px = (sizes.iwidth, sizes.iheight)
    return _Header(upright_size_px=size_px[::-1] if sizes.flip in _FLIPPED_SIDEWAYS else size_px, orientation=1)


def _info_blocks(image: Image.Image | Any) -> tuple[bytes, ...]:
    exif, xmp = image.info.get("exif") or b"", image.info.get("xmp") or b""
    return tuple(block for block in (exif.removeprefix(b"Exif\x00\x00"), xmp) if isinstance(block, bytes) and block)


def _read_blocks(blocks: Iterable[bytes]) -> Tags:
    import pyexiv2

    values: dict[str, Any] = {}
    for block in blocks:
        with suppress(*_EXIV2_ERRORS), pyexiv2.ImageData(block) as image:
            values |= _read_all(image).values
    return Tags(values)


def _read_all(image: Any) -> Tags:
    values: dict[str, Any] = {}
    for read in (image.read_exif, image.read_iptc, image.read_xmp):
        with suppress(*_EXIV2_ERRORS):
            values |= read("latin-1")
    return Tags(values)


def _decode(text: str) -> str:
    """Exiv2's text was taken as Latin-1, which never fails: it is UTF-8 if it can be, up to its first null."""
    with suppress(UnicodeError):
        text = text.encode("latin-1").decode("utf-8")
    return text.split("\x00")[0].strip()


def _orientation(tags: Tags) -> int:
    """1 to 8; whatever else is stated counts as 1."""
    stated = tags.first("Exif.Image.Orientation", "Xmp.tiff.Orientation")
    return int(stated) if stated in {"2", "3", "4", "5", "6", "7", "8"} else 1


def _upright(size_px: tuple[int, int] | None, orientation: int) -> tuple[int, int] | None:
    if size_px is None or not all(size_px):
        return None
    return size_px[::-1] if orientation in _SIDEWAYS else size_px
