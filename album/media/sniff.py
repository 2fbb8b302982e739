"""What a file is, told by its first bytes. A name is asked only where the bytes say nothing."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from album.exceptions import UnsupportedMedia
from album.media.raw import is_raw_tiff

HEAD_BYTES = 4096
"""How many first bytes ``sniff`` wants; a shorter file is judged by what it has."""

Decoder = Literal["pillow", "heif", "jxl", "raw", "video", "none"]


@dataclass(frozen=True, slots=True)
class MediaType:
    """``extension`` is lower case with its dot, as the album names stored originals.

    ``decoder`` says what makes previews of it; with ``none`` the original is kept as it is.
    """

    kind: Literal["photo", "video"]
    mime: str
    extension: str
    decoder: Decoder = "none"


JPEG = MediaType("photo", "image/jpeg", ".jpg", "pillow")
PNG = MediaType("photo", "image/png", ".png", "pillow")
GIF = MediaType("photo", "image/gif", ".gif", "pillow")
WEBP = MediaType("photo", "image/webp", ".webp", "pillow")
TIFF = MediaType("photo", "image/tiff", ".tif", "pillow")
BMP = MediaType("photo", "image/bmp", ".bmp", "pillow")
AVIF = MediaType("photo", "image/avif", ".avif", "pillow")
HEIC = MediaType("photo", "image/heic", ".heic", "heif")
HEIF = MediaType("photo", "image/heif", ".heif", "heif")
JXL = MediaType("photo", "image/jxl", ".jxl", "jxl")
CR2 = MediaType("photo", "image/x-canon-cr2", ".cr2", "raw")
CR3 = MediaType("photo", "image/x-canon-cr3", ".cr3", "raw")
CRW = MediaType("photo", "image/x-canon-crw", ".crw", "raw")
DNG = MediaType("photo", "image/x-adobe-dng", ".dng", "raw")
NEF = MediaType("photo", "image/x-nikon-nef", ".nef", "raw")
ARW = MediaType("photo", "image/x-sony-arw", ".arw", "raw")
PEF = MediaType("photo", "image/x-pentax-pef", ".pef", "raw")
RAF = MediaType("photo", "image/x-fuji-raf", ".raf", "raw")
ORF = MediaType("photo", "image/x-olympus-orf", ".orf", "raw")
RW2 = MediaType("photo", "image/x-panasonic-rw2", ".rw2", "raw")
MRW = MediaType("photo", "image/x-minolta-mrw", ".mrw", "raw")
X3F = MediaType("photo", "image/x-sigma-x3f", ".x3f", "raw")
RAW = MediaType("photo", "image/x-raw", ".raw", "raw")
JP2 = MediaType("photo", "image/jp2", ".jp2")
J2K = MediaType("photo", "image/j2c", ".j2k")
PSD = MediaType("photo", "image/vnd.adobe.photoshop", ".psd")
ICO = MediaType("photo", "image/vnd.microsoft.icon", ".ico")
EXR = MediaType("photo", "image/x-exr", ".exr")
HDR = MediaType("photo", "image/vnd.radiance", ".hdr")
QOI = MediaType("photo", "image/qoi", ".qoi")
MP4 = MediaType("video", "video/mp4", ".mp4", "video")
MOV = MediaType("video", "video/quicktime", ".mov", "video")
M4V = MediaType("video", "video/x-m4v", ".m4v", "video")
THREE_GP = MediaType("video", "video/3gpp", ".3gp", "video")
MKV = MediaType("video", "video/x-matroska", ".mkv", "video")
WEBM = MediaType("video", "video/webm", ".webm", "video")
AVI = MediaType("video", "video/x-msvideo", ".avi", "video")
MTS = MediaType("video", "video/mp2t", ".mts", "video")
MPG = MediaType("video", "video/mpeg", ".mpg", "video")
WMV = MediaType("video", "video/x-ms-wmv", ".wmv", "video")
FLV = MediaType("video", "video/x-flv", ".flv", "video")
OGV = MediaType("video", "video/ogg", ".ogv", "video")

# Source: the formats' own specifications; the last pattern is a BMP with one of its legal header sizes.
_MAGIC: tuple[tuple[re.Pattern[bytes], MediaType], ...] = tuple(
    (re.compile(pattern, re.DOTALL), media_type)
    for pattern, media_type in (
        (rb"\xff\xd8\xff", JPEG),
        (rb"\x89PNG\r\n\x1a\n", PNG),
        (rb"GIF8[79]a", GIF),
        (rb"RIFF....WEBP", WEBP),
        (rb"RIFF....AVI ", AVI),
        (rb"\xff\x0a|\x00\x00\x00\x0cJXL \r\n\x87\n", JXL),
        (rb"II\*\x00.{4}CR", CR2),
        (rb"II\x1a\x00\x00\x00HEAPCCDR", CRW),
        (rb"FUJIFILMCCD-RAW", RAF),
        (rb"II(RO|RS)|MMOR", ORF),
        (rb"IIU\x00", RW2),
        (rb"\x00MRM", MRW),
        (rb"FOVb", X3F),
        (rb"II[*+]\x00|MM\x00[*+]", TIFF),
        (rb"\x00\x00\x00\x0cjP  \r\n\x87\n", JP2),
        (rb"\xff\x4f\xff\x51", J2K),
        (rb"8BPS\x00[\x01\x02]", PSD),
        (rb"\x00\x00[\x01\x02]\x00[\x01-\x40]\x00.{3}\x00", ICO),
        (rb"v/1\x01", EXR),
        (rb"#\?(RADIANCE|RGBE)", HDR),
        (rb"qoif", QOI),
        (rb"\x1a\x45\xdf\xa3.{0,64}\x42\x82.webm", WEBM),
        (rb"\x1a\x45\xdf\xa3", MKV),
        (rb"(?:\x47.{187}){3}|(?:.{4}\x47.{187}){2}.{4}\x47", MTS),
        (rb"\x00\x00\x01[\xba\xb3]", MPG),
        (rb"\x30\x26\xb2\x75\x8e\x66\xcf\x11", WMV),
        (rb"FLV\x01", FLV),
        (rb"OggS.{,200}(\x80theora|fishead|BBCD)", OGV),
        (rb".{4}(moov|mdat|wide|pnot|free|skip)", MOV),
        (rb"BM.{12}[\x0c\x10\x28\x34\x38\x40\x6c\x7c]\x00\x00\x00", BMP),
    )
)

# Source: the MP4 registration authority's list of brands; a trailing space is part of a brand.
_BRANDS: tuple[tuple[re.Pattern[bytes], MediaType], ...] = (
    (re.compile(rb"avi[fs]"), AVIF),
    (re.compile(rb"he[iv][cmsx]"), HEIC),
    (re.compile(rb"crx "), CR3),
    (re.compile(rb"qt  "), MOV),
    (re.compile(rb"M4V"), M4V),
    (re.compile(rb"3g[2egprs]"), THREE_GP),
    (re.compile(rb"iso[m2-9a-c]|mp4[12]|avc1|hvc1|dash|MSNV|mmp4|f4v |XAVC|cmf[c2s]"), MP4),
)
_GENERIC_BRANDS = frozenset({b"mif1", b"mif2", b"msf1", b"miaf", b"heif"})

_REFUSED: tuple[tuple[re.Pattern[bytes], str], ...] = (
    (re.compile(rb"%PDF"), "a PDF document"),
    (re.compile(rb"%!PS|\xc5\xd0\xd3\xc6"), "a PostScript document"),
    (re.compile(rb"\xd0\xcf\x11\xe0"), "an office document"),
    (re.compile(rb"PK\x03\x04|\x1f\x8b|7z\xbc\xaf|Rar!"), "an archive or office document"),
    (
        re.compile(rb"(\xef\xbb\xbf)?\s*<(\?xml|svg|!--|!DOCTYPE|html|script)", re.IGNORECASE),
        "a text in XML or HTML",
    ),
    (re.compile(rb"#EXTM3U|ffconcat"), "a playlist"),
    (re.compile(rb"MZ|\x7fELF|#!"), "a program"),
    (re.compile(rb"ID3|\xff[\xfb\xf3\xf1\xf9]|OggS|fLaC|RIFF.{4}WAVE|.{4}ftypM4[AB]", re.DOTALL), "a sound"),
)

UNKNOWN = "application/octet-stream"
_PHOTO_NAMES = """
.jpg .jpeg .jpe .png .gif .webp .tif .tiff .bmp .avif .heic .heif .hif .jxl .jp2 .j2k .jpf .jpx .psd .ico .tga .pcx
.exr .hdr .qoi .ppm .pgm .pbm .pnm .sgi .dds .wbmp .mpo .cr2 .cr3 .crw .dng .nef .nrw .arw .sr2 .srf .pef .raf .orf
.rw2 .rwl .mrw .x3f .raw .srw .3fr .erf .kdc .dcr .iiq .mef .mos .gpr .fff
"""
_VIDEO_NAMES = """
.mp4 .mov .m4v .3gp .3g2 .mkv .webm .avi .mts .m2ts .mpg .mpeg .mpe .vob .mod .tod .wmv .asf .flv .ogv .dv .insv
.lrv .divx .mxf .rm .qt
"""
_BY_NAME: dict[str, MediaType] = {
    **{extension: MediaType("photo", UNKNOWN, extension) for extension in _PHOTO_NAMES.split()},
    **{extension: MediaType("video", UNKNOWN, extension) for extension in _VIDEO_NAMES.split()},
}

MEDIA_TYPES: tuple[MediaType, ...] = tuple(
    dict.fromkeys([kind for _, kind in _MAGIC] + [kind for _, kind in _BRANDS] + [HEIF, DNG, NEF, ARW, PEF, RAW])
)
"""Every type that is told by content."""


def sniff(head: bytes, name: str = "") -> MediaType:
    """The type of a file that begins with ``head`` (its first ``HEAD_BYTES``).

    Unknown bytes under a ``name`` that ends like a photo or video are kept as such, without a decoder.

    Raises:
        UnsupportedMedia: with words that say what the file looks like instead.
    """
    found = _sniff_content(head)
    if found is None:
        stranger = next((words for magic, words in _REFUSED if magic.match(head)), "")
        found = None if stranger or not head.strip(b"\x00") else _BY_NAME.get(_extension(name))
        if found is None:
            raise UnsupportedMedia(_describe_stranger(head, stranger))
    return found


def _sniff_content(head: bytes) -> MediaType | None:
    if head[4:8] == b"ftyp":
        return _sniff_brands(head)
    found = next((kind for magic, kind in _MAGIC if magic.match(head)), None)
    return _sniff_raw(head) if found is TIFF else found


def _sniff_raw(head: bytes) -> MediaType:
    """Most cameras' raw files are TIFF files; the first directory tells."""
    maker = is_raw_tiff(head)
    if maker is None:
        return TIFF
    return {"DNG": DNG, "NIKON": NEF, "SONY": ARW, "PENTAX": PEF}.get(maker, RAW)


