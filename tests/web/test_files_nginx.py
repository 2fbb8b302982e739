"""nginx sends the files, and the album says which: from the site file of this repository to the bytes."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Iterator
from contextlib import closing
from email.message import Message
from pathlib import Path

import pytest

from album.web.grants import KNOWN_FOR_S
from tests.cast import scene_bytes
from tests.faults.installation import Installation
from tests.faults.web import Member, WebServer
from tests.media.video_files import write_video
from tests.web.nginx import PREFIX, Nginx, find_nginx

MAKE = """
    from pathlib import Path
    from django.contrib.auth.models import User
    from album.preparation.prepare import prepare_item
    from album.services.ingest import ingest_upload
    for name in ("alice", "charlie"):
        User.objects.create_user(name, password="correct horse")
    for name in ("photo.jpg", "video.mp4"):
        with Path({folder!r}, name).open("rb") as file:
            prepare_item(ingest_upload(owner=User.objects.get(username="alice"), file=file, name=name).item)
"""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("files")
    (folder / "photo.jpg").write_bytes(scene_bytes())
    write_video(folder / "video.mp4", ["red", "blue"])
    return folder


@pytest.fixture(scope="module")
def nginx(tmp_path_factory: pytest.TempPathFactory, files: Path) -> Iterator[Nginx]:
    find_nginx()
    folder = tmp_path_factory.mktemp("site")
    installation = Installation(
        folder,
        {
            "CELERY_BROKER_URL": "filesystem://localhost",
            "X_ACCEL_REDIRECT_PREFIX": PREFIX,
            "ALLOWED_HOSTS": "127.0.0.1",
        },
    )
    try:
        installation.python(MAKE.format(folder=str(files)))
        with (
            WebServer(installation, workers=2) as server,
            Nginx(folder / "nginx", server.port, folder / "var" / "media") as nginx,
        ):
            nginx.installation = installation
            yield nginx
    finally:
        installation.end()


@pytest.fixture
def alice(nginx: Nginx) -> Member:
    return Member(nginx.port).sign_in()


def get(member: Member, path: str, **headers: str) -> tuple[int, Message, bytes]:
    cookie = "; ".join(f"{name}={value}" for name, value in member.cookies.items())
    with closing(http.client.HTTPConnection("127.0.0.1", member.port, timeout=60)) as connection:
        connection.request("GET", path, headers={"Cookie": cookie, **headers})
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()


def test_an_original_comes_whole_under_its_name(alice: Member, files: Path) -> None:
    status, headers, body = get(alice, "/media/1/original/")
    assert (status, body) == (200, (files / "photo.jpg").read_bytes())
    assert (headers["Content-Type"], headers["Content-Disposition"]) == (
        "image/jpeg",
        'attachment; filename="photo.jpg"',
    )
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in headers["Content-Security-Policy"]
    assert headers["Cache-Control"] == "private, no-cache"
    assert "X-Accel-Redirect" not in headers


def test_a_thumbnail_is_kept_for_ever_by_who_may_see_it(alice: Member, nginx: Nginx) -> None:
    address = small_address(alice)
    status, headers, body = get(alice, address)
    assert (status, headers["Content-Type"], body[:4]) == (200, "image/webp", b"RIFF")
    assert headers["Cache-Control"] == "private, max-age=31536000, immutable"
    assert get(alice, address, **{"If-None-Match": headers["ETag"]})[0] == 304
    assert get(Member(nginx.port), address)[0] == 302


def test_a_player_gets_the_part_of_a_video_that_it_asks_for(alice: Member, files: Path) -> None:
    content = (files / "video.mp4").read_bytes()
    status, headers, body = get(alice, "/media/2/playback/", Range="bytes=100-299")
    assert (status, body) == (206, content[100:300])
    assert headers["Content-Range"] == f"bytes 100-299/{len(content)}"
    assert headers["Content-Type"] == "video/mp4"


def test_every_process_hears_within_seconds_that_somebody_was_switched_off(alice: Member, nginx: Nginx) -> None:
    address, switch = small_address(alice), "print(User.objects.filter(username='alice').update(is_active={}))"
    assert get(alice, address)[0] == 200
    try:
        nginx.installation.python(f"from django.contrib.auth.models import User; {switch.format(False)}")
        time.sleep(KNOWN_FOR_S + 1)
        assert {get(alice, address)[0] for _ in range(20)} == {302}
    finally:
        nginx.installation.python(f"from django.contrib.auth.models import User; {switch.format(True)}")


@pytest.mark.parametrize("name", ["", "originals/", "../photo_album.sqlite3", "%2e%2e/secret_key"])
def test_nobody_gets_a_file_by_its_place(alice: Member, name: str) -> None:
    assert get(alice, PREFIX + name)[0] in (400, 404)


def test_json_and_pages_are_compressed(alice: Member) -> None:
    _, headers, _ = get(alice, "/static/album/album.css", **{"Accept-Encoding": "gzip"})
    assert headers["Content-Encoding"] == "gzip"


def small_address(member: Member) -> str:
    """The address of the first thumbnail in the timeline."""
    status, _, body = get(member, "/timeline/items/")
    assert status == 200
    return str(json.loads(body)["rows"][0]["picture"])
