"""A time limit for work that may hang inside native code."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from album.exceptions import InferenceCancelled

GRACE_S = 15.0
"""How long work may go on after it was asked to end, before the process is given up."""


class _Alarm(BaseException):
    """Raised in the main thread; no ``except Exception`` in between may swallow it."""


@contextmanager
def time_limit(seconds: float, *, cancel: Callable[[], None], give_up: Callable[[], None]) -> Iterator[None]:
    """Bounds the block, in three steps: ``cancel()``, an exception in Python code, and ``give_up()``.

    Must run in the main thread. Raises InferenceCancelled when the block took longer than ``seconds``.
    """
    is_active = True
    main_thread = threading.get_ident()

    def interrupt(_signal: int, _frame: FrameType | None) -> None:
        if is_active:
            raise _Alarm

    def ask() -> None:
        cancel()
        if is_active:
            signal.pthread_kill(main_thread, signal.SIGALRM)

    previous = signal.signal(signal.SIGALRM, interrupt)
    timers = [threading.Timer(seconds, ask), threading.Timer(seconds + GRACE_S, give_up)]
    try:
        for timer in timers:
            timer.daemon = True
            timer.start()
        try:
            yield
        finally:
            is_active = False
    except (_Alarm, InferenceCancelled):
        raise InferenceCancelled(f"took longer than {seconds:g} s") from None
    finally:
        for timer in timers:
            timer.cancel()
        signal.signal(signal.SIGALRM, previous)
