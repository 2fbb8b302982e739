"""Real videos state what ExifTool reads in them, and each is shown or refused in words.

Source: facts.json beside each corpus, written by ExifTool 12.57.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from album.exceptions import MediaError
from album.media.facts import FileFacts
from album.media.proxy import make_proxy
from album.media.renditions import ANIMATION, GRID, PREVIEW
from album.media.sniff import HEAD_BYTES, sniff
from album.media.video import ANIMATION_MAX_BYTES, read_video_facts, render_video
from tests.corpus.places import CORPUS, need

pytestmark = pytest.mark.corpus

FOLDERS = ["exiftool-t", "go-mp4", "mdn-media", "metadata-extractor-sample", "mp4parse"]

SLOWEST_S = 20.0
"""Far above what is measured (0.4 s of CPU), so that a busy machine does not fail the test."""

SIZES_THAT_ARE_NOT_THE_PICTURES = "video_colr_nclx"
"""Files whose track header says 131072 x 131072 of a picture of 2 x 2."""

CUT_OFF = {"bipbop_nonfragment_header.mp4", "sample_fragmented.mp4"}
"""Files that hold less, or state less, than ExifTool says of their length."""


def videos_of(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            with path.open("rb") as file:
                head = file.read(HEAD_BYTES)
            try:
                if sniff(head).decoder == "video":
                    yield path
            except MediaError:
                continue


def stated_in(folder: Path) -> dict[str, dict[str, Any]]:
    rows = json.loads((folder / "facts.json").read_text(encoding="utf-8"))
    return {str(row["SourceFile"]).partition(f"{folder.name}/")[2]: row for row in rows}


def check_size(facts: FileFacts, stated: dict[str, Any]) -> None:
    size_px = stated["ImageWidth"], stated["ImageHeight"]
    wanted = size_px[::-1] if stated.get("Rotation") in {90, 270} else size_px
    assert facts.width_px == pytest.approx(wanted[0], abs=1)
    assert facts.height_px == pytest.approx(wanted[1], abs=1)
    assert facts.rotation_deg == stated.get("Rotation", 0)


def check_time(facts: FileFacts, stated: dict[str, Any]) -> None:
    created = str(stated.get("CreateDate", "0000"))
    if created.startswith("0000"):
        assert facts.taken_at_local is None
        return
    assert facts.taken_at_local is not None and facts.utc_offset is not None
    utc = datetime.strptime(created, "%Y:%m:%d %H:%M:%S").replace(tzinfo=UTC)
    found = facts.taken_at_local.replace(tzinfo=UTC) - facts.utc_offset
    assert abs((found - utc).total_seconds()) < 60  # a phone states when it began, the container when it ended


def check_position(facts: FileFacts, stated: dict[str, Any]) -> None:
    latitude = stated.get("GPSLatitude") or None  # 0, 0 is no place
    longitude = stated.get("GPSLongitude") or None
    assert facts.latitude_deg == (latitude and pytest.approx(latitude, abs=1e-4))
    assert facts.longitude_deg == (longitude and pytest.approx(longitude, abs=1e-4))


@pytest.mark.parametrize("name", ["go-mp4", "mdn-media", "metadata-extractor-sample", "mp4parse"])
def test_facts_are_those_that_exiftool_reads(name: str) -> None:
    need(CORPUS / name)
    stated_by_path = stated_in(CORPUS / name)
    compared = 0
    for path in videos_of(CORPUS / name):
        stated = stated_by_path[str(path.relative_to(CORPUS / name))]
        try:
            facts = read_video_facts(path)
        except MediaError as error:
            assert str(error).startswith("The video"), path
            assert "ImageWidth" not in stated or path.name == "chunk_out_of_range.mp4", path
            continue
        compared += 1
        if not path.name.startswith(SIZES_THAT_ARE_NOT_THE_PICTURES):
            check_size(facts, stated)
        if stated.get("Duration") and path.name not in CUT_OFF:
            assert facts.duration_s == pytest.approx(stated["Duration"], abs=0.1), path
        check_time(facts, stated)
        check_position(facts, stated)
    assert compared >= 3


@pytest.mark.parametrize("name", FOLDERS)
def test_videos_are_shown_or_refused_in_words(name: str, tmp_path: Path) -> None:
    need(CORPUS / name)
    outcomes: Counter[str] = Counter()
    for number, path in enumerate(videos_of(CORPUS / name)):
        folder, begun = tmp_path / str(number), time.perf_counter()
        try:
            rendered = render_video(path, folder)
        except MediaError as error:
            assert str(error).startswith("The video cannot be decoded: "), path
            assert not folder.exists(), path
            outcomes["refused"] += 1
        else:
            outcomes["shown"] += 1
            assert rendered.placeholder and rendered.width_px > 0 and rendered.height_px > 0, path
            for picture in (GRID, PREVIEW):
                with Image.open(folder / picture) as image:
                    image.load()
            if (folder / ANIMATION).exists():
                assert (folder / ANIMATION).stat().st_size <= ANIMATION_MAX_BYTES, path
        assert time.perf_counter() - begun < SLOWEST_S, path
    print(f"{name}: {dict(outcomes)}")
    assert outcomes


@pytest.mark.parametrize(
    ("name", "duration_s", "frames"),
    [
        ("mdn-media/videos/flower.mp4", 5.06, 150),
        ("mdn-media/videos/flower.webm", 5.06, 150),
        ("metadata-extractor-sample/mov/with-gps.mov", 4.0, 120),
        ("metadata-extractor-sample/3gp/sample.3gp", 4.93, 74),
        ("mp4parse/mp4parse/tests/hevc_white_frame.mp4", 0.04, 1),
        ("mp4parse/mp4parse/tests/bbb_sunflower_QCIF_30fps_h263_noaudio_1f.3gp", 0.03, 1),
    ],
)
def test_proxies_hold_all_frames_and_need_no_proxy(
    name: str, duration_s: float, frames: int, tmp_path: Path
) -> None:
    import av

    need(CORPUS / name)
    make_proxy(CORPUS / name, tmp_path / "proxy.mp4")
    original, facts = read_video_facts(CORPUS / name), read_video_facts(tmp_path / "proxy.mp4")
    assert not facts.needs_proxy
    assert facts.duration_s == pytest.approx(duration_s, abs=0.1)
    assert (facts.width_px, facts.height_px) == (original.width_px, original.height_px)
    assert bool(facts.audio_codec) == bool(original.audio_codec)
    with av.open(str(tmp_path / "proxy.mp4")) as container:
        assert sum(1 for _ in container.decode(video=0)) == frames


@pytest.mark.parametrize(
    ("name", "needs_proxy"),
    [
        ("mdn-media/videos/flower.mp4", False),
        ("mdn-media/videos/flower.webm", False),
        ("metadata-extractor-sample/mov/with-gps.mov", False),
        ("mp4parse/mp4parse/tests/tiny_av1.mp4", False),
        ("metadata-extractor-sample/3gp/sample.3gp", True),
        ("mp4parse/mp4parse/tests/hevc_white_frame.mp4", True),
        ("exiftool-t/Pentax.avi", True),
        ("exiftool-t/M2TS.mts", True),
    ],
)
def test_only_what_browsers_cannot_play_needs_a_proxy(name: str, needs_proxy: bool) -> None:
    need(CORPUS / name)
    assert read_video_facts(CORPUS / name).needs_proxy is needs_proxy
