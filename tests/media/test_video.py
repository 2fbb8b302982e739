"""What a video states about itself, which browsers can play it, its poster and its moving preview."""

from __future__ import annotations

import random
import re
import subprocess
import sys
from datetime import datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from album.exceptions import MediaError
from album.media.renditions import ANIMATION, GRID, PREVIEW
from album.media.video import ANIMATION_MAX_BYTES, ANIMATION_SIDE_PX, read_video_facts, render_video
from tests.media.video_files import write_video


def noise(seed: int, size_px: tuple[int, int] = (640, 640)) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (*size_px[::-1], 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def color_of(path: Path) -> tuple[int, ...]:
    with Image.open(path) as image:
        return tuple(image.convert("RGB").resize((1, 1)).tobytes())


def test_a_video_states_size_duration_codecs_time_place_and_camera(tmp_path: Path) -> None:
    metadata = {
        "creation_time": "2024-07-01T07:15:30Z",
        "com.apple.quicktime.creationdate": "2024-07-01T09:15:28+0200",
        "com.apple.quicktime.location.ISO6709": "+38.7200-009.1400+012.5/",
        "com.apple.quicktime.make": "Apple",
        "com.apple.quicktime.model": "iPhone 6",
        "com.apple.quicktime.content.identifier": "5E3A-1",
        "com.apple.quicktime.title": "At sea",
        "com.apple.quicktime.keywords": "sea, boat,",
    }
    facts = read_video_facts(write_video(tmp_path / "a.mov", ["red", "blue"], sound="aac", metadata=metadata))
    assert (facts.width_px, facts.height_px, facts.rotation_deg) == (160, 96, 0)
    assert facts.duration_s == pytest.approx(2, abs=0.1)
    assert (facts.video_codec, facts.audio_codec) == ("mpeg4", "aac")
    assert (facts.taken_at_local, facts.utc_offset) == (datetime(2024, 7, 1, 9, 15, 28), timedelta(hours=2))
    assert facts.taken_at_source == "container"
    assert (facts.latitude_deg, facts.longitude_deg) == (38.72, -9.14)
    assert (facts.camera, facts.content_identifier) == ("Apple iPhone 6", "5E3A-1")
    assert (facts.title, facts.keywords) == ("At sea", ("sea", "boat"))


def test_a_time_in_utc_has_the_offset_zero(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", ["red"], metadata={"creation_time": "2024-07-01T07:15:30.5Z"})
    facts = read_video_facts(path)
    assert facts.taken_at_local is not None
    assert facts.taken_at_local.replace(microsecond=0) == datetime(2024, 7, 1, 7, 15, 30)
    assert facts.utc_offset == timedelta(0)


@pytest.mark.parametrize("unset", ["1904-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "0000-00-00T00:00:00Z"])
def test_a_clock_that_was_never_set_states_no_date(tmp_path: Path, unset: str) -> None:
    path = write_video(tmp_path / "a.mp4", ["red"], metadata={"com.apple.quicktime.creationdate": unset})
    facts = read_video_facts(path)
    assert (facts.taken_at_local, facts.utc_offset, facts.taken_at_source) == (None, None, "")


@pytest.mark.parametrize("stated", ["+00.0000+000.0000/", "+91.0000+010.0000/", "here", ""])
def test_a_position_without_sense_is_none(tmp_path: Path, stated: str) -> None:
    path = write_video(tmp_path / "a.mov", ["red"], metadata={"com.apple.quicktime.location.ISO6709": stated})
    facts = read_video_facts(path)
    assert (facts.latitude_deg, facts.longitude_deg) == (None, None)


@pytest.mark.parametrize(("degrees", "size"), [(90, (96, 160)), (180, (160, 96)), (270, (96, 160))])
def test_a_turned_video_has_the_size_of_the_upright_picture(
    tmp_path: Path, degrees: int, size: tuple[int, int]
) -> None:
    facts = read_video_facts(write_video(tmp_path / "a.mp4", ["red"], rotation_deg=degrees))
    assert (facts.width_px, facts.height_px) == size
    assert facts.rotation_deg == degrees


def test_pixels_that_are_not_square_widen_the_picture(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", ["red"], pixel_aspect=Fraction(3, 2))
    assert read_video_facts(path).width_px == 240
    assert render_video(path, tmp_path).width_px == 240
    with Image.open(tmp_path / PREVIEW) as image:
        assert image.size == (240, 96)


@pytest.mark.parametrize(
    ("name", "how", "needs_proxy"),
    [
        ("a.mp4", {"codec": "libx264"}, False),
        ("a.mp4", {"codec": "libx264", "sound": "aac"}, False),
        ("a.mov", {"codec": "libx264", "sound": "aac"}, False),
        ("a.mp4", {"codec": "libx264", "sound": "libmp3lame"}, False),
        ("a.webm", {"codec": "libvpx", "sound": "libopus"}, False),
        ("a.webm", {"codec": "libvpx-vp9"}, False),
        ("a.mp4", {"codec": "libx265"}, True),
        ("a.mp4", {"codec": "libx264", "pixel_format": "yuv420p10le"}, True),
        ("a.mp4", {"codec": "libx264", "pixel_format": "yuv444p"}, True),
        ("a.mp4", {"codec": "mpeg4"}, True),
        ("a.mov", {"codec": "mjpeg"}, True),
        ("a.mov", {"codec": "libx264", "sound": "pcm_s16le"}, True),
        ("a.mp4", {"codec": "libx264", "sound": "ac3"}, True),
        ("a.mkv", {"codec": "libx264", "sound": "aac"}, True),
        ("a.avi", {"codec": "libx264"}, True),
        ("a.ts", {"codec": "libx264"}, True),
    ],
)
def test_what_browsers_cannot_play_needs_a_proxy(
    tmp_path: Path, name: str, how: dict[str, Any], needs_proxy: bool
) -> None:
    assert read_video_facts(write_video(tmp_path / name, ["red"], **how)).needs_proxy is needs_proxy


def test_av1_plays_in_browsers(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    write = "import sys; from pathlib import Path; from tests.media.video_files import write_video as w; "
    # A process of its own: as root this encoder makes its caller a real-time one, and all that the caller starts.
    subprocess.run(
        [sys.executable, "-c", write + "w(Path(sys.argv[1]), ['red'], codec='libsvtav1')", path], check=True
    )
    facts = read_video_facts(path)
    assert (facts.video_codec, facts.needs_proxy) == ("av1", False)


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("a.mpg", {"codec": "mpeg2video", "sound": "mp2"}),
        ("a.m2v", {"codec": "mpeg2video"}),
        ("a.wmv", {"codec": "wmv2", "sound": "wmav2"}),
        ("a.flv", {"codec": "flv"}),
    ],
)
def test_videos_of_old_disks_are_shown(tmp_path: Path, name: str, how: dict[str, Any]) -> None:
    path = write_video(tmp_path / name, ["red", "lime", "blue", "yellow"], **how)
    assert read_video_facts(path).duration_s == (None if name == "a.m2v" else pytest.approx(4, abs=0.2))
    assert render_video(path, tmp_path).width_px == 160
    with Image.open(tmp_path / ANIMATION) as animation:
        assert animation.n_frames > 2  # type: ignore[attr-defined]


def test_a_sound_is_no_video(tmp_path: Path) -> None:
    import av

    with av.open(str(tmp_path / "a.mp4"), "w") as container:
        stream = container.add_stream("aac", rate=32_000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 32_000), np.int16), format="s16", layout="mono")
        frame.sample_rate = 32_000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    for read in (read_video_facts, lambda path: render_video(path, tmp_path)):
        with pytest.raises(MediaError, match="holds no moving picture"):
            read(tmp_path / "a.mp4")


def test_a_codec_outside_the_list_is_refused_by_name(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.avi", ["red"], codec="huffyuv", pixel_format="rgb24")
    with pytest.raises(MediaError, match=r"its codec \(huffyuv\)"):
        read_video_facts(path)


def test_a_frame_of_absurd_size_is_refused_unread(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.avi", ["red"], codec="mjpeg", size_px=(16_400, 32))
    with pytest.raises(MediaError, match="16400 x 32 is too large"):
        render_video(path, tmp_path)


def test_a_frame_larger_than_its_container_says_is_not_decoded(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.avi", ["red"], codec="mjpeg")
    sizes = re.compile(rb"(\xff\xc0\x00\x11\x08).{4}", re.DOTALL)  # Source: ITU-T T.81, B.2.2
    path.write_bytes(sizes.sub(rb"\g<1>" + (20_000).to_bytes(2, "big") * 2, path.read_bytes()))
    with pytest.raises(MediaError, match=r"too large|no frame is readable"):
        render_video(path, tmp_path)


def test_the_poster_is_the_first_frame_that_shows_something(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", ["black", "black", "red", "blue", "blue", "blue"])
    rendered = render_video(path, tmp_path / "out")
    assert (rendered.width_px, rendered.height_px) == (160, 96)
    assert rendered.placeholder
    for name in (GRID, PREVIEW):
        red, green, blue = color_of(tmp_path / "out" / name)
        assert red > 200 and green < 60 and blue < 60


def test_a_black_video_has_a_black_poster(tmp_path: Path) -> None:
    render_video(write_video(tmp_path / "a.mp4", ["black"] * 2), tmp_path)
    assert max(color_of(tmp_path / PREVIEW)) < 20


def test_the_animation_runs_through_the_video_in_order(tmp_path: Path) -> None:
    render_video(write_video(tmp_path / "a.mp4", ["red", "lime", "blue", "white"] * 2), tmp_path)
    with Image.open(tmp_path / ANIMATION) as image:
        assert 6 <= image.n_frames <= 10  # type: ignore[attr-defined]
        assert max(image.size) <= ANIMATION_SIDE_PX
        seen = []
        for index in range(image.n_frames):  # type: ignore[attr-defined]
            image.seek(index)
            red, green, blue = image.convert("RGB").resize((1, 1)).tobytes()
            seen.append((red > 128, green > 128, blue > 128))
    assert seen == [(True, False, False), (False, True, False), (False, False, True), (True, True, True)] * 2


def test_a_video_with_one_keyframe_is_animated_all_the_same(tmp_path: Path) -> None:
    render_video(write_video(tmp_path / "a.mp4", ["red", "lime", "blue"], keyframe_every=999), tmp_path)
    with Image.open(tmp_path / ANIMATION) as image:
        assert image.n_frames >= 3  # type: ignore[attr-defined]


def test_the_animation_of_a_rich_video_stays_small(tmp_path: Path) -> None:
    path = write_video(
        tmp_path / "a.avi", [noise(seed) for seed in range(8)], codec="mjpeg", size_px=(640, 640), keyframe_every=1
    )
    render_video(path, tmp_path)
    assert 20_000 < (tmp_path / ANIMATION).stat().st_size <= ANIMATION_MAX_BYTES


def test_a_single_frame_has_no_animation(tmp_path: Path) -> None:
    import av

    with av.open(str(tmp_path / "a.mp4"), "w") as container:
        stream: Any = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 160, 96, "yuv420p"
        container.mux(stream.encode(av.VideoFrame.from_image(Image.new("RGB", (160, 96), "red"))))
        container.mux(stream.encode())
    render_video(tmp_path / "a.mp4", tmp_path)
    assert (tmp_path / PREVIEW).is_file()
    assert not (tmp_path / ANIMATION).exists()


@pytest.mark.parametrize(("degrees", "corner"), [(90, (-1, 0)), (180, (-1, -1)), (270, (0, -1))])
def test_poster_and_animation_are_upright(tmp_path: Path, degrees: int, corner: tuple[int, int]) -> None:
    stored = Image.new("RGB", (160, 96), "black")
    stored.paste("white", (0, 0, 60, 60))
    stored.paste("blue", (60, 0, 160, 96))
    path = write_video(tmp_path / "a.mp4", [stored, stored], rotation_deg=degrees)
    render_video(path, tmp_path)
    with Image.open(tmp_path / PREVIEW) as image:
        assert image.size == ((160, 96) if degrees == 180 else (96, 160))
        x, y = corner
        pixel = image.getpixel((x % image.width, y % image.height))
        assert isinstance(pixel, tuple) and min(pixel) > 180


def test_colors_of_a_phone_in_hlg_come_out_stronger_than_stored(tmp_path: Path) -> None:
    picture = Image.new("RGB", (160, 96), (180, 90, 90))
    plain, hlg = tmp_path / "plain", tmp_path / "hlg"
    how: dict[str, Any] = {"codec": "libx265", "pixel_format": "yuv420p10le"}
    render_video(write_video(tmp_path / "a.mp4", [picture], **how), plain)
    render_video(write_video(tmp_path / "b.mp4", [picture], is_hlg=True, **how), hlg)
    assert color_of(plain / PREVIEW) == pytest.approx((180, 90, 90), abs=12)
    red, green, _ = color_of(hlg / PREVIEW)
    assert red - green > 100


def test_no_rendition_carries_metadata(tmp_path: Path) -> None:
    metadata = {"com.apple.quicktime.location.ISO6709": "+38.7200-009.1400+012.5/", "title": "secret"}
    render_video(write_video(tmp_path / "a.mov", ["red", "blue"], metadata=metadata), tmp_path / "out")
    for name in (GRID, PREVIEW, ANIMATION):
        content = (tmp_path / "out" / name).read_bytes()
        assert b"38.72" not in content and b"secret" not in content
        with Image.open(tmp_path / "out" / name) as image:
            assert not image.getexif()


@pytest.mark.parametrize("content", [b"\x00\x00\x00\x14ftypisom\x00\x00\x02\x00isom" + bytes(99), b"", b"%PDF-1.7"])
def test_a_file_that_is_no_video_is_a_media_error_in_words(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.mp4").write_bytes(content)
    with pytest.raises(MediaError, match=r"^The (file|video) "):
        read_video_facts(tmp_path / "a.mp4")


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.avi", "a.ts"])
def test_damage_of_any_kind_is_a_media_error_or_does_no_harm(tmp_path: Path, name: str) -> None:
    whole = write_video(tmp_path / name, ["red", "blue"], codec="libx264", sound="aac").read_bytes()
    chance = random.Random(name)
    for _ in range(40):
        content = bytearray(whole)
        for _ in range(chance.choice([3, 30, 300])):
            content[chance.randrange(len(content))] = chance.randrange(256)
        (tmp_path / name).write_bytes(content[: chance.choice([len(content), chance.randrange(len(content))])])
        for read in (read_video_facts, lambda path: render_video(path, tmp_path)):
            try:
                read(tmp_path / name)
            except MediaError as error:
                assert str(error).startswith("The ")


def test_a_missing_file_is_said_to_be_missing(tmp_path: Path) -> None:
    for read in (read_video_facts, lambda path: render_video(path, tmp_path)):
        with pytest.raises(MediaError, match="the file is not there"):
            read(tmp_path / "a.mp4")
