"""The files of an item: previews, originals, and what players ask for."""

from __future__ import annotations

import errno
import io
import os
import re
import time
from collections.abc import Callable
from datetime import datetime
from email.message import Message
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from PIL import Image

from album.models import MediaItem
from album.preparation import prepare
from album.preparation.avif import make_large_avif
from album.preparation.locks import take_lock
from album.preparation.proxies import WITHOUT_PROXY
from album.services.api_keys import create_key
from album.services.imports import ImportOptions, import_folder
from album.services.ingest import ingest_upload
from album.web.addresses import file_address
from album.web.grants import COOKIE
from album.web.views import files
from tests.cast import Cast, make_photo, make_rows, scene_bytes
from tests.media.video_files import write_video
from tests.preparation.boxes import SlowBox
from tests.web.doors import Answer, address_for, browser_of, knock


def body(answer) -> bytes:
    return b"".join(answer)


@pytest.mark.parametrize(
    ("name", "expected"), [("thumbnail", ("WEBP", (400, 300))), ("preview", ("JPEG", (1600, 1200)))]
)
def test_a_preview_is_scaled_and_says_nothing_about_the_camera(
    cast: Cast, alice_client: Client, name: str, expected: tuple[str, tuple[int, int]]
) -> None:
    content = scene_bytes(size_px=(2000, 1500), taken_at_local=datetime(2024, 7, 5))
    item = make_photo(cast.alice, content=content)
    answer = alice_client.get(f"/media/{item.pk}/{name}/")
    with Image.open(io.BytesIO(body(answer))) as image:
        assert ((image.format, image.size), dict(image.getexif())) == (expected, {})
    assert answer.headers["Cache-Control"].startswith("private")


def test_a_preview_is_made_once(cast: Cast, alice_client: Client, settings) -> None:
    item = make_photo(cast.alice)
    first = body(alice_client.get(f"/media/{item.pk}/preview/"))
    item.path.unlink()
    assert body(alice_client.get(f"/media/{item.pk}/preview/")) == first


def test_browsers_that_take_avif_get_it_once_it_is_there(cast: Cast, alice_client: Client) -> None:
    item = make_photo(cast.alice)
    takes = {"accept": "image/avif,image/webp,*/*"}

    def preview(headers: dict[str, str]) -> str:
        answer = alice_client.get(f"/media/{item.pk}/preview/", headers=headers)
        assert "Accept" in answer.headers["Vary"]
        with Image.open(io.BytesIO(body(answer))) as image:
            assert answer.headers["Content-Type"] == f"image/{str(image.format).lower()}"
            return str(image.format)

    assert preview(takes) == "JPEG"
    make_large_avif(item)
    item.refresh_from_db()
    assert (preview(takes), preview({})) == ("AVIF", "JPEG")


def test_what_cannot_be_decoded_gets_a_sign_in_its_place(cast: Cast, alice_client: Client) -> None:
    broken, missing = make_photo(cast.alice, content=scene_bytes()[:200]), make_rows(cast.alice, 1)[0]
    for item in (broken, missing):
        answer = alice_client.get(f"/media/{item.pk}/preview/")
        assert (answer.status_code, answer.headers["Location"]) == (302, "/static/album/unreadable.svg")


