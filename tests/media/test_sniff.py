"""The type of a file follows from its content alone."""

from __future__ import annotations

import io
import re
import struct
from pathlib import Path

import pytest
from PIL import Image

from album.exceptions import UnsupportedMedia
from album.media.openers import MAX_HELD_PIXELS, MAX_PIXELS
from album.media.sniff import MEDIA_TYPES, MediaType, sniff


def ftyp(*brands: bytes) -> bytes:
    body = brands[0] + b"\x00\x00\x02\x00" + b"".join(brands[1:])
    return (len(body) + 8).to_bytes(4, "big") + b"ftyp" + body + b"\x00\x00\x00\x08mdat"


@pytest.mark.parametrize(
    ("image_format", "mime", "extension"),
    [
        ("JPEG", "image/jpeg", ".jpg"),
        ("PNG", "image/png", ".png"),
        ("GIF", "image/gif", ".gif"),
        ("WEBP", "image/webp", ".webp"),
        ("TIFF", "image/tiff", ".tif"),
        ("BMP", "image/bmp", ".bmp"),
        ("AVIF", "image/avif", ".avif"),
    ],
)
def test_photos_written_by_pillow_are_recognized(image_format: str, mime: str, extension: str) -> None:
    written = io.BytesIO()
    Image.new("RGB", (16, 16), "red").save(written, image_format)
    assert sniff(written.getvalue()) == MediaType("photo", mime, extension, "pillow")


