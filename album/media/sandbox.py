"""Decoding in a child process that may be killed: what a file does to its decoder stays in that child.

The child is a bare interpreter that knows this room and nothing of Django. It takes one call at a time, as a pickle
over a socket, under limits on memory, processor time, file size and open files. That holds against crashes, hangs
and hunger. It is no prison: code that a file smuggles into the child has the rights of the account that runs the
album, though its answers can call nothing in the parent (``album.media.answers``).
"""

from __future__ import annotations

import ctypes
import errno
import math
import os
import pickle
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ParamSpec, Self, TypeVar

from album.exceptions import AlbumError, MediaError, StorageError
from album.media.answers import pack_answer, unpack_answer

P = ParamSpec("P")
R = TypeVar("R")

CALLS_PER_CHILD = 1000
"""Then a fresh one, as native libraries leak. Measured: a start costs 0.25 s CPU, so 0.25 ms per file, 2026-11."""
OPEN_FILES = 64
CPU_GRACE_S = 5
"""Beyond the time limit on every processor: threads are added up. For a parent that is stopped and cannot kill."""
OOM_SCORE = 800
"""Of 1000, added to the child's own: short of memory, the system ends the decoder and not the album."""
STORAGE_FAULTS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM}
AWAY_FAULTS = {errno.EIO, errno.ENODEV, errno.ENXIO, errno.ENOTCONN, errno.EHOSTDOWN, errno.ESTALE}
PR_SET_PDEATHSIG, PR_SET_NO_NEW_PRIVS = 1, 38
"""Source: prctl(2)."""

