"""The helper process: one for all, started by who asks first, gone when idle; without it nothing fails."""

from __future__ import annotations

import os
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from pytest_django import Settings

from album.exceptions import WeightsMissing
from album.models import Embedding
from album.search import semantic, server
from album.search.lines import address_in
from album.search.looks import Found, Looks
from album.search.server import Server
from tests.cast import Cast, make_rows
from tests.faults.installation import Installation, wait_until

pytestmark = pytest.mark.django_db(transaction=True)


class FakeLooks(Looks):
    """Finds item 7, then 8, for every text, and of a picture that there are more."""

    weights = "fake"

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.pause_s = 0.0
        self.is_comparing = False
        self.met_comparing: list[bool] = []

    def refresh(self) -> None: ...

    def close(self) -> None: ...

    def vector_of(self, text):
        self.met_comparing.append(self.is_comparing)
        return np.zeros(1, np.float32)

    def of_text(self, text, most):
        self.is_comparing = True
        time.sleep(self.pause_s)
        self.is_comparing = False
        self.asked.append(text)
        return Found(np.array([7, 8][:most]), np.array([0.75, 0.5][:most], np.float32), most < 2)

    def of_picture(self, vector, most):
        return Found(np.array([7]), np.array([1], np.float32), True)


@pytest.fixture
def folder(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(semantic, "_start", lambda folder: False)
    monkeypatch.setattr(server, "LOOK_S", 0.1)
    return Path(settings.VAR_DIR) / "search"


@pytest.fixture
def fake(folder: Path) -> Iterator[FakeLooks]:
    looks = FakeLooks()
    with serving(Server(folder, lambda: looks)):
        yield looks


class serving:  # noqa: N801 - reads as a statement
    def __init__(self, served: Server) -> None:
        self.server, self.thread = served, threading.Thread(target=served.serve)

    def __enter__(self) -> Server:
        self.thread.start()
        return self.server

    def __exit__(self, *_: object) -> None:
        self.server._idle_s = -1
        self.thread.join(15)
        assert not self.thread.is_alive()


def analyzed(cast: Cast, weights: str = "fake") -> int:
    (item,) = make_rows(cast.alice, 1)
    Embedding.objects.create(item=item, weights=weights, revision="1", vector=b"\0\0")
    return item.pk


def test_texts_and_pictures_are_answered(cast: Cast, fake: FakeLooks) -> None:
    pk = analyzed(cast)
    assert semantic.like_text("a dog", most=10) == semantic.Lookalikes({7: 0.75, 8: 0.5})
    assert semantic.like_text("a dog", most=1) == semantic.Lookalikes({7: 0.75}, more=True)
    assert semantic.like_picture(pk, most=10) == semantic.Lookalikes({7: 1.0}, more=True)


def test_the_helper_works_before_anybody_waits(cast: Cast, fake: FakeLooks) -> None:
    analyzed(cast)
    assert not semantic.like_text("first", most=10).problem  # the helper listens now
    waiting = semantic.asked_text("a dog", most=10)
    wait_until(lambda: fake.asked == ["first", "a dog"], 5, "the question is answered")
    assert waiting() == semantic.Lookalikes({7: 0.75, 8: 0.5})


def test_a_picture_with_a_vector_by_other_weights_says_so(cast: Cast, fake: FakeLooks) -> None:
    assert semantic.like_picture(analyzed(cast, "others"), most=1).problem == "other weights"


def test_all_who_ask_at_once_are_answered(cast: Cast, fake: FakeLooks) -> None:
    analyzed(cast)
    assert not semantic.like_text("first", most=10).problem  # the helper listens now
    fake.pause_s = 0.02
    waiting = [semantic.asked_text(f"text {number}", most=5) for number in range(8)]
    assert [wait() for wait in waiting] == [semantic.Lookalikes({7: 0.75, 8: 0.5})] * 8
    assert sorted(fake.asked) == ["first", *(f"text {number}" for number in range(8))]


def test_a_text_is_encoded_while_others_are_compared(cast: Cast, fake: FakeLooks) -> None:
    analyzed(cast)
    fake.pause_s = 0.8
    first = threading.Thread(target=semantic.like_text, args=("a dog",), kwargs={"most": 5})
    first.start()
    wait_until(lambda: fake.is_comparing, 5, "the first is compared")
    semantic.like_text("a cat", most=5)
    first.join()
    assert fake.met_comparing[-1]


def test_who_answers_too_late_is_not_waited_for(cast: Cast, fake: FakeLooks) -> None:
    analyzed(cast)
    fake.pause_s = 2
    begun = time.monotonic()
    assert semantic.like_text("a dog", most=5).problem == "starting"
    assert time.monotonic() - begun < 1.5


def test_without_weights_the_answer_says_so(cast: Cast, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[float] = []

    def nothing() -> Looks:
        tried.append(time.monotonic())
        raise WeightsMissing("none are installed")

    analyzed(cast)
    monkeypatch.setattr(server, "LOOK_S", 2)
    with serving(Server(folder, nothing)):
        assert [semantic.like_text("a dog", most=5).problem for _ in range(5)] == ["weights"] * 5
        assert len(tried) == 1, "each question would wait for it"


def test_before_the_first_batch_nobody_is_asked(cast: Cast, folder: Path) -> None:
    assert semantic.like_text("a dog", most=5).problem == "none"
    assert not folder.exists()


@pytest.mark.parametrize(
    "nonsense",
    [
        b"",
        b"\0\0\0\2\0\0\0\0{}",
        struct.pack("!II", 2**31, 0),
        struct.pack("!II", 4, 0) + b"[[[[",
        b"GET / HTTP/1.1\r\n",
    ],
)
def test_nonsense_is_dropped_and_others_are_answered(
    cast: Cast, fake: FakeLooks, folder: Path, nonsense: bytes
) -> None:
    analyzed(cast)
    assert semantic.like_text("a dog", most=1).similarities
    with socket.socket(socket.AF_UNIX) as line, address_in(folder) as address:
        line.connect(address)
        line.sendall(nonsense)
        line.shutdown(socket.SHUT_WR)
        with suppress(ConnectionResetError):  # what was not read is answered so
            assert line.recv(1) == b""
    assert semantic.like_text("a dog", most=1).similarities


def test_it_ends_when_idle_and_when_its_parent_is_gone(folder: Path) -> None:
    for served in (Server(folder, FakeLooks, idle_s=0), Server(folder, FakeLooks, parent=os.getppid() + 1)):
        thread = threading.Thread(target=served.serve)
        thread.start()
        thread.join(15)
        assert not thread.is_alive()
        assert not (folder / "socket").exists()


def test_a_real_process_is_started_once_and_finds_a_drawn_scene(tmp_path: Path) -> None:
    installation = Installation(tmp_path)
    try:
        installation.python("""
            import io, random
            from django.contrib.auth.models import User
            from album.media.scenes import Scene, draw_scene
            from album.services.ingest import ingest_upload
            owner = User.objects.create_user("alice")
            for n, color in enumerate(("red", "green", "blue", "yellow", "purple", "orange")):
                file = io.BytesIO()
                scene = Scene("one", "white", ((color, "circle"),), "large")
                draw_scene(scene, random.Random(n), (96, 72))[0].save(file, "PNG")
                file.seek(0)
                ingest_upload(owner=owner, file=file, name=f"{n}.png")
        """)
        installation.manage("analyze_photos", "--weights", "tiny-clip", "--no-progress")
        answer = installation.python("""
            import subprocess, threading, time
            from album.models import MediaItem
            from album.search import semantic, server
            answers = []
            def ask():
                for _ in range(60):
                    found = semantic.like_text("a green circle", most=10)
                    if found.problem != "starting":
                        return answers.append(found)
            threads = [threading.Thread(target=ask) for _ in range(4)]
            [thread.start() for thread in threads]
            [thread.join() for thread in threads]
            names = [[MediaItem.objects.get(pk=pk).original_name for pk in found.similarities] for found in answers]
            print(names, semantic._child.poll())
            print(subprocess.run([*semantic._child.args[:3]], stderr=subprocess.PIPE, text=True).stderr)
            print(semantic._child.pid)
        """)
        assert "has started one already" in answer
        pid = answer.strip().splitlines()[-1]
        assert "[['1.png'], ['1.png'], ['1.png'], ['1.png']] None" in answer
        wait_until(lambda: not Path(f"/proc/{pid}").exists(), 20, "the helper to follow its parent")
    finally:
        installation.end()