@pytest.mark.django_db(transaction=True)
def test_a_slow_photo_holds_up_no_page_and_is_shown_later(
    cast: Cast, alice_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    item = ingest_upload(owner=cast.alice, file=io.BytesIO(scene_bytes()), name="scene.jpg").item
    monkeypatch.setattr(files, "WAIT_S", 0.0)
    address = f"/media/{item.pk}/preview/"
    with SlowBox(timeout_s=20) as slow:
        monkeypatch.setattr(prepare, "shared_box", lambda: slow)
        answer = alice_client.get(address)
        assert (answer.status_code, answer.headers["Location"]) == (302, "/static/album/waiting.svg")
        assert answer.headers["Cache-Control"] == "no-store"
        assert (Path(files.__file__).parents[2] / "static/album/waiting.svg").is_file()
        until = time.monotonic() + 20
        while (answer := alice_client.get(address)).status_code != 200:
            assert time.monotonic() < until
            time.sleep(0.1)
        assert body(answer)
        take_lock(item.sha256[:2]).close()  # until its row is written


def test_an_original_comes_as_it_was_and_never_as_a_page(cast: Cast, alice_client: Client) -> None:
    item = make_photo(cast.alice, original_name='Żubr "1".jpg')
    answer = alice_client.get(f"/media/{item.pk}/original/")
    assert body(answer) == scene_bytes()
    assert answer.headers["Content-Type"] == "image/jpeg"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Disposition"].startswith("attachment; filename*=utf-8''%C5%BBubr")
    assert "sandbox" in answer.headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    ("wanted", "part"),
    [("bytes=0-9", slice(0, 10)), ("bytes=100-", slice(100, None)), ("bytes=-5", slice(-5, None)),
     ("bytes=10-99999999", slice(10, None))],
)  # fmt: skip
def test_players_get_the_part_they_ask_for(cast: Cast, alice_client: Client, wanted: str, part: slice) -> None:
    item, content = make_photo(cast.alice), scene_bytes()
    answer = alice_client.get(f"/media/{item.pk}/original/", headers={"range": wanted})
    assert answer.status_code == 206
    assert body(answer) == content[part]
    assert int(answer.headers["Content-Length"]) == len(content[part])
    start = content.index(content[part])
    assert answer.headers["Content-Range"] == f"bytes {start}-{start + len(content[part]) - 1}/{len(content)}"


@pytest.mark.parametrize(
    ("wanted", "status"),
    [("bytes=99999999-", 416), ("bytes=-0", 416), ("bytes=5-2", 416), ("bytes=-", 200), ("lines=1-2", 200)],
)
def test_odd_ranges_do_no_harm(cast: Cast, alice_client: Client, wanted: str, status: int) -> None:
    item = make_photo(cast.alice)
    answer = alice_client.get(f"/media/{item.pk}/original/", headers={"range": wanted})
    assert answer.status_code == status
    assert len(body(answer)) == (item.size_bytes if status == 200 else 0)


@pytest.mark.parametrize(
    "name",
    ['<script>alert("1")</script>.jpg', "\u202egpj.exe", "a" * 251 + ".jpg", '=cmd()";x=".jpg',
     "a\r\nSet-Cookie: b=c.jpg", "../../etc/passwd", "\x7f\x01.jpg", 'ü\\"; filename=b.html'],
)  # fmt: skip
def test_a_hostile_name_stays_a_name(cast: Cast, alice_client: Client, name: str) -> None:
    item = make_photo(cast.alice)
    MediaItem.objects.update(original_name=name)
    answer = alice_client.get(f"/media/{item.pk}/original/")
    assert body(answer) == scene_bytes()
    told = answer.headers["Content-Disposition"]
    assert told.startswith("attachment") and told.isascii() and told.isprintable()
    message = Message()
    message["Content-Disposition"] = told
    assert message.get_filename() == name
    assert "Set-Cookie" not in answer.headers and answer.headers["Content-Type"] == "image/jpeg"


def test_programs_get_files_by_a_key_that_may_read(cast: Cast) -> None:
    item, client = make_photo(cast.alice, album=cast.shared), Client()
    for user, scopes, expected in (
        (cast.bob, ["read"], 200), (cast.bob, ["upload"], 302), (cast.charlie, ["read"], 404)
    ):  # fmt: skip
        _row, key = create_key(user=user, name="a program", scopes=scopes)
        answer = client.get(f"/media/{item.pk}/original/", headers={"authorization": f"Bearer {key}"})
        assert (answer.status_code, body(answer) == scene_bytes()) == (expected, expected == 200)
        assert not {COOKIE, "sessionid"} & set(client.cookies)
    assert client.get(f"/media/{item.pk}/original/", headers={"authorization": "Bearer \x00"}).status_code == 302


