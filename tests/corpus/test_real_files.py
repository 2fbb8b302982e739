"""Every file of the corpus is either decoded or refused with words, in bounded time, whatever is wrong with it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from album.exceptions import MediaError, UnsupportedMedia
from album.media.decode import decode_photo
from album.media.frames import sample_frames
from album.media.sniff import HEAD_BYTES, MediaType, sniff
from tests.corpus.places import CORPUS, need

pytestmark = [
    pytest.mark.corpus,
    pytest.mark.filterwarnings("ignore::UserWarning:PIL"),  # Pillow's remarks on files damaged on purpose
]

SLOWEST_S = 15.0
"""Far above what is measured (2 s for an AVIF of 20 megapixels), so that a busy machine does not fail the test."""

FOLDERS = [
    "avif-link-u",
    "coco-captions-by",
    "exif-orientation-examples",
    "exif-samples",
    "exiftool-t",
    "go-mp4",
    "image-rs",
    "immich-test-assets",
    "libheif-fuzz",
    "mdn-media",
    "metadata-extractor-sample",
    "mp4parse",
    "pillow-hard",
    "sharp-fixtures",
]


def media_of(folder: Path) -> Iterator[tuple[Path, MediaType]]:
    """The files of ``folder`` that the album takes."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            try:
                with path.open("rb") as file:
                    media = sniff(file.read(HEAD_BYTES))
            except UnsupportedMedia:
                continue
            yield path, media


@pytest.mark.parametrize("name", FOLDERS)
def test_photos_decode_or_are_refused_with_words(name: str) -> None:
    need(CORPUS / name)
    outcomes: Counter[str] = Counter()
    for path, media in media_of(CORPUS / name):
        if media.kind != "photo":
            continue
        begun = time.perf_counter()
        try:
            pixels = decode_photo(path, min_side_px=224)
            assert pixels.ndim == 3 and pixels.shape[2] == 3 and pixels.dtype == "uint8", path
            assert min(pixels.shape[:2]) <= 224, path
            outcomes["decoded"] += 1
        except MediaError as error:
            assert str(error).startswith("The "), path
            outcomes["refused"] += 1
        assert time.perf_counter() - begun < SLOWEST_S, path
    print(f"{name}: {dict(outcomes)}")


@pytest.mark.parametrize("name", ["go-mp4", "mdn-media", "mp4parse", "metadata-extractor-sample", "exiftool-t"])
def test_videos_give_frames_or_are_refused_with_words(name: str) -> None:
    need(CORPUS / name)
    for path, media in media_of(CORPUS / name):
        if media.kind != "video":
            continue
        begun = time.perf_counter()
        try:
            frames = sample_frames(path, count=4, min_side_px=224)
        except MediaError as error:
            assert str(error).startswith("The "), path
        else:
            assert 1 <= len(frames) <= 4, path
            assert [frame.at_s for frame in frames] == sorted(frame.at_s for frame in frames), path
        assert time.perf_counter() - begun < SLOWEST_S, path


@pytest.mark.parametrize(
    ("name", "count", "size"),
    [
        ("mdn-media/videos/flower.mp4", 4, (960, 540)),
        ("mdn-media/videos/flower.webm", 4, (960, 540)),
        ("metadata-extractor-sample/mov/with-gps.mov", 4, (320, 568)),
        ("mp4parse/mp4parse_capi/tests/video_rotation_90.mp4", 1, (60, 100)),
    ],
)
def test_known_videos_come_out_upright(name: str, count: int, size: tuple[int, int]) -> None:
    need(CORPUS / name)
    frames = sample_frames(CORPUS / name, count=count, min_side_px=4000)
    assert len(frames) == count
    assert {(frame.pixels.shape[1], frame.pixels.shape[0]) for frame in frames} == {size}


@pytest.mark.parametrize("shape", ["Landscape", "Portrait"])
def test_one_scene_in_eight_orientations_is_one_picture(shape: str) -> None:
    folder = CORPUS / "exif-orientation-examples"
    need(folder)
    upright = decode_photo(folder / f"{shape}_1.jpg", min_side_px=64).astype(int)
    for number in (0, *range(2, 9)):
        turned = decode_photo(folder / f"{shape}_{number}.jpg", min_side_px=64).astype(int)
        assert turned.shape == upright.shape
        # The photos carry their number as text, and one is lossy anew: alike, not equal.
        assert abs(turned - upright).mean() < 12, number
