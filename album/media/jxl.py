"""The size that a JPEG XL file states, read before its decoder, which asks nobody, makes room for the pixels."""

from __future__ import annotations

from album.exceptions import MediaError

_CODESTREAM = b"\xff\x0a"
_RATIOS = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))
_SIZE_BITS = (9, 13, 18, 30)
"""Source: ISO/IEC 18181-1, size header: four lengths of a side, seven ratios of width to height."""


def read_jxl_size(content: bytes) -> tuple[int, int]:
    """Width and height in pixels, of the picture as it is shown.

    Raises:
        MediaError: the file ends before it tells.
    """
    start = _find_codestream(content)
    bits = int.from_bytes(content[start + 2 : start + 14], "little")
    if start < 0 or len(content) < start + 3:
        raise MediaError("The photo cannot be decoded: truncated before its size. Upload a complete copy.")

    def take(count: int) -> int:
        nonlocal bits
        value, bits = bits & ((1 << count) - 1), bits >> count
        return value

    def side(is_small: int) -> int:
        return 8 * (take(5) + 1) if is_small else take(_SIZE_BITS[take(2)]) + 1

    is_small = take(1)
    height = side(is_small)
    ratio = take(3)
    wide, high = _RATIOS[ratio - 1]
    width = height * wide // high if ratio else side(is_small)
    has_more = not take(1) and take(1)  # not all at its default, and more than the depth of color
    is_sideways = has_more and take(3) >= 4  # Exif orientation less one
    return (height, width) if is_sideways else (width, height)


def _find_codestream(content: bytes) -> int:
    """Where the codestream begins: at once, or in the first box of its kind; -1 if there is none."""
    if content.startswith(_CODESTREAM):
        return 0
    at = 0
    while at + 8 <= len(content):
        size, kind, header = int.from_bytes(content[at : at + 4], "big"), content[at + 4 : at + 8], 8
        if size == 1:
            size, header = int.from_bytes(content[at + 8 : at + 16], "big"), 16
        if kind in {b"jxlc", b"jxlp"}:
            return at + header + (4 if kind == b"jxlp" else 0)
        if size < header:  # to the end of the file, or nonsense
            break
        at += size
    return -1