def _sniff_brands(head: bytes) -> MediaType | None:
    """The type of an ISO base media file: the first brand that says something, major brand first."""
    size = min(max(int.from_bytes(head[:4], "big"), 16), len(head))
    brands = [head[8:12], *(head[at : at + 4] for at in range(16, size, 4))]
    if brands[0] in {b"M4A ", b"M4B "}:
        return None
    found = next((kind for brand in brands for magic, kind in _BRANDS if magic.match(brand)), None)
    return found or (HEIF if not _GENERIC_BRANDS.isdisjoint(brands) else None)


def _extension(name: str) -> str:
    stem, dot, last = name.rpartition(".")
    return dot + last.lower() if stem else ""


def _describe_stranger(head: bytes, looks_like: str) -> str:
    takes = (
        "The album takes photos (JPEG, HEIC, PNG, GIF, WebP, AVIF, JPEG XL, TIFF, BMP, raw files of cameras) and "
        "videos (MP4, MOV, 3GP, MKV, WebM, AVI, MTS, MPEG, WMV, FLV, OGV)."
    )
    if not head.strip(b"\x00"):
        return f"The file is empty. {takes}"
    if looks_like:
        return f"The file is {looks_like}, not an image or video. {takes}"
    return f"The file is not an image or video: its first bytes are unknown. {takes}"