def test_nginx_is_told_where_the_file_lies(cast: Cast, alice_client: Client, settings, tmp_path: Path) -> None:
    settings.X_ACCEL_REDIRECT_PREFIX = "/protected/"
    item, client = make_photo(cast.alice), browser_of(cast.alice)
    folder = f"/protected/renditions/{item.sha256[:2]}/{item.sha256[2:4]}/{item.sha256}"
    expected = {
        "thumbnail": (f"{folder}/grid.webp", "image/webp"),
        "preview": (f"{folder}/preview.jpg", "image/jpeg"),
        "original": (f"/protected/{item.original.name}", "image/jpeg"),
    }
    for name, told in expected.items():
        answers: list[Any] = [alice_client.get(f"/media/{item.pk}/{name}/")]
        if name != "original":
            answers.append(knock(address_for(cast.alice, item, name), client))
        for answer in answers:
            assert (answer.headers["X-Accel-Redirect"], answer.headers["Content-Type"]) == told
            assert (answer.body if isinstance(answer, Answer) else body(answer)) == b""


def test_nginx_never_sends_what_lies_outside_of_the_storage(
    alice_client: Client, indexed: MediaItem, settings
) -> None:
    settings.X_ACCEL_REDIRECT_PREFIX = "/protected/"
    answer = alice_client.get(f"/media/{indexed.pk}/original/")
    assert "X-Accel-Redirect" not in answer.headers and body(answer) == scene_bytes()


def test_a_lost_original_is_not_found(cast: Cast, alice_client: Client) -> None:
    item = make_rows(cast.alice, 1)[0]
    assert alice_client.get(f"/media/{item.pk}/original/").status_code == 404


@pytest.fixture
def indexed(cast: Cast, tmp_path: Path) -> MediaItem:
    """A photo of alice's that was indexed in place; another file of the same size lies beside the folder."""
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "a.jpg").write_bytes(scene_bytes())
    (tmp_path / "secret").write_bytes(bytes(len(scene_bytes())))
    import_folder(ImportOptions(owner=cast.alice, folder=tmp_path / "pictures", is_in_place=True))
    return MediaItem.objects.get()


def link(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.parent.parent / "secret")


def link_of_the_same_time(path: Path) -> None:
    times = path.stat()
    os.utime(path.parent.parent / "secret", ns=(times.st_atime_ns, times.st_mtime_ns))
    link(path)


def hard_link(path: Path) -> None:
    path.unlink()
    path.hardlink_to(path.parent.parent / "secret")


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize("replace", [link, link_of_the_same_time, hard_link, pipe, Path.unlink])
def test_only_the_file_that_was_indexed_is_opened(
    alice_client: Client, indexed: MediaItem, replace: Callable[[Path], None]
) -> None:
    MediaItem.objects.update(motion_offset=0, motion_size_bytes=9)
    views = [f"/media/{indexed.pk}/{view}/" for view in ("original", "motion")]
    assert [len(body(alice_client.get(view))) for view in views] == [indexed.size_bytes, 9]
    replace(indexed.path)
    assert [alice_client.get(view).status_code for view in views] == [404, 404]


def test_what_cannot_be_read_is_not_found(
    cast: Cast, alice_client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> Path:
        raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))

    content = write_video(tmp_path / "v.mp4", ["red"]).read_bytes()
    video = make_photo(cast.alice, content=content, original_name="v.mp4", motion_offset=0, motion_size_bytes=9)
    video.path.unlink()
    monkeypatch.setattr(files, "ensure_rendition", fail)
    for make in (Path.mkdir, os.mkfifo):
        make(video.path)
        for view in ("original", "playback", "motion", "animation"):
            assert alice_client.get(f"/media/{video.pk}/{view}/").status_code == 404, view
        (Path.rmdir if make is Path.mkdir else Path.unlink)(video.path)


