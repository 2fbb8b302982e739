"""Files made to exhaust their decoder are refused, or shown, within five seconds of one core and 300 MB."""

from __future__ import annotations

import io
import json
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

MAX_SECONDS = 5
MAX_PEAK_MB = 300
_CHILD = """
import json, sys, time
from pathlib import Path
from album.media.facts import Origin
from album.media.inspection import inspect_file
from album.media.sniff import HEAD_BYTES, sniff
path, start = Path(sys.argv[1]), time.process_time()  # whatever else this machine has to do
with path.open("rb") as file:
    media_type = sniff(file.read(HEAD_BYTES), path.name)
found = inspect_file(path, media_type, Origin(path.name), path.parent / "made")
said = found.problem or str(found.rendered.width_px)
peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
peak_mb = int(peak.split()[1]) * 1024 / 1e6  # not ru_maxrss, which begins with that of the parent
print(json.dumps([said, time.process_time() - start, peak_mb]))
"""


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width: int, height: int, *extra: bytes, header: bytes = b"") -> bytes:
    """One-bit white rows, packed a thousandfold; ``header`` may say otherwise."""
    packer = zlib.compressobj(9)
    row = b"\0" + b"\xff" * ((width + 7) // 8)
    data = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    header = header or struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    parts = [chunk(b"IHDR", header), *extra, chunk(b"IDAT", data), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def gif_of_many_frames() -> bytes:
    file = io.BytesIO()
    pictures = [Image.new("P", (1000, 1000), color) for color in (0, 1)]
    pictures[0].save(file, "GIF", save_all=True, append_images=pictures[1:])
    content = file.getvalue()
    frame_at = content.rindex(b"\x21\xf9")
    return content[:frame_at] + content[frame_at:-1] * 50_000 + b"\x3b"


def packed_zeros(size: int) -> bytes:
    return zlib.compress(bytes(size), 9)


def heif(width: int, height: int, *, is_avif: bool = False) -> bytes:
    """A small photo whose header says that it is larger."""
    import pillow_heif

    file, picture = io.BytesIO(), Image.new("RGB", (64, 64), "red")
    if is_avif:
        picture.save(file, "AVIF")
    else:
        pillow_heif.from_pillow(picture).save(file, quality=50)
    said, lie = b"ispe" + struct.pack(">III", 0, 64, 64), b"ispe" + struct.pack(">III", 0, width, height)
    assert said in file.getvalue()
    return file.getvalue().replace(said, lie)


def heif_of_many_items() -> bytes:
    """Metadata that lists 65,535 pictures."""
    items = b"".join(box(b"infe", b"\2\0\0\0" + struct.pack(">HH", n, 0) + b"hvc1\0") for n in range(65_535))
    table = box(b"iinf", b"\0\0\0\0" + struct.pack(">H", 65_535) + items)
    handler = box(b"hdlr", bytes(8) + b"pict" + bytes(13))
    first = box(b"pitm", b"\0\0\0\0\0\1")
    return box(b"ftyp", b"heic\0\0\0\0mif1heic") + box(b"meta", bytes(4) + handler + first + table)


def box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", 8 + len(content)) + kind + content


def jpeg(width: int, height: int, *, progressive: bool = False) -> bytes:
    """A small JPEG whose header says that it is larger."""
    file = io.BytesIO()
    Image.new("RGB", (64, 64), "red").save(file, "JPEG", progressive=progressive)
    content = bytearray(file.getvalue())
    frame = content.index(b"\xff\xc2" if progressive else b"\xff\xc0")
    struct.pack_into(">HH", content, frame + 5, height, width)
    return bytes(content)


def jpeg_of_scans(side_px: int, count: int, *, subsampling: int = 2) -> bytes:
    """A progressive JPEG of so many scans: its last one again and again."""
    file = io.BytesIO()
    Image.new("RGB", (side_px, side_px), "red").save(file, "JPEG", progressive=True, subsampling=subsampling)
    content = file.getvalue()
    last = content.rindex(b"\xff\xda")
    return content[:-2] + content[last:-2] * (count - content.count(b"\xff\xda")) + content[-2:]


def bmp(width: int, height: int) -> bytes:
    header = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 54, 0, 0, 54) + header + bytes(1000)


def saved(image_format: str, size: tuple[int, int], **options: object) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, "white").save(file, image_format, **options)
    return file.getvalue()


