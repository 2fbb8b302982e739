"""The type of a file follows from its content alone."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from album.exceptions import UnsupportedMedia
from album.media.sniff import MediaType, sniff


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
    assert sniff(written.getvalue()) == MediaType("photo", mime, extension)


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
        (b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81\x01\x42\x82\x84webm", "video/webm"),
        (b"\x1a\x45\xdf\xa3\xa3\x42\x86\x81\x01\x42\x82\x88matroska", "video/x-matroska"),
        (b"RIFF\x00\x10\x00\x00AVI LIST", "video/x-msvideo"),
        ((b"\x47" + bytes(187)) * 3, "video/mp2t"),
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
        (b"8BPS\x00\x01", "Photoshop"),
        (b"<?xml version='1.0'?><svg/>", "XML"),
        (b"RIFF\x00\x10\x00\x00WAVEfmt ", "sound"),
        (ftyp(b"M4A ", b"isom"), "sound"),
        (ftyp(b"crx ", b"isom"), "raw"),
        (b"II*\x00\x10\x00\x00\x00CR\x02\x00", "raw"),
        (b"\xff\x0a\xfa\x7f", "JPEG XL"),
        (b"BM is how this letter begins", "not an image"),
        (b"plain words", "not an image"),
    ],
)
def test_anything_else_is_refused_with_words(head: bytes, words: str) -> None:
    with pytest.raises(UnsupportedMedia, match=words):
        sniff(head)


def test_what_cannot_be_decoded_yet_is_not_offered() -> None:
    with pytest.raises(UnsupportedMedia, match=r"takes JPEG(?!.*HEIC)"):
        sniff(b"plain words")
