"""A few frames stand for a video: different ones, in order, upright, whatever the container states."""

from __future__ import annotations

import pickle
import random
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from album.exceptions import MediaError
from album.media.frames import VideoFrame, sample_frames
from album.media.scenes import Scene, draw_scene
from tests.media.video_files import refer_elsewhere, write_video

RGB = {"red": (255, 0, 0), "lime": (0, 255, 0), "blue": (0, 0, 255), "yellow": (255, 255, 0), "white": (255,) * 3}


def colors_of(frames: list[VideoFrame]) -> list[str]:
    """The nearest named color of each frame's middle."""
    middles = [frame.pixels[frame.pixels.shape[0] // 2, frame.pixels.shape[1] // 2].astype(int) for frame in frames]
    return [min(RGB, key=lambda name: int(np.abs(middle - RGB[name]).sum())) for middle in middles]


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.mov", "a.avi"])
def test_four_scenes_give_four_frames_in_order(tmp_path: Path, name: str) -> None:
    path = write_video(tmp_path / name, ["red", "lime", "blue", "yellow"])
    frames = sample_frames(path, count=4, min_side_px=48)
    assert colors_of(frames) == ["red", "lime", "blue", "yellow"]
    assert [int(frame.at_s) for frame in frames] == [0, 1, 2, 3]
    assert {frame.pixels.shape for frame in frames} == {(48, 80, 3)}


def test_drawn_scenes_are_told_apart(tmp_path: Path) -> None:
    drawn = [
        draw_scene(Scene("one", background, ((color, shape),), "large"), random.Random(7), (160, 96))[0]
        for background, color, shape in [
            ("white", "red", "circle"),
            ("black", "yellow", "star"),
            ("pink", "green", "square"),
            ("cyan", "blue", "ring"),
        ]
    ]
    frames = sample_frames(write_video(tmp_path / "a.mp4", drawn), count=8, min_side_px=96)
    assert len(frames) == 4
    for frame, scene in zip(frames, drawn, strict=True):
        assert np.abs(frame.pixels.astype(int) - np.asarray(scene)).mean() < 10


def test_scenes_between_few_keyframes_are_found_all_the_same(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", ["red", "lime", "blue", "yellow"], keyframe_every=1000)
    assert colors_of(sample_frames(path, count=4, min_side_px=48)) == ["red", "lime", "blue", "yellow"]


def test_no_more_than_the_wanted_number_and_spread_over_the_time(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", ["red", "lime", "blue", "yellow", "white", "red"] * 2)
    frames = sample_frames(path, count=2, min_side_px=48)
    assert len(frames) == 2
    assert frames[0].at_s < 6 <= frames[1].at_s + 4


def test_a_still_video_gives_one_frame(tmp_path: Path) -> None:
    assert len(sample_frames(write_video(tmp_path / "a.mp4", ["red"] * 4), count=4, min_side_px=48)) == 1


def test_black_frames_are_left_out(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", ["black", "blue", "black"])
    assert colors_of(sample_frames(path, count=4, min_side_px=48)) == ["blue"]


def test_a_wholly_black_video_still_gives_a_frame(tmp_path: Path) -> None:
    frames = sample_frames(write_video(tmp_path / "a.mp4", ["black"]), count=4, min_side_px=48)
    assert [frame.pixels.max() < 20 for frame in frames] == [True]


@pytest.mark.parametrize(("degrees", "corner"), [(90, (0, -1)), (180, (-1, -1)), (270, (-1, 0))])
def test_a_turned_video_comes_out_upright(tmp_path: Path, degrees: int, corner: tuple[int, int]) -> None:
    stored, _ = draw_scene(Scene("one", "black", (("white", "circle"),), "small"), random.Random(1), (160, 96))
    stored.paste("black", (0, 0, 160, 96))
    stored.paste("white", (0, 0, 40, 40))
    path = write_video(tmp_path / "a.mp4", [stored], rotation_deg=degrees)
    (frame,) = sample_frames(path, count=4, min_side_px=96)
    assert frame.pixels.shape == ((96, 160, 3) if degrees == 180 else (160, 96, 3))
    assert frame.pixels[corner].min() > 200
    assert (frame.pixels.mean(axis=2) > 128).sum() == pytest.approx(1600, rel=0.1)


def test_a_stream_without_duration_is_read_from_its_start(tmp_path: Path) -> None:
    whole = write_video(tmp_path / "whole.mkv", ["red", "lime", "blue"])
    content = whole.read_bytes()
    at = content.index(b"\x44\x89\x88")  # Matroska's Duration element, 8 bytes long
    (tmp_path / "live.mkv").write_bytes(content[:at] + b"\xec\x89" + content[at + 2 :])  # now a Void element
    frames = sample_frames(tmp_path / "live.mkv", count=4, min_side_px=48)
    assert colors_of(frames) == ["red", "lime", "blue"]


def test_a_video_cut_in_half_gives_its_readable_part_or_an_error(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mkv", ["red", "lime", "blue", "yellow"])
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert colors_of(sample_frames(path, count=4, min_side_px=48))[:1] == ["red"]
    headless = write_video(tmp_path / "b.mp4", ["red", "lime"])
    headless.write_bytes(headless.read_bytes()[: headless.stat().st_size // 2])
    with pytest.raises(MediaError, match=r"^The video cannot be decoded"):
        sample_frames(headless, count=4, min_side_px=48)


def test_frames_travel_between_processes(tmp_path: Path) -> None:
    frames = sample_frames(write_video(tmp_path / "a.mp4", ["red", "lime"]), count=4, min_side_px=48)
    content = pickle.dumps(frames, protocol=pickle.HIGHEST_PROTOCOL)
    assert len(content) < sum(frame.pixels.nbytes for frame in frames) + 1000
    for sent, came in zip(frames, pickle.loads(content), strict=True):
        assert came.at_s == sent.at_s
        assert np.array_equal(came.pixels, sent.pixels)


@pytest.fixture
def canary() -> Iterator[tuple[str, Callable[[], bool]]]:
    """An address on this machine that nothing may call, and whether something did."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)

        def was_called() -> bool:
            try:
                server.accept()[0].close()
            except BlockingIOError:
                return False
            return True

        yield f"http://127.0.0.1:{server.getsockname()[1]}/secret.ts", was_called


PLAYLISTS = {
    "HLS": "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{url}\n#EXT-X-ENDLIST\n",
    "HLS of files": "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{file}\n#EXT-X-ENDLIST\n",
    "concat": "ffconcat version 1.0\nfile {url}\n",
    "concat of files": "ffconcat version 1.0\nfile {file}\n",
    "DASH": '<?xml version="1.0"?><MPD><BaseURL>{url}</BaseURL></MPD>',
    "SDP": "v=0\nc=IN IP4 127.0.0.1\nm=video 9 RTP/AVP 96\n",
    "empty": "",
}


@pytest.mark.parametrize("is_sniffed", [True, False], ids=["sniffed", "by FFmpeg alone"])
@pytest.mark.parametrize("name", PLAYLISTS)
def test_playlists_are_never_followed(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    canary: tuple[str, Callable[[], bool]],
    name: str,
    is_sniffed: bool,
) -> None:
    url, was_called = canary
    named = write_video(tmp_path / "named.ts", ["red"], codec="mpeg2video")
    (tmp_path / "list.mp4").write_text(PLAYLISTS[name].format(url=url, file=named))
    if not is_sniffed:
        monkeypatch.setattr("album.media.frames.sniff", lambda head: None)
    with pytest.raises(MediaError, match=r"^The (file|video)"):
        sample_frames(tmp_path / "list.mp4", count=4, min_side_px=48)
    assert not was_called()


def alias_to(place: str) -> bytes:
    """A data reference of a Macintosh alias record. Source: Inside Macintosh, Files, and FFmpeg's reading of it."""
    path = place.encode() + b"\x00" * (len(place) % 2)
    record = bytes(142) + (2).to_bytes(2, "big") + len(path).to_bytes(2, "big") + path + b"\xff\xff\x00\x00"
    return (len(record) + 20).to_bytes(4, "big") + b"alis" + bytes(12) + record


@pytest.mark.parametrize("kind", ["url", "alias"])
def test_pictures_in_another_place_are_not_fetched(
    tmp_path: Path, canary: tuple[str, Callable[[], bool]], kind: str
) -> None:
    url, was_called = canary
    place = url.encode() + b"\x00"
    entry = alias_to(url) if kind == "alias" else (len(place) + 12).to_bytes(4, "big") + b"url " + bytes(4) + place
    path = refer_elsewhere(write_video(tmp_path / "a.mov", ["red"]), entry)
    try:
        sample_frames(path, count=4, min_side_px=48)
    except MediaError as error:
        assert str(error).startswith("The video")
    assert not was_called()


def test_a_neighboring_file_is_not_read(tmp_path: Path) -> None:
    secret = write_video(tmp_path / "secret.mov", ["lime"])
    entry = alias_to(str(secret))
    path = refer_elsewhere(write_video(tmp_path / "a.mov", ["red"]), entry)
    try:
        frames = sample_frames(path, count=4, min_side_px=48)
    except MediaError as error:
        assert str(error).startswith("The video")
    else:
        assert "lime" not in colors_of(frames)