def tiff_that_lies() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (64, 64), "red").save(file, "TIFF", compression="tiff_lzw")
    content = bytearray(file.getvalue())
    (directory,) = struct.unpack_from("<I", content, 4)
    (count,) = struct.unpack_from("<H", content, directory)
    for at in range(directory + 2, directory + 2 + 12 * count, 12):
        if struct.unpack_from("<H", content, at)[0] in {256, 257, 278}:
            struct.pack_into("<HII", content, at + 2, 4, 1, 12_000)
    return bytes(content)


BOMBS: dict[str, tuple[Callable[[], bytes], str]] = {
    "2.5 gigapixels.png": (lambda: png(50_000, 50_000), "too many pixels: the limit is 210,000,000"),
    "177 megapixels.png": (lambda: png(13_300, 13_300), "too many pixels: the limit is 110,000,000"),
    "4 gigapixels by header.png": (
        lambda: png(8, 8, header=struct.pack(">IIBBBBB", 65_535, 65_535, 8, 2, 0, 0, 0)),
        "too many pixels",
    ),
    "text.png": (
        lambda: png(8, 8, *[chunk(b"zTXt", b"Comment\0\0" + packed_zeros(50_000_000))] * 20),
        "Decompressed data too large",
    ),
    "profile.png": (
        lambda: png(8, 8, chunk(b"iCCP", b"p\0\0" + packed_zeros(400_000_000))),
        "Decompressed data too large",
    ),
    "50,000 frames.gif": (gif_of_many_frames, "1000"),
    "large canvas.gif": (
        lambda: saved("GIF", (9, 9)).replace(struct.pack("<HH", 9, 9), struct.pack("<HH", 65_535, 65_535)),
        "too many pixels",
    ),
    "large.heic": (lambda: heif(60_000, 60_000), "damaged or unknown here|too many pixels"),
    "as large as allowed.heic": (lambda: heif(30_000, 30_000), "too many pixels: the limit is 210,000,000"),
    "200 megapixels.heic": (lambda: heif(14_000, 14_000), "too many pixels: the limit is 55,000,000"),
    "many items.heic": (heif_of_many_items, "damaged or unknown here"),
    "large.jpg": (lambda: jpeg(65_000, 65_000), "too many pixels"),
    "progressive.jpg": (lambda: jpeg(14_000, 14_000, progressive=True), "too many pixels"),
    "scans.jpg": (lambda: jpeg_of_scans(5_000, 5_000), "damaged (5,000 scans)"),
    "more scans than its size allows.jpg": (lambda: jpeg_of_scans(5_000, 41), "damaged (41 scans)"),
    "as many scans as allowed.jpg": (lambda: jpeg_of_scans(5_000, 40), "5000"),
    "many scans of few pixels.jpg": (lambda: jpeg_of_scans(3_160, 100), "3160"),
    "large in all colors.jpg": (
        lambda: jpeg_of_scans(8_250, 10, subsampling=0),
        "too many pixels: the limit is 55,000,000",
    ),
    "as large as allowed.jpg": (lambda: jpeg_of_scans(5_930, 28, subsampling=0), "5930"),
    "large.webp": (lambda: saved("WEBP", (16_383, 3_000), method=0), "too many pixels: the limit is 27,500,000"),
    "large.avif": (lambda: heif(9_000, 9_000, is_avif=True), "too many pixels: the limit is 55,000,000"),
    "large.bmp": (lambda: bmp(100_000, 100_000), "too many pixels"),
    "lies.tif": (tiff_that_lies, "too many pixels: the limit is 110,000,000"),
    "large.jxl": (lambda: b"\xff\x0a" + struct.pack("<Q", 0x7FFFFFFFFFFFFFFE) + bytes(50), "too many pixels"),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_costs_little_time_and_memory(tmp_path: Path, name: str) -> None:
    make, words = BOMBS[name]
    path = tmp_path / name
    path.write_bytes(make())
    command = [sys.executable, "-c", _CHILD, str(path)]
    child = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    said, seconds, peak_mb = json.loads(child.stdout)
    assert any(word in said for word in words.split("|")), said
    assert seconds < MAX_SECONDS
    assert peak_mb < MAX_PEAK_MB