_ROOT = Path(__file__).resolve().parents[2]
_BOOT = "import sys; sys.path.insert(0, sys.argv[1]); from album.media.sandbox import serve; serve(*sys.argv[2:])"
_ENVIRONMENT = {
    **{"LANG": "C.UTF-8", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
    **{"MALLOC_MMAP_THRESHOLD_": str(64 * 2**20), "MALLOC_TRIM_THRESHOLD_": str(128 * 2**20)},
}
"""One thread in each numeric library, and pixels of one photo lie where those of the last one lay.

Measured: 7,137 page faults per photo of 12 megapixels become none, 20 ms less system time, same peak, 2026-11.
"""


class DecoderCrashed(MediaError):
    """The decoder died of the file."""


class DecoderTimedOut(MediaError):
    """The decoder was killed because the file took too long."""


class DecoderFailed(MediaError):
    """The decoder raised what nobody expected; a note tells where."""


class StorageAway(StorageError):
    """A disk or share gives no answer: it went away, or this part of it is broken."""


class SandboxUnavailable(AlbumError):
    """No child can be started, or the sandbox was closed: no fault of the file."""


@dataclass(eq=False)
class Sandbox:
    """Up to ``workers`` children, each started when it is needed and ended after ``idle_s`` seconds without work.

    Any thread may call it. Closing it, or leaving its ``with`` block, kills what still runs.
    """

    workers: int = 1
    memory_mb: int = 700
    timeout_s: float = 60
    file_mb: int = 512
    """The largest file that a child may write."""
    idle_s: float = 60
    _waiting: deque[tuple[Future[Any], bytes]] = field(default_factory=deque, init=False)
    _changed: threading.Condition = field(default_factory=threading.Condition, init=False)
    _threads: set[threading.Thread] = field(default_factory=set, init=False)
    _children: set[_Child] = field(default_factory=set, init=False)
    _idle: int = field(default=0, init=False)
    _is_closed: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        if self.workers < 1:
            raise ValueError(f"a sandbox needs a worker, not {self.workers}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def run(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """What ``function(*args)`` returns in a child; it and its arguments must be picklable.

        Raises:
            MediaError: of the function itself, or DecoderCrashed, DecoderTimedOut, DecoderFailed.
            StorageError: the child cannot read or write its files.
            SandboxUnavailable: no child can be started.
        """
        return self.submit(function, *args, **kwargs).result()

    def submit(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> Future[R]:
        """The same, later: calls begin in the order in which they came."""
        future: Future[R] = Future()
        request = pickle.dumps((function, args, kwargs))
        with self._changed:
            if self._is_closed:
                raise SandboxUnavailable("The decoder was ended. Try again.")
            self._waiting.append((future, request))
            if self._idle >= len(self._waiting):
                self._changed.notify()
            elif len(self._threads) < self.workers:
                # The system ends a child with the thread that started it: so each has a thread of its own.
                thread = threading.Thread(target=self._work, name="sandbox", daemon=True)
                self._threads.add(thread)
                thread.start()
        return future

    def close(self) -> None:
        """Kills the children and cancels what has not begun."""
        with self._changed:
            self._is_closed = True
            while self._waiting:
                self._waiting.popleft()[0].cancel()
            for child in self._children:
                child.kill()
            threads = list(self._threads)
            self._changed.notify_all()
        for thread in threads:
            thread.join()

    def _work(self) -> None:
        """One thread: calls, one after the other, in one child that is replaced when it dies or is worn."""
        child: _Child | None = None
        while (call := self._next_call()) is not None:
            future, request = call
            if not future.set_running_or_notify_cancel():
                continue
            try:
                if child is None:
                    child = self._start_child()
                is_good, value = child.ask(request, self.timeout_s)
            except Exception as error:  # noqa: BLE001 - handed over to the thread that waits
                self._end(child)
                child = None
                future.set_exception(error)
                continue
            if child.calls >= CALLS_PER_CHILD:
                self._end(child)
                child = None
            if is_good:
                future.set_result(value)
            else:
                future.set_exception(value)
        self._end(child)

    def _next_call(self) -> tuple[Future[Any], bytes] | None:
        with self._changed:
            self._idle += 1
            self._changed.wait_for(lambda: self._waiting or self._is_closed, self.idle_s)
            self._idle -= 1
            if self._waiting:
                return self._waiting.popleft()
            self._threads.discard(threading.current_thread())
            return None

    def _start_child(self) -> _Child:
        limits = (self.memory_mb, self.file_mb, int(self.timeout_s) * (os.cpu_count() or 1) + CPU_GRACE_S)
        child = _Child(limits)
        with self._changed:
            self._children.add(child)
            if self._is_closed:
                child.kill()
        return child

    def _end(self, child: _Child | None) -> None:
        if child is not None:
            with self._changed:
                self._children.discard(child)
            child.end()


class _Child:
    """A process that serves calls, seen from its parent."""

    def __init__(self, limits: tuple[int, ...]) -> None:
        self.calls = 0
        self._answer_max_bytes = limits[0] * 2**20  # it cannot hold a larger one
        self._channel, theirs = socket.socketpair()
        command = [sys.executable, "-I", "-c", _BOOT, str(_ROOT)]
        numbers = (theirs.fileno(), os.getpid(), *limits)
        try:
            # A session of its own: Ctrl-C in a terminal reaches the parent only, and what it starts dies with it.
            self.process = subprocess.Popen(
                [*command, *map(str, numbers)],
                env=_ENVIRONMENT,
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        except OSError as error:
            self._channel.close()
            raise SandboxUnavailable(f"No decoder can be started ({error.strerror}). Free some memory.") from error
        finally:
            theirs.close()

    def ask(self, request: bytes, timeout_s: float) -> tuple[bool, Any]:
        """Whether the call succeeded, and what it returned or raised."""
        self.calls += 1
        until = time.monotonic() + timeout_s
        try:
            self._channel.settimeout(timeout_s)
            _send(self._channel, request)
            return unpack_answer(_receive(self._channel, self._answer_max_bytes, until))
        except TimeoutError:
            raise DecoderTimedOut(
                f"The file cannot be decoded: its decoder did not end within {timeout_s:g} s. "
                "An administrator may raise DECODE_TIMEOUT_S."
            ) from None
        except (EOFError, OSError) as error:
            raise _crash(_describe_end(self.end())) from error
        except pickle.UnpicklingError as error:
            raise _crash(f"its answer makes no sense: {error}"[:200]) from error

    def kill(self) -> None:
        """Ends the process and those that it started."""
        if self.process.returncode is None:  # else the number may be another's by now
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)

    def end(self) -> int:
        """The exit status of the process, which is killed if it lives."""
        self._channel.close()
        self.kill()
        return self.process.wait()


def _crash(reason: str) -> DecoderCrashed:
    return DecoderCrashed(
        f"The file cannot be decoded: the decoder crashed ({reason}). The original is kept; you can download it."
    )


def _describe_end(status: int) -> str:
    if status == -signal.SIGKILL:
        return "killed, most likely for its memory"
    return signal.Signals(-status).name if status < 0 else f"exit status {status}"


def serve(fd: str, parent: str, memory_mb: str, file_mb: str, cpu_s: str) -> None:
    """The whole life of a child: answers calls until its parent closes the connection or dies."""
    _confine(int(parent), int(memory_mb), int(file_mb))
    channel = socket.socket(fileno=int(fd))
    while True:
        try:
            request = _receive(channel)
        except EOFError:
            return
        resource.setrlimit(resource.RLIMIT_CPU, (int(time.process_time()) + int(cpu_s), resource.RLIM_INFINITY))
        _send(channel, _answer(request))


def _send(channel: socket.socket, message: bytes) -> None:
    channel.sendall(len(message).to_bytes(8))
    channel.sendall(message)


def _receive(channel: socket.socket, max_bytes: float = math.inf, until: float = math.inf) -> bytearray:
    """The next message. Raises EOFError where there is none, TimeoutError at ``until``."""
    size = int.from_bytes(_take(channel, 8, until))
    if size > max_bytes:
        raise pickle.UnpicklingError(f"it claims to have {size} bytes")
    return _take(channel, size, until)


def _take(channel: socket.socket, size: int, until: float) -> bytearray:
    message = bytearray(size)
    rest = memoryview(message)
    while rest:
        if until < math.inf:
            channel.settimeout(max(until - time.monotonic(), 0.001))
        count = channel.recv_into(rest)
        if not count:
            raise EOFError
        rest = rest[count:]
    return message


def _confine(parent: int, memory_mb: int, file_mb: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    for limit, most in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_DATA, memory_mb * 2**20),
        (resource.RLIMIT_FSIZE, file_mb * 2**20),
        (resource.RLIMIT_NOFILE, OPEN_FILES),
    ):
        resource.setrlimit(limit, (most, most))
    with suppress(OSError):  # the service may stand higher already
        Path("/proc/self/oom_score_adj").write_text(str(OOM_SCORE), encoding="ascii")


def _answer(request: bytearray) -> bytes:
    try:
        function, args, kwargs = pickle.loads(request)  # noqa: S301 - from our parent
        return pack_answer((True, function(*args, **kwargs)))
    except Exception as error:  # noqa: BLE001 - the wall of this room: nothing that a file causes passes it
        fault = storage_fault(error) or (error if isinstance(error, AlbumError) else _unexpected(error))
        return pack_answer((False, fault))


def storage_fault(error: BaseException) -> StorageError | None:
    """The error of the disk that lies behind ``error``, if one does: no fault of the file that was decoded."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno in STORAGE_FAULTS | AWAY_FAULTS:
            kind = StorageAway if cause.errno in AWAY_FAULTS else StorageError
            return kind(f"The storage fails ({cause.strerror}). Check the disk and its free space.")
        cause = cause.__cause__ or cause.__context__
    return None


def _unexpected(error: Exception) -> DecoderFailed:
    import traceback

    reason = f"{type(error).__name__}: {error}"[:300]
    failed = DecoderFailed(f"The file cannot be decoded: its decoder failed unexpectedly ({reason}).")
    failed.add_note("".join(traceback.format_exception(error)))
    return failed
