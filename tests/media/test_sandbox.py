"""Whatever a call does to its child, the caller gets words and the next call goes on."""

from __future__ import annotations

import errno
import json
import os
import pickle
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from pathlib import Path
from threading import Thread

import numpy as np
import psutil
import pytest

from album.exceptions import MediaError, StorageError
from album.media import sandbox
from album.media.sandbox import (
    DecoderCrashed,
    DecoderFailed,
    DecoderTimedOut,
    Sandbox,
    SandboxUnavailable,
    StorageAway,
)
from tests.media import sandbox_calls as calls

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture
def box() -> Iterator[Sandbox]:
    with Sandbox(timeout_s=20) as made:
        yield made


def own_children() -> list[psutil.Process]:
    return psutil.Process().children(recursive=True)


def wait_until(condition: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_calls_run_in_one_other_process(box: Sandbox) -> None:
    assert box.run(calls.add, 2, 3) == 5
    assert os.getpid() != box.run(calls.pid) == box.run(calls.pid)


def test_the_child_knows_neither_django_nor_secrets(box: Sandbox, monkeypatch) -> None:
    monkeypatch.setenv("SECRET_KEY", "canary")
    assert not {"django", "celery", "pytest", "numpy", "PIL"} & box.run(calls.modules)
    environment, status, oom_score = box.run(calls.surroundings)
    assert set(environment) <= {*sandbox._ENVIRONMENT, "LC_CTYPE"}
    assert "NoNewPrivs:\t1" in status
    assert int(oom_score) >= sandbox.OOM_SCORE


def test_the_child_has_its_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 3)
    with Sandbox(memory_mb=300, file_mb=7, timeout_s=20) as box:
        stated = box.run(calls.limits)
    assert stated["RLIMIT_CORE"] == (0, 0)
    assert stated["RLIMIT_DATA"] == (300 * 2**20, 300 * 2**20)
    assert stated["RLIMIT_FSIZE"] == (7 * 2**20, 7 * 2**20)
    assert stated["RLIMIT_NOFILE"] == (sandbox.OPEN_FILES, sandbox.OPEN_FILES)
    assert 65 <= stated["RLIMIT_CPU"][0] <= 67, "the time limit on each of three processors"


def test_an_error_of_the_room_arrives_as_it_is(box: Sandbox) -> None:
    with pytest.raises(MediaError, match=r"^The photo cannot be decoded: damaged\.$"):
        box.run(calls.refuse)


def test_an_unexpected_error_arrives_in_words_with_its_place_in_a_note(box: Sandbox) -> None:
    with pytest.raises(DecoderFailed, match="failed unexpectedly \\(KeyError: 'colour'\\)") as caught:
        box.run(calls.stumble)
    assert "in stumble" in caught.value.__notes__[0]
    assert box.run(calls.add, 1, 1) == 2


@pytest.mark.parametrize(("way", "words"), [(calls.crash, "SIGSEGV"), (calls.leave, "exit status 3")])
def test_a_crash_costs_one_call(box: Sandbox, way: Callable[[], None], words: str) -> None:
    first = box.run(calls.pid)
    with pytest.raises(DecoderCrashed, match=words):
        box.run(way)
    assert box.run(calls.pid) != first
    assert not psutil.pid_exists(first), "no zombie is left"


