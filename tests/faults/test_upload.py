"""Uploads through a real web server that is killed, or runs out of space: what was acknowledged stays."""

from __future__ import annotations

import hashlib
import http.client
import io
import os
import socket
import struct
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from PIL import Image

from tests.faults.installation import Installation
from tests.faults.web import WebServer, make_alice


def photo(seed: int, size_bytes: int = 0) -> bytes:
    """A small PNG, followed by zeros up to ``size_bytes``."""
    file = io.BytesIO()
    Image.new("RGB", (8, 8), (seed % 256, seed // 256, 0)).save(file, "PNG")
    return file.getvalue().ljust(size_bytes, b"\0")


def originals(installation: Installation) -> dict[str, bytes]:
    """What lies under a final name, by that name without its extension."""
    root = installation.folder / "var" / "media" / "originals"
    return {path.stem: path.read_bytes() for path in root.glob("*/*")}


def rows(installation: Installation) -> list[str]:
    return sorted(installation.ask("list(MediaItem.objects.values_list('sha256', flat=True))"))


@pytest.mark.parametrize(
    ("step", "status"),
    [
        ("upload-begun", "stored"),
        ("upload-written", "stored"),
        ("upload-synced", "stored"),
        ("upload-placed", "stored"),
        ("upload-committed", "duplicate"),
    ],
)
def test_a_server_killed_at_any_step_loses_nothing_and_leaves_no_half_file(
    installation: Installation, step: str, status: str
) -> None:
    make_alice(installation)
    acknowledged, cut = photo(0, 3_000_000), photo(1, 3_000_000)
    # The first upload passes; the second one, in the same process, is killed.
    with WebServer(installation, workers=1, PHOTO_ALBUM_FAILPOINT=f"{step}:2") as server:
        alice = server.alice()
        kept = alice.upload("kept.png", acknowledged)
        with pytest.raises((http.client.HTTPException, OSError)):
            alice.upload("cut.png", cut)

    with WebServer(installation) as server:
        alice = server.alice()
        found = originals(installation)
        assert {name: hashlib.sha256(content).hexdigest() for name, content in found.items()} == {
            n: n for n in found
        }
        assert set(rows(installation)) <= set(found)
        assert alice.get(f"/media/{kept[1]['id']}/original/") == (200, acknowledged)

        assert alice.upload("again.png", cut)[1]["status"] == status
    both = sorted(hashlib.sha256(content).hexdigest() for content in (acknowledged, cut))
    assert rows(installation) == sorted(originals(installation)) == both


@pytest.mark.parametrize(("step", "at_least"), [("upload-piece:5", 500_000), ("upload-placed:1", 0)])
def test_an_upload_in_pieces_goes_on_after_the_server_was_killed(
    installation: Installation, step: str, at_least: int
) -> None:
    make_alice(installation)
    content = photo(1, 1_000_000)
    with WebServer(installation, workers=1, PHOTO_ALBUM_FAILPOINT=step) as server:
        alice = server.alice()
        address = alice.begin_upload("cut.png", len(content))
        with pytest.raises((http.client.HTTPException, OSError)):
            alice.send_piece(address, content, 0)

    with WebServer(installation) as server:
        alice.port = server.port
        status, headers = alice.tus("HEAD", address)
        if status == 200:
            offset = int(headers["Upload-Offset"])
            assert at_least <= offset < len(content)
            assert alice.send_piece(address, content[offset:], offset)["status"] == "stored"
        else:  # it had its final name already, without a row
            address = alice.begin_upload("again.png", len(content))
            assert alice.send_piece(address, content, 0)["status"] == "stored"
    assert list(originals(installation).values()) == [content]
    assert rows(installation) == [hashlib.sha256(content).hexdigest()]


@pytest.mark.parametrize("ends", ["in order", "with a reset"])
def test_a_file_whose_connection_ends_before_it_is_not_taken_for_whole(
    installation: Installation, ends: str
) -> None:
    make_alice(installation)
    with WebServer(installation) as server:
        alice = server.alice()
        cookie = "; ".join(f"{name}={value}" for name, value in alice.cookies.items())
        with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)) as connection:
            connection.putrequest("POST", "/upload/?name=cut.png")
            stated = {"Content-Length": "3000000", "Content-Type": "application/octet-stream", "Cookie": cookie}
            for header in (stated | {"X-CSRFToken": alice.cookies["csrftoken"]}).items():
                connection.putheader(*header)
            connection.endheaders(photo(1, 1_000_000))
            if ends == "in order":
                connection.sock.shutdown(socket.SHUT_WR)
                assert connection.getresponse().status == 422
            else:
                connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        assert alice.upload_raw("whole.png", photo(2))[0] == 201
    # The server has ended, and all that it had begun.
    assert list(originals(installation).values()) == [photo(2)]
    assert len(rows(installation)) == 1
    assert not list(installation.folder.glob("var/media/originals/*.part"))
    assert "Traceback" not in (installation.folder / "gunicorn.log").read_text()


@contextmanager
def small_volume(folder: Path) -> Iterator[None]:
    """``folder`` on a volume of 8 MB."""
    folder.mkdir(parents=True)
    command = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(command, check=False, capture_output=True).returncode != 0:
        pytest.skip("a small volume needs root, and a machine that lets it mount")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder: Path) -> Path:
    """A file that takes all the space that is left."""
    path = folder / "filler"
    with path.open("wb", buffering=0) as file:
        for size in (65_536, 4_096, 1):
            try:
                while file.write(bytes(size)):
                    pass
            except OSError:
                continue
    return path


@pytest.mark.parametrize("volume", ["media", "database"])
def test_a_full_volume_is_said_and_nothing_else_breaks(tmp_path: Path, volume: str) -> None:
    folder = tmp_path / volume
    name = "MEDIA_ROOT" if volume == "media" else "DATABASE_URL"
    value = str(folder) if volume == "media" else f"sqlite:///{folder}/db.sqlite3"
    with small_volume(folder):
        installation = Installation(tmp_path, {name: value})
        try:
            make_alice(installation)
            with WebServer(installation) as server:
                alice = server.alice()
                assert alice.upload("first.png", photo(0))[0] == 201
                filler = fill(folder)

                # The database may still have some room in pages that it holds.
                answers = [alice.upload(f"{n}.png", photo(n, 5_000)) for n in range(1, 100)]
                refused = [answer for answer in answers if answer[0] != 201]
                assert refused
                assert {status for status, _ in refused} == {507}
                assert all("storage full" in answer["detail"] for _, answer in refused)
                assert alice.get("/")[0] == 200
                assert alice.get("/media/1/original/") == (200, photo(0))

                filler.unlink()
                stored = len(answers) - len(refused)
                assert alice.upload("after.png", photo(999))[0] == 201
            assert installation.ask("MediaItem.objects.count()") == stored + 2
            root = folder if volume == "media" else tmp_path / "var" / "media"
            assert len(list(root.glob("originals/*/*"))) == stored + 2
            assert list(root.glob("originals/*.part")) == []
        finally:
            installation.end()


def test_one_file_from_eight_browsers_at_once_becomes_one_row(installation: Installation) -> None:
    make_alice(installation)
    content = photo(0, 1_000_000)
    with WebServer(installation) as server:
        browsers = [server.alice() for _ in range(8)]
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda browser: browser.upload("a.png", content), browsers))
    assert sorted(answer["status"] for _, answer in answers) == ["duplicate"] * 7 + ["stored"]
    assert len({answer["id"] for _, answer in answers}) == 1
    assert rows(installation) == list(originals(installation))
