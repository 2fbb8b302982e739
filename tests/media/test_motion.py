"""The clip inside a motion photo is found where it is stated, and only if a video begins there."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from album.media.motion import find_clip, read_content_identifier
from album.media.tags import Tags

PICTURE = b"\xff\xd8" + b"picture" * 30 + b"\xff\xd9"
CLIP = b"\x00\x00\x00\x14ftypmp42\x00\x00\x00\x00mp42" + b"video" * 40


def items(*stated: tuple[str, int, int]) -> dict[str, str]:
    values: dict[str, str] = {}
    for number, (semantic, length, padding) in enumerate(stated, 1):
        item = f"Xmp.Container.Directory[{number}]/Container:Item/Item:"
        values |= {f"{item}Semantic": semantic, f"{item}Length": str(length), f"{item}Padding": str(padding)}
    return values


def box(kind: bytes, content: bytes, *, is_long: bool = False) -> bytes:
    if is_long:
        return struct.pack(">I4sQ", 1, kind, 16 + len(content)) + content
    return struct.pack(">I4s", 8 + len(content), kind) + content


def find(tmp_path: Path, content: bytes, values: dict[str, str] | None = None) -> bytes | None:
    """The bytes of the found clip."""
    path = tmp_path / "photo"
    path.write_bytes(content)
    clip = find_clip(path, Tags(values or {}))
    return None if clip is None else content[clip.offset : clip.offset + clip.size_bytes]


def test_google_states_how_far_from_the_end_it_begins(tmp_path: Path) -> None:
    assert find(tmp_path, PICTURE + CLIP, {"Xmp.GCamera.MicroVideoOffset": str(len(CLIP))}) == CLIP


def test_google_states_the_lengths_of_what_follows_the_picture(tmp_path: Path) -> None:
    values = items(("Primary", 0, 0), ("GainMap", 50, 0), ("MotionPhoto", len(CLIP), 0))
    assert find(tmp_path, PICTURE + bytes(50) + CLIP, values) == CLIP
    values = items(("Primary", 0, 0), ("MotionPhoto", len(CLIP), 0), ("GainMap", 50, 10))
    assert find(tmp_path, PICTURE + CLIP + bytes(60), values) == CLIP


@pytest.mark.parametrize("is_long", [False, True])
def test_samsung_puts_it_into_a_box_of_a_heic_photo(tmp_path: Path, is_long: bool) -> None:
    photo = box(b"ftyp", b"heic\x00\x00\x00\x00mif1heic") + box(b"mdat", bytes(100))
    assert find(tmp_path, photo + box(b"mpvd", CLIP, is_long=is_long) + box(b"free", b"")) == CLIP


def test_samsung_puts_it_behind_a_marker_of_a_jpeg_photo(tmp_path: Path) -> None:
    trailer = (
        b"\x00\x00\x30\x0a\x10\x00\x00\x00MotionPhoto_Data" + CLIP + b"SEFH" + bytes(20) + b"\x14\x00\x00\x00SEFT"
    )
    assert find(tmp_path, PICTURE + trailer) == CLIP


@pytest.mark.parametrize(
    "values",
    [
        {"Xmp.GCamera.MicroVideoOffset": "0"},
        {"Xmp.GCamera.MicroVideoOffset": "99999999"},
        {"Xmp.GCamera.MicroVideoOffset": "-5"},
        {"Xmp.GCamera.MicroVideoOffset": "100"},
        {"Xmp.GCamera.MicroVideoOffset": "9" * 5_000},
        items(("Primary", 0, 0), ("MotionPhoto", int("9" * 4_000), 0)),
        items(("Primary", 0, 0), ("MotionPhoto", 0, 0)),
        items(("Primary", 0, 0), ("MotionPhoto", 10**12, 0)),
    ],
)
def test_a_statement_that_leads_to_no_video_is_none(tmp_path: Path, values: dict[str, str]) -> None:
    assert find(tmp_path, PICTURE + CLIP, values) is None


@pytest.mark.parametrize(
    "content",
    [
        b"",
        PICTURE,
        b"SEFT",
        box(b"ftyp", b"heic") + struct.pack(">I4s", 10**9, b"mpvd") + CLIP,
        box(b"ftyp", b"heic") + struct.pack(">I4s", 2, b"mpvd") + CLIP,
        PICTURE + b"MotionPhoto_Data" + b"SEFHSEFT",
    ],
    ids=["empty", "plain", "tail only", "box beyond the end", "box shorter than itself", "marker without video"],
)
def test_an_odd_file_has_no_clip(tmp_path: Path, content: bytes) -> None:
    assert find(tmp_path, content) is None


def test_a_file_that_is_not_there_has_no_clip(tmp_path: Path) -> None:
    assert find_clip(tmp_path / "gone", Tags()) is None


def apple_note(text: bytes, tag: int = 0x11) -> str:
    entries = struct.pack(">HHII", 1, 9, 1, 10) + struct.pack(">HHII", tag, 2, len(text), 14 + 2 + 24)
    return " ".join(str(byte) for byte in b"Apple iOS\x00\x00\x01MM" + struct.pack(">H", 2) + entries + text)


def test_apples_maker_note_names_the_pair() -> None:
    note = apple_note(b"1745E022-9712-43C7-B024-F308EC6413CB\x00")
    tags = {"Exif.Image.Make": "Apple", "Exif.Photo.MakerNote": note}
    assert read_content_identifier(Tags(tags)) == "1745E022-9712-43C7-B024-F308EC6413CB"
    assert read_content_identifier(Tags(tags | {"Exif.Image.Make": "Canon"})) == ""


@pytest.mark.parametrize(
    "note", ["", "1 2 3", apple_note(b"x\x00", tag=0x12), apple_note(b"x")[:40], "999 1", "a b"]
)
def test_a_maker_note_without_it_or_cut_off_names_nothing(note: str) -> None:
    assert read_content_identifier(Tags({"Exif.Image.Make": "Apple", "Exif.Photo.MakerNote": note})) == ""
