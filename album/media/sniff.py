"""What a file is, told by its first bytes. Names and declared types are never believed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from album.exceptions import UnsupportedMedia

HEAD_BYTES = 4096
"""How many first bytes ``sniff`` wants; a shorter file is judged by what it has."""


@dataclass(frozen=True, slots=True)
class MediaType:
    """``extension`` is lower case with its dot, as the album names stored originals."""

    kind: Literal["photo", "video"]
    mime: str
    extension: str


JPEG = MediaType("photo", "image/jpeg", ".jpg")
PNG = MediaType("photo", "image/png", ".png")
GIF = MediaType("photo", "image/gif", ".gif")
WEBP = MediaType("photo", "image/webp", ".webp")
TIFF = MediaType("photo", "image/tiff", ".tif")
BMP = MediaType("photo", "image/bmp", ".bmp")
AVIF = MediaType("photo", "image/avif", ".avif")
HEIC = MediaType("photo", "image/heic", ".heic")
MP4 = MediaType("video", "video/mp4", ".mp4")
MOV = MediaType("video", "video/quicktime", ".mov")
M4V = MediaType("video", "video/x-m4v", ".m4v")
THREE_GP = MediaType("video", "video/3gpp", ".3gp")
MKV = MediaType("video", "video/x-matroska", ".mkv")
WEBM = MediaType("video", "video/webm", ".webm")
AVI = MediaType("video", "video/x-msvideo", ".avi")
MTS = MediaType("video", "video/mp2t", ".mts")

# Source: the formats' own specifications; the last pattern is a BMP with one of its legal header sizes.
_MAGIC: tuple[tuple[re.Pattern[bytes], MediaType], ...] = (
    (re.compile(rb"\xff\xd8\xff"), JPEG),
    (re.compile(rb"\x89PNG\r\n\x1a\n"), PNG),
    (re.compile(rb"GIF8[79]a"), GIF),
    (re.compile(rb"RIFF....WEBP", re.DOTALL), WEBP),
    (re.compile(rb"RIFF....AVI ", re.DOTALL), AVI),
    (re.compile(rb"(?!.{8}CR)(II[*+]\x00|MM\x00[*+])", re.DOTALL), TIFF),
    (re.compile(rb"\x1a\x45\xdf\xa3.{0,64}\x42\x82.webm", re.DOTALL), WEBM),
    (re.compile(rb"\x1a\x45\xdf\xa3"), MKV),
    (re.compile(rb"(?:\x47.{187}){3}|(?:.{4}\x47.{187}){2}.{4}\x47", re.DOTALL), MTS),
    (re.compile(rb".{4}(moov|mdat|wide|pnot)", re.DOTALL), MOV),
    (re.compile(rb"BM.{12}[\x0c\x10\x28\x34\x38\x40\x6c\x7c]\x00\x00\x00", re.DOTALL), BMP),
)

# Source: the MP4 registration authority's list of brands; a trailing space is part of a brand.
_BRANDS: tuple[tuple[re.Pattern[bytes], MediaType], ...] = (
    (re.compile(rb"avi[fs]"), AVIF),
    (re.compile(rb"he[iv][cmsx]"), HEIC),
    (re.compile(rb"qt  "), MOV),
    (re.compile(rb"M4V"), M4V),
    (re.compile(rb"3g[2egprs]"), THREE_GP),
    (re.compile(rb"iso[m2-9a-c]|mp4[12]|avc1|hvc1|dash|MSNV|mmp4|f4v |XAVC|cmf[c2s]"), MP4),
)

_KNOWN_STRANGERS: tuple[tuple[re.Pattern[bytes], str], ...] = (
    (re.compile(rb"%PDF"), "a PDF document"),
    (re.compile(rb"8BPS"), "a Photoshop document"),
    (re.compile(rb"PK\x03\x04"), "a ZIP archive or office document"),
    (re.compile(rb"\xff\x0a|\x00\x00\x00\x0cJXL "), "a JPEG XL photo"),
    (re.compile(rb"\x00\x00\x00\x0cjP  |\xff\x4f\xff\x51"), "a JPEG 2000 photo"),
    (re.compile(rb"II\*\x00.{4}CR|II\x1a\x00|FUJIFILM|IIRO|.{4}ftypcrx ", re.DOTALL), "a camera's raw file"),
    (re.compile(rb"\s*<(\?xml|svg|!DOCTYPE|html)", re.IGNORECASE), "a text in XML or HTML"),
    (re.compile(rb"ID3|\xff\xfb|OggS|fLaC|RIFF.{4}WAVE|.{4}ftypM4A", re.DOTALL), "a sound"),
)


def sniff(head: bytes) -> MediaType:
    """The type of a file that begins with ``head`` (its first ``HEAD_BYTES``).

    Raises:
        UnsupportedMedia: with words that say what the file looks like instead.
    """
    if head[4:8] == b"ftyp":
        found = _sniff_brands(head)
    else:
        found = next((kind for magic, kind in _MAGIC if magic.match(head)), None)
    if found is None:
        raise UnsupportedMedia(_describe_stranger(head))
    return found


def _sniff_brands(head: bytes) -> MediaType | None:
    """The type of an ISO base media file: the first brand that says something, major brand first."""
    size = min(max(int.from_bytes(head[:4], "big"), 16), len(head))
    brands = [head[8:12], *(head[at : at + 4] for at in range(16, size, 4))]
    if brands[0] in {b"M4A ", b"M4B ", b"crx "}:
        return None
    return next((kind for brand in brands for magic, kind in _BRANDS if magic.match(brand)), None)


def _describe_stranger(head: bytes) -> str:
    takes = "The album takes JPEG, PNG, GIF, WebP, TIFF, BMP, AVIF, MP4, MOV, 3GP, MKV, WebM, AVI and MTS."
    if not head.strip(b"\x00"):
        return f"The file is empty. {takes}"
    looks_like = next((name for magic, name in _KNOWN_STRANGERS if magic.match(head)), None)
    if looks_like:
        return f"The file is {looks_like}, not an image or video that the album takes. {takes}"
    return f"The file is not an image or video: its first bytes are unknown. {takes}"
