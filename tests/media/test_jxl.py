"""The size of a JPEG XL photo is read before anything is decoded, and is that of the picture as it is shown."""

from __future__ import annotations

import pytest

from album.exceptions import MediaError
from album.media.jxl import read_jxl_size


def codestream(*fields: tuple[int, int]) -> bytes:
    """The start of a codestream from values and their lengths in bits, the lowest bit first."""
    bits = at = 0
    for value, length in fields:
        bits |= value << at
        at += length
    return b"\xff\x0a" + bits.to_bytes(12, "little")


SMALL_48_HIGH_64_WIDE = ((1, 1), (5, 5), (0, 3), (7, 5))


@pytest.mark.parametrize(
    ("fields", "size"),
    [
        ((*SMALL_48_HIGH_64_WIDE, (1, 1)), (64, 48)),
        ((*SMALL_48_HIGH_64_WIDE, (0, 1), (0, 1)), (64, 48)),
        (((0, 1), (1, 2), (1079, 13), (3, 3), (1, 1)), (1440, 1080)),
        *(((*SMALL_48_HIGH_64_WIDE, (0, 1), (1, 1), (turn, 3)), (64, 48)) for turn in range(4)),
        *(((*SMALL_48_HIGH_64_WIDE, (0, 1), (1, 1), (turn, 3)), (48, 64)) for turn in range(4, 8)),
    ],
)
def test_the_size_is_that_of_the_picture_as_shown(
    fields: tuple[tuple[int, int], ...], size: tuple[int, int]
) -> None:
    assert read_jxl_size(codestream(*fields)) == size


def test_a_file_that_ends_before_its_size_is_a_media_error() -> None:
    with pytest.raises(MediaError, match="truncated"):
        read_jxl_size(b"\x00\x00\x00\x0cJXL \x0d\x0a\x87\x0a")