class Shell:
    """Unpickled by a parent who trusts its child, it runs a command."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[object, ...]:
        return os.system, (self.command,)


def framed(content: bytes) -> bytes:
    return len(content).to_bytes(8) + content


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"no pickle", "makes no sense"),
        (b"", "makes no sense"),
        (pickle.dumps((False, "no error")), "neither a value nor an error"),
        (pickle.dumps((True, Path())), r"pathlib\.PosixPath is part of no answer"),
        (b"cdatetime\nsys.modules\n.", r"datetime\.sys\.modules is part of no answer"),
        (b"\x80\x04\x8c\x08datetime\x8c\x0bsys.modules\x93.", r"datetime\.sys\.modules is part of no answer"),
    ],
)
def test_an_answer_that_makes_no_sense_counts_as_a_crash(box: Sandbox, content: bytes, words: str) -> None:
    with pytest.raises(DecoderCrashed, match=words):
        box.run(calls.answer_with, framed(content))
    assert box.run(calls.add, 1, 1) == 2


def test_an_answer_runs_nothing_in_the_parent(box: Sandbox, tmp_path: Path) -> None:
    with pytest.raises(DecoderCrashed, match=r"posix\.system is part of no answer"):
        box.run(calls.answer_with, framed(pickle.dumps((True, Shell(f"touch {tmp_path}/owned")))))
    assert list(tmp_path.iterdir()) == []


def test_half_an_answer_is_waited_for_no_longer_than_a_whole_one() -> None:
    with Sandbox(timeout_s=1) as box, pytest.raises(DecoderTimedOut, match="within 1 s"):
        box.run(calls.answer_with, framed(b"half")[:-2])


def test_an_answer_larger_than_the_memory_of_the_child_is_none(box: Sandbox) -> None:
    with pytest.raises(DecoderCrashed, match="makes no sense: it claims to have 1099511627776 bytes"):
        box.run(calls.answer_with, (2**40).to_bytes(8))


def test_pixels_arrive_as_they_are(box: Sandbox) -> None:
    assert np.array_equal(box.run(calls.pixels, (2, 3, 3)), calls.pixels((2, 3, 3)))


def test_what_a_decoder_started_ends_with_it(box: Sandbox) -> None:
    grandchild = psutil.Process(box.run(calls.bear_child))
    box.close()
    wait_until(lambda: not grandchild.is_running() or grandchild.status() == psutil.STATUS_ZOMBIE)


@pytest.mark.parametrize(
    ("number", "kind"), [(errno.ENOSPC, StorageError), (errno.EIO, StorageAway), (errno.ENOTCONN, StorageAway)]
)
def test_a_fault_of_the_disk_is_none_of_the_file(box: Sandbox, number: int, kind: type[StorageError]) -> None:
    with pytest.raises(StorageError) as caught:
        box.run(calls.meet, number)
    assert type(caught.value) is kind


def test_a_call_that_takes_too_long_is_killed() -> None:
    with Sandbox(timeout_s=1) as box:
        first = box.run(calls.pid)
        started = time.monotonic()
        with pytest.raises(DecoderTimedOut, match="within 1 s"):
            box.run(calls.sleep, 60)
        assert time.monotonic() - started < 3
        assert not psutil.pid_exists(first)
        assert box.run(calls.add, 1, 1) == 2


def test_more_memory_than_allowed_is_an_error_and_no_crash() -> None:
    with Sandbox(memory_mb=200, timeout_s=20) as box:
        first = box.run(calls.pid)
        with pytest.raises(DecoderFailed, match="MemoryError"):
            box.run(calls.hold, 300)
        assert box.run(calls.hold, 50) == 50 * 2**20
        assert box.run(calls.pid) == first


def test_a_file_larger_than_allowed_is_refused(tmp_path: Path) -> None:
    with Sandbox(file_mb=2, timeout_s=20) as box:
        with pytest.raises(DecoderFailed, match="File too large"):
            box.run(calls.write, tmp_path / "file", 3)
        box.run(calls.write, tmp_path / "file", 1)


def test_a_worn_child_is_replaced(monkeypatch) -> None:
    monkeypatch.setattr(sandbox, "CALLS_PER_CHILD", 3)
    with Sandbox(timeout_s=20) as box:
        pids = [box.run(calls.pid) for _ in range(7)]
    assert [len({*pids[:3]}), len({*pids[3:6]}), len({*pids})] == [1, 1, 3]


def test_workers_share_the_calls_of_many_threads() -> None:
    with Sandbox(workers=2, timeout_s=20) as box:
        sums: list[int] = []
        threads = [Thread(target=lambda n=n: sums.append(box.run(calls.add, n, 0))) for n in range(40)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(sums) == list(range(40))
        assert len({future.result() for future in [box.submit(calls.sleep, 0.3) for _ in range(2)]}) == 2


def test_without_work_the_child_ends_and_comes_back() -> None:
    with Sandbox(timeout_s=20, idle_s=0.2) as box:
        first = box.run(calls.pid)
        wait_until(lambda: not psutil.pid_exists(first))
        assert box.run(calls.pid) != first


def test_closing_kills_what_runs_and_cancels_what_waits() -> None:
    box = Sandbox(timeout_s=20)
    pid = box.run(calls.pid)
    running, waiting = box.submit(calls.sleep, 60), box.submit(calls.add, 1, 1)
    wait_until(running.running)
    box.close()
    assert not psutil.pid_exists(pid)
    with pytest.raises(DecoderCrashed):
        running.result(1)
    with pytest.raises(CancelledError):
        waiting.result(1)
    with pytest.raises(SandboxUnavailable):
        box.run(calls.pid)


def test_no_child_can_be_started_is_no_fault_of_the_file(monkeypatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with Sandbox() as box, pytest.raises(SandboxUnavailable, match="No decoder can be started"):
        box.run(calls.pid)


def test_what_cannot_be_pickled_fails_at_once(box: Sandbox) -> None:
    with pytest.raises((AttributeError, TypeError)):
        box.submit(lambda: None)


@pytest.mark.parametrize("busy", [False, True])
def test_no_orphan_outlives_a_killed_parent(busy: bool) -> None:
    work = "box.run(calls.spend, 60)" if busy else "time.sleep(60)"
    code = f"""
        import time
        from album.media.sandbox import Sandbox
        from tests.media import sandbox_calls as calls
        box = Sandbox()
        print(box.run(calls.pid), flush=True)
        {work}
    """
    parent = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    child = psutil.Process(int(parent.stdout.readline()))
    parent.send_signal(signal.SIGKILL)
    parent.communicate()
    wait_until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)


def test_it_works_in_a_pool_process_of_celery() -> None:
    """Those are daemonic, which multiprocessing forbids to have children."""
    code = """
        import json
        from celery.concurrency.asynpool import AsynPool
        from billiard.pool import Pool
        from tests.media.sandbox_calls import add
        def use_box(n):
            from multiprocessing import current_process
            from album.media.sandbox import Sandbox
            with Sandbox(timeout_s=20) as box:
                return [current_process().daemon, box.run(add, n, 1)]
        if __name__ == "__main__":
            pool = Pool(1)
            print(json.dumps([pool.apply(use_box, (n,)) for n in range(2)]), flush=True)
            pool.terminate()
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [[True, 1], [True, 2]]


def test_a_call_costs_less_than_a_millisecond_of_processor_time(box: Sandbox) -> None:
    box.run(calls.add, 0, 0)
    child = psutil.Process(box.run(calls.pid))
    before = time.process_time() + sum(child.cpu_times()[:2])
    for n in range(500):
        box.run(calls.add, n, n)
    each_ms = (time.process_time() + sum(child.cpu_times()[:2]) - before) / 500 * 1000
    assert each_ms < 1, f"{each_ms:.2f} ms"
