"""A proxy is the same video as every browser plays it: pictures, times and sounds stay what they were."""

from __future__ import annotations

import errno
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from album.exceptions import MediaError
from album.media.proxy import make_proxy
from album.media.sniff import HEAD_BYTES, sniff
from album.media.video import read_video_facts
from tests.media.video_files import FRAMES_PER_S, write_video

FIXTURES = Path(__file__).parents[1] / "fixtures" / "videos"
"""What the tests cannot write themselves; FFmpeg's own program, with libtheora, can."""


def frames_of(path: Path) -> list[Any]:
    with av.open(str(path)) as container:
        return list(container.decode(video=0))


def times_of(path: Path) -> list[float]:
    return [frame.time for frame in frames_of(path)]


def color_at(frame: Any, x: int, y: int) -> tuple[bool, bool, bool]:
    red, green, blue = frame.to_ndarray(format="rgb24")[y, x] > 128
    return bool(red), bool(green), bool(blue)


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("a.mp4", {"codec": "libx265", "sound": "aac"}),
        ("a.mp4", {"codec": "libx265", "pixel_format": "yuv420p10le"}),
        ("a.mov", {"codec": "mjpeg", "sound": "pcm_s16le"}),
        ("a.mov", {"codec": "prores_ks", "pixel_format": "yuv422p10le"}),
        ("a.avi", {"codec": "mpeg4", "sound": "libmp3lame"}),
        ("a.mkv", {"codec": "libx264", "pixel_format": "yuv444p", "sound": "ac3"}),
        ("a.ts", {"codec": "mpeg2video"}),
        ("a.mpg", {"codec": "mpeg2video", "sound": "mp2"}),
        ("a.vob", {"codec": "mpeg2video", "sound": "ac3"}),
        ("a.m2v", {"codec": "mpeg2video"}),
        ("a.wmv", {"codec": "wmv2", "sound": "wmav2"}),
        ("a.asf", {"codec": "wmv1", "sound": "wmav1"}),
        ("a.flv", {"codec": "flv"}),
        ("a.flv", {"codec": "libx264", "sound": "aac"}),
        ("theora.ogv", {}),
    ],
)
def test_browsers_can_play_the_proxy(tmp_path: Path, name: str, how: dict[str, Any]) -> None:
    colors = ["red", "lime", "blue"]
    source = write_video(tmp_path / name, colors, **how) if how else FIXTURES / name
    with source.open("rb") as file:
        assert sniff(file.read(HEAD_BYTES)).decoder == "video"
    assert read_video_facts(source).needs_proxy
    make_proxy(source, tmp_path / "out" / "proxy.mp4")
    facts = read_video_facts(tmp_path / "out" / "proxy.mp4")
    assert not facts.needs_proxy
    assert (facts.video_codec, facts.audio_codec) == ("h264", "aac" if "sound" in how else "")
    assert (facts.width_px, facts.height_px) == (160, 96)
    assert facts.duration_s == pytest.approx(3, abs=0.15)
    frames = frames_of(tmp_path / "out" / "proxy.mp4")
    assert frames[0].format.name == "yuv420p"
    assert [color_at(frames[index], 80, 48) for index in (5, 15, 25)] == [
        (True, False, False),
        (False, True, False),
        (False, False, True),
    ]
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["proxy.mp4"]


def test_others_may_read_a_proxy(tmp_path: Path) -> None:
    make_proxy(write_video(tmp_path / "a.mp4", ["red"]), tmp_path / "proxy.mp4")
    (tmp_path / "usual").touch()
    assert (tmp_path / "proxy.mp4").stat().st_mode == (tmp_path / "usual").stat().st_mode


def test_a_proxy_begins_with_its_index(tmp_path: Path) -> None:
    make_proxy(write_video(tmp_path / "a.avi", ["red"]), tmp_path / "b.mp4")
    content = (tmp_path / "b.mp4").read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_a_proxy_is_upright_without_a_display_matrix(tmp_path: Path, degrees: int) -> None:
    stored = Image.new("RGB", (160, 96), "black")
    stored.paste("white", (0, 0, 48, 48))
    make_proxy(write_video(tmp_path / "a.mp4", [stored], rotation_deg=degrees), tmp_path / "b.mp4")
    frame = frames_of(tmp_path / "b.mp4")[-1]
    width, height = (160, 96) if degrees == 180 else (96, 160)
    assert (frame.width, frame.height, frame.rotation) == (width, height, 0)
    x, y = {90: (width - 9, 8), 180: (width - 9, height - 9), 270: (8, height - 9)}[degrees]
    assert color_at(frame, x, y) == (True, True, True)
    assert color_at(frame, width - 1 - x, height - 1 - y) == (False, False, False)


def test_uneven_frames_keep_their_times(tmp_path: Path) -> None:
    source = write_video(tmp_path / "a.mkv", ["red", "blue"], uneven=True)
    make_proxy(source, tmp_path / "b.mp4")
    assert times_of(tmp_path / "b.mp4") == pytest.approx(times_of(source), abs=0.002)
    steps = np.diff(times_of(source)).round(2)
    assert set(steps) == {0.05, 0.15}