@pytest.mark.parametrize(
    ("head", "mime"),
    [
        (ftyp(b"isom", b"isom", b"avc1"), "video/mp4"),
        (ftyp(b"qt  "), "video/quicktime"),
        (b"\x00\x00\x10\x00moov\x00\x00\x00\x6cmvhd", "video/quicktime"),
        (ftyp(b"M4V ", b"isom"), "video/x-m4v"),
        (ftyp(b"3gp5", b"isom"), "video/3gpp"),
        (ftyp(b"heic", b"mif1"), "image/heic"),
        (ftyp(b"mif1", b"mif1", b"heic"), "image/heic"),
        (ftyp(b"mif1", b"miaf", b"avif"), "image/avif"),
        (ftyp(b"mif1", b"mif1", b"miaf"), "image/heif"),
        (ftyp(b"crx ", b"isom"), "image/x-canon-cr3"),
        (b"\xff\x0a\xfa\x7f", "image/jxl"),
        (b"\x00\x00\x00\x0cJXL \r\n\x87\n", "image/jxl"),
        (b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81\x01\x42\x82\x84webm", "video/webm"),
        (b"\x1a\x45\xdf\xa3\xa3\x42\x86\x81\x01\x42\x82\x88matroska", "video/x-matroska"),
        (b"RIFF\x00\x10\x00\x00AVI LIST", "video/x-msvideo"),
        ((b"\x47" + bytes(187)) * 3, "video/mp2t"),
        (b"\x00\x00\x01\xba\x44", "video/mpeg"),
        ((bytes(4) + b"\x47" + bytes(187)) * 3, "video/mp2t"),
    ],
)
def test_containers_are_recognized_by_brand_or_mark(head: bytes, mime: str) -> None:
    assert sniff(head).mime == mime


@pytest.mark.parametrize(
    ("head", "words"),
    [
        (b"", "empty"),
        (bytes(64), "empty"),
        (b"%PDF-1.7", "PDF"),
        (b"<?xml version='1.0'?><svg/>", "XML"),
        (b"RIFF\x00\x10\x00\x00WAVEfmt ", "sound"),
        (ftyp(b"M4A ", b"isom"), "sound"),
        (b"%!PS-Adobe-3.0 EPSF-3.0", "PostScript"),
        (b"PK\x03\x04\x14\x00", "archive"),
        (b"\n<!DOCTYPE html>", "HTML"),
        (b"#EXTM3U\n#EXT-X-VERSION:3", "playlist"),
        (b"OggS\x00\x02" + bytes(22) + b"\x01vorbis", "sound"),
        (b"BM is how this letter begins", "not an image"),
        (b"plain words", "not an image"),
    ],
)
def test_anything_else_is_refused_with_words_whatever_its_name(head: bytes, words: str) -> None:
    with pytest.raises(UnsupportedMedia, match=words):
        sniff(head)
    if "not an image" not in words:
        with pytest.raises(UnsupportedMedia, match=words):
            sniff(head, "holiday.jpg")


@pytest.mark.parametrize(
    ("head", "name", "expected"),
    [
        (b"8BPS\x00\x01", "a.jpg", MediaType("photo", "image/vnd.adobe.photoshop", ".psd")),
        (b"\x00\x00\x00\x0cjP  \r\n\x87\n", "", MediaType("photo", "image/jp2", ".jp2")),
        (b"\x00\x00\x02\x00\x00", "old.TGA", MediaType("photo", "application/octet-stream", ".tga")),
        (b"\x00garbage", "DSC_1.JPG", MediaType("photo", "application/octet-stream", ".jpg")),
        (b"\x00garbage", "clip.mp4", MediaType("video", "application/octet-stream", ".mp4")),
    ],
)
def test_what_cannot_be_decoded_but_is_clearly_a_picture_is_kept(
    head: bytes, name: str, expected: MediaType
) -> None:
    assert sniff(head, name) == expected
    assert expected.decoder == "none"


def test_unknown_bytes_without_such_a_name_are_refused() -> None:
    for name in ("", "letter.doc", "jpg", ".jpg", "app.ts"):
        with pytest.raises(UnsupportedMedia, match="first bytes are unknown"):
            sniff(b"\x00garbage", name)


def tiff(order: str, tags: list[tuple[int, int, int, bytes]], text: bytes = b"") -> bytes:
    """A TIFF of one directory, with ``text`` behind it; a tag's value may be the word ``text``."""
    behind = 8 + 2 + 12 * len(tags) + 4
    head = (b"II*\x00" if order == "<" else b"MM\x00*") + struct.pack(order + "IH", 8, len(tags))
    for tag, kind, count, value in tags:
        held = struct.pack(order + "I", behind) if value == b"text" else value
        head += struct.pack(order + "HHI4s", tag, kind, count, held)
    return head + bytes(4) + text


def short(order: str, value: int) -> bytes:
    return struct.pack(order + "H", value)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(
    ("maker", "compression", "is_reduced", "is_dng", "extension"),
    [
        (b"NIKON CORPORATION\x00", 1, True, False, ".nef"),
        (b"SONY\x00", 6, True, False, ".arw"),
        (b"PENTAX Corporation\x00", 65535, False, False, ".pef"),
        (b"SAMSUNG\x00", 32770, False, False, ".raw"),
        (b"Google\x00", 1, True, True, ".dng"),
        (b"NIKON CORPORATION\x00", 5, False, False, ".tif"),
        (b"", 1, True, False, ".tif"),
    ],
)
def test_raw_files_are_told_from_tiff(
    *, order: str, maker: bytes, compression: int, is_reduced: bool, is_dng: bool, extension: str
) -> None:
    tags = [(259, 3, 1, short(order, compression))]
    if is_reduced:
        tags += [(254, 4, 1, struct.pack(order + "I", 1)), (330, 4, 1, bytes(4))]
    if maker:
        tags.append((271, 2, len(maker), b"text"))
    if is_dng:
        tags.append((50706, 1, 4, b"\x01\x04\x00\x00"))
    found = sniff(tiff(order, sorted(tags), maker))
    assert found.extension == extension
    assert found.decoder == ("pillow" if extension == ".tif" else "raw")


def test_a_directory_cut_anywhere_is_still_a_tiff_or_raw_file() -> None:
    whole = tiff("<", [(271, 2, 6, b"text"), (50706, 1, 4, b"\x01\x04\x00\x00")], b"NIKON\x00")
    assert {sniff(whole[:end]).extension for end in range(4, len(whole))} == {".tif", ".dng"}


DECODERS = {
    "pillow": "Pillow",
    "heif": "pillow-heif",
    "jxl": "pillow-jxl-plugin",
    "raw": "rawpy",
    "video": "PyAV",
    "none": "no preview",
}


def test_the_table_in_the_docs_lists_each_type_and_what_shows_it() -> None:
    page = (Path(__file__).parents[2] / "docs" / "formats.md").read_text()
    rows = re.findall(r"^\| [^|]+ \| `(\.\w+)` \| `([\w./+-]+)` \| ([^|]+) \|$", page, re.MULTILINE)
    assert sorted(rows) == sorted((kind.extension, kind.mime, DECODERS[kind.decoder]) for kind in MEDIA_TYPES)
    stated = {int(number) for number in re.findall(r"\| (\d+) million \|", page)}
    assert stated == {MAX_PIXELS // 10**6, MAX_HELD_PIXELS // 10**6, MAX_HELD_PIXELS // 2 // 10**6}
