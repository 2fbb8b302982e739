"""Raw files of cameras: told from ordinary TIFF files, and brought to pixels without developing where possible."""

from __future__ import annotations

import struct

_NEW_SUBFILE_TYPE, _COMPRESSION, _PHOTOMETRIC, _MAKE, _SUB_IFDS, _DNG_VERSION = (254, 259, 262, 271, 330, 50706)
_COLOR_FILTER_ARRAY = 32803
_RAW_COMPRESSIONS = frozenset({32767, 32769, 32770, 34713, 34892, 65000, 65535})
"""Source: ExifTool's list of TIFF compressions: those of Sony, Epson, Samsung, Nikon, DNG, Kodak and Pentax."""
_MAX_ENTRIES = 300
_TYPE_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 7: 1, 13: 4}


def is_raw_tiff(head: bytes) -> str | None:
    """``DNG`` or the maker's first word in capitals if a TIFF that begins with ``head`` holds sensor values.

    None is an ordinary TIFF: one whose directory lies further behind, too, as cameras write theirs in front.
    """
    order = "<" if head[:2] == b"II" else ">"
    tags = _first_directory(head, order)
    if _DNG_VERSION in tags:
        return "DNG"
    maker = _text(head, tags.get(_MAKE), order)
    is_reduced = bool(_number(tags.get(_NEW_SUBFILE_TYPE), order) & 1) and _SUB_IFDS in tags
    is_raw = (
        _number(tags.get(_PHOTOMETRIC), order) == _COLOR_FILTER_ARRAY
        or _number(tags.get(_COMPRESSION), order) in _RAW_COMPRESSIONS
        or is_reduced  # a small picture in front, the sensor's in a directory below
    )
    return maker if maker and is_raw else None


_Entry = tuple[int, int, bytes]
"""Type, count, and the four bytes that hold the value or its offset."""


def _first_directory(head: bytes, order: str) -> dict[int, _Entry]:
    if len(head) < 8 or head[2:4] not in {b"*\x00", b"\x00*"}:
        return {}
    (start,) = struct.unpack_from(order + "I", head, 4)
    if start + 2 > len(head):
        return {}
    (count,) = struct.unpack_from(order + "H", head, start)
    end = min(start + 2 + 12 * min(count, _MAX_ENTRIES), len(head) - 11)
    found = {}
    for at in range(start + 2, end, 12):
        tag, kind, values, held = struct.unpack_from(order + "HHI4s", head, at)
        found[tag] = (kind, values, held)
    return found


def _number(entry: _Entry | None, order: str) -> int:
    """The first value of an entry of short or long numbers; 0 without one."""
    if entry is None:
        return 0
    return int(struct.unpack_from(order + ("H" if entry[0] == 3 else "I"), entry[2])[0])


def _text(head: bytes, entry: _Entry | None, order: str) -> str:
    """The first word in capitals, ``?`` where it lies beyond ``head``, empty without one."""
    if entry is None:
        return ""
    (start,) = struct.unpack(order + "I", entry[2])
    text = entry[2] if entry[1] <= 4 else head[start : start + min(entry[1], 64)]
    words = text.split(b"\x00")[0].decode("ascii", "replace").upper().split()
    return words[0] if words else "?"
