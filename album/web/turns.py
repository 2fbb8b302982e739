"""Short requests of a process one after the other.

Threads are there for slow lines: an upload may take minutes. Those that compute at once only take the interpreter
from one another. Measured: ``scripts/bench web --only timeline``, 8 clients, 2 processes of 4 threads, 2026-11: a
piece of the grid costs 5.1 ms CPU and 49 ms (p95) without turns, 3.3 ms and 20 ms with them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from threading import Lock, local
from typing import Any

PATIENCE_S = 0.2
"""So long a request waits for its turn; then it goes on all the same: the one before it may wait for something."""
SHORT_BYTES = 64 * 1024
"""A larger body comes over a line, and takes as long as that."""

Environ = dict[str, Any]
Application = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]


class Turns:
    """A WSGI application: ``application``, of whose short requests one at a time is answered."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._turn = Lock()
        self._mine = local()

    def __call__(self, environ: Environ, start: Callable[..., Any]) -> Iterable[bytes]:
        self._mine.has_turn = is_short(environ) and self._turn.acquire(timeout=PATIENCE_S)
        try:
            answer = self._application(environ, start)
        except BaseException:
            self._give_back()
            raise
        if is_small(answer):
            return Written(answer, self._give_back)
        self._give_back()
        return answer

    @contextmanager
    def given_back(self) -> Iterator[None]:
        """What this thread does here leaves the processor alone: others have their turn meanwhile."""
        had_turn = self._give_back()
        try:
            yield
        finally:
            self._mine.has_turn = had_turn and self._turn.acquire(timeout=PATIENCE_S)

    def _give_back(self) -> bool:
        """True if this thread had the turn."""
        had_turn: bool = getattr(self._mine, "has_turn", False)
        self._mine.has_turn = False
        if had_turn:
            self._turn.release()
        return had_turn


class Written:
    """An answer after whose writing, which takes no time, ``then`` is called.

    Who passed the turn on before would wait for the interpreter after each piece that it has sent. Measured: search
    by words, 8 clients, 2 processes: p95 35 ms, 38 without, 2026-11.
    """

    def __init__(self, answer: Any, then: Callable[[], object]) -> None:
        self._answer, self._then = answer, then

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._answer)

    def close(self) -> None:
        """The server calls it when it has sent everything, or could not."""
        try:
            self._answer.close()
        finally:
            self._then()


def is_small(answer: Any) -> bool:
    """Whether the answer is whole, and fits into the system's buffer of a line."""
    return not getattr(answer, "streaming", True) and len(answer.content) <= SHORT_BYTES


def is_short(environ: Environ) -> bool:
    """Whether all of the request is here, or nearly."""
    length = environ.get("CONTENT_LENGTH") or "0"
    return "HTTP_TRANSFER_ENCODING" not in environ and length.isdecimal() and int(length[:12]) <= SHORT_BYTES