def test_sound_and_picture_stay_together(tmp_path: Path) -> None:
    make_proxy(write_video(tmp_path / "a.mkv", ["red"] * 5, sound="pcm_s16le"), tmp_path / "b.mp4")
    with av.open(str(tmp_path / "b.mp4")) as container:
        audio = container.streams.audio[0]
        assert (audio.rate, audio.layout.name) == (48_000, "stereo")
        samples = np.concatenate([frame.to_ndarray() for frame in container.decode(audio)], axis=1)
    assert samples.shape[1] / 48_000 == pytest.approx(5, abs=0.05)
    tone_hz = np.abs(np.fft.rfft(samples[0, 48_000:96_000])).argmax()
    assert tone_hz == pytest.approx(440, abs=2)


def test_odd_and_stretched_pictures_get_even_sides_and_square_pixels(tmp_path: Path) -> None:
    odd = write_video(tmp_path / "a.avi", ["red"], codec="mjpeg", size_px=(161, 95))
    make_proxy(odd, tmp_path / "odd.mp4")
    assert (frames_of(tmp_path / "odd.mp4")[0].width, frames_of(tmp_path / "odd.mp4")[0].height) == (160, 96)
    stretched = write_video(tmp_path / "b.mp4", ["red"], pixel_aspect=Fraction(3, 2))
    make_proxy(stretched, tmp_path / "wide.mp4")
    facts = read_video_facts(tmp_path / "wide.mp4")
    assert (facts.width_px, facts.height_px) == (240, 96)


def test_a_large_video_is_scaled_down_and_a_small_one_is_not_scaled_up(tmp_path: Path) -> None:
    make_proxy(write_video(tmp_path / "a.avi", ["red"], size_px=(1920, 1080)), tmp_path / "b.mp4")
    assert (frames_of(tmp_path / "b.mp4")[0].width, frames_of(tmp_path / "b.mp4")[0].height) == (1280, 720)
    make_proxy(write_video(tmp_path / "c.avi", ["red"]), tmp_path / "d.mp4", max_side_px=80)
    assert (frames_of(tmp_path / "d.mp4")[0].width, frames_of(tmp_path / "d.mp4")[0].height) == (80, 48)


def test_of_a_cut_off_video_the_readable_part_is_kept(tmp_path: Path) -> None:
    source = write_video(tmp_path / "a.mkv", ["red", "lime", "blue", "white"], sound="aac")
    source.write_bytes(source.read_bytes()[: source.stat().st_size * 2 // 3])
    make_proxy(source, tmp_path / "b.mp4")
    assert FRAMES_PER_S < len(frames_of(tmp_path / "b.mp4")) < 4 * FRAMES_PER_S


def test_damage_in_the_middle_costs_only_what_is_damaged(tmp_path: Path) -> None:
    source = write_video(tmp_path / "a.avi", ["red", "lime", "blue", "white"], codec="mjpeg")
    content = bytearray(source.read_bytes())
    middle = content.index(b"\xff\xd8", len(content) // 2)
    content[middle : middle + 500] = bytes(500)
    source.write_bytes(content)
    make_proxy(source, tmp_path / "b.mp4")
    assert len(frames_of(tmp_path / "b.mp4")) >= 4 * FRAMES_PER_S - 3
    assert times_of(tmp_path / "b.mp4")[-1] == pytest.approx(3.9, abs=0.11)


def test_the_colors_of_hdr_become_those_of_usual_screens(tmp_path: Path) -> None:
    picture = Image.new("RGB", (160, 96), (180, 90, 90))
    source = write_video(tmp_path / "a.mp4", [picture], codec="libx265", pixel_format="yuv420p10le", is_hlg=True)
    make_proxy(source, tmp_path / "b.mp4")
    frame = frames_of(tmp_path / "b.mp4")[0]
    assert (frame.color_trc, frame.color_primaries, frame.colorspace, frame.color_range) == (1, 1, 1, 1)
    red, green, _ = frame.to_ndarray(format="rgb24")[48, 80].astype(int)
    assert red - green > 100


def test_a_proxy_tells_neither_place_nor_camera_nor_time(tmp_path: Path) -> None:
    metadata = {
        "com.apple.quicktime.location.ISO6709": "+38.7200-009.1400+012.5/",
        "com.apple.quicktime.model": "iPhone 6",
        "title": "secret",
        "creation_time": "2024-07-01T07:15:30Z",
    }
    make_proxy(write_video(tmp_path / "a.mov", ["red"], metadata=metadata), tmp_path / "b.mp4")
    facts = read_video_facts(tmp_path / "b.mp4")
    assert (facts.latitude_deg, facts.camera, facts.title, facts.taken_at_local) == (None, "", "", None)
    content = (tmp_path / "b.mp4").read_bytes()
    assert b"38.72" not in content and b"secret" not in content and b"iPhone" not in content


def test_what_is_no_video_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"\x00\x00\x00\x14ftypisom\x00\x00\x02\x00isom" + bytes(99))
    with pytest.raises(MediaError, match=r"^The video cannot be decoded"):
        make_proxy(tmp_path / "a.mp4", tmp_path / "out" / "b.mp4")
    assert not (tmp_path / "out").exists()


def test_a_full_disk_is_no_fault_of_the_video(tmp_path: Path) -> None:
    import resource

    source = write_video(tmp_path / "a.avi", [Image.effect_noise((160, 96), 99).convert("RGB")] * 9)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        with pytest.raises(OSError) as caught:
            make_proxy(source, tmp_path / "b.mp4")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert caught.value.errno == errno.EFBIG
    assert not (tmp_path / "b.mp4").exists()