def caching(answer) -> str:
    body(answer)
    return str(answer.headers["Cache-Control"])


def test_what_changes_gets_another_address(cast: Cast, alice_client: Client) -> None:
    item = make_photo(cast.alice)
    addresses = {name: file_address(name, item) for name in ("preview", "original")}
    assert addresses["preview"].endswith(f"/preview/?v={item.sha256}")
    for address in addresses.values():
        assert caching(alice_client.get(address)) == "private, max-age=31536000, immutable"
    for other in ("preview/?v=", "preview/?v=00000000", "original/", "thumbnail/?v=%00"):
        assert caching(alice_client.get(f"/media/{item.pk}/{other}")) == "private, no-cache"


def test_a_video_gets_another_address_with_its_copy(cast: Cast, alice_client: Client, tmp_path: Path) -> None:
    content = write_video(tmp_path / "v.mp4", ["red"]).read_bytes()
    video = make_photo(cast.alice, content=content, needs_proxy=False)
    before = alice_client.get(f"/media/{video.pk}/").content.decode()
    MediaItem.objects.update(video_proxy="renditions/proxy.mp4")
    after = alice_client.get(f"/media/{video.pk}/").content.decode()
    old, new = (re.findall(r'src="(/media/\S+)"', page)[0] for page in (before, after))
    assert old != new and "playback" in old


def test_a_video_whose_copy_is_lost_plays_as_it_came_until_it_is_made_again(
    cast: Cast, alice_client: Client, tmp_path: Path
) -> None:
    content = write_video(tmp_path / "v.mp4", ["red"]).read_bytes()
    name = "renditions/proxy.mp4"
    video = make_photo(cast.alice, content=content, needs_proxy=True, video_proxy=name)
    answer = alice_client.get(file_address("playback", video))
    assert (body(answer), answer.headers["Cache-Control"]) == (content, "private, no-cache")
    assert MediaItem.objects.filter(WITHOUT_PROXY).get() == video

    Path(video.video_proxy.path).write_bytes(b"copy")
    MediaItem.objects.update(video_proxy=name)
    assert body(alice_client.get(file_address("playback", video))) == b"copy"


def test_the_clip_of_a_motion_photo_is_a_part_of_its_file(cast: Cast, alice_client: Client, tmp_path: Path) -> None:
    clip = write_video(tmp_path / "clip.mp4", ["red"]).read_bytes()
    photo = scene_bytes()
    item = make_photo(cast.alice, content=photo + clip, motion_offset=len(photo), motion_size_bytes=len(clip))
    assert body(alice_client.get(f"/media/{item.pk}/motion/")) == clip
    part = alice_client.get(f"/media/{item.pk}/motion/", headers={"range": "bytes=4-7"})
    assert (part.status_code, body(part)) == (206, b"ftyp")
    assert part.headers["Content-Range"] == f"bytes 4-7/{len(clip)}"


def test_the_clip_beside_a_photo_is_played_for_it(cast: Cast, alice_client: Client, tmp_path: Path) -> None:
    photo = make_photo(cast.alice)
    content = write_video(tmp_path / "clip.mp4", ["red"]).read_bytes()
    make_photo(cast.alice, content=content, original_name="clip.mp4", clip_of=photo)
    assert body(alice_client.get(f"/media/{photo.pk}/motion/")) == content
    assert alice_client.get(f"/media/{make_photo(cast.alice, seed=1).pk}/motion/").status_code == 404


def test_a_video_has_a_moving_preview(cast: Cast, alice_client: Client, tmp_path: Path) -> None:
    content = write_video(tmp_path / "v.mp4", ["red", "blue", "green"]).read_bytes()
    video = make_photo(cast.alice, content=content, original_name="v.mp4")
    with Image.open(io.BytesIO(body(alice_client.get(f"/media/{video.pk}/animation/")))) as image:
        assert image.format == "WEBP" and getattr(image, "is_animated", False)
    assert body(alice_client.get(f"/media/{video.pk}/playback/")) == content
