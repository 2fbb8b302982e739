"""Sandboxes that go wrong as they are told."""

from __future__ import annotations

import errno
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from album.exceptions import StorageError
from album.media.sandbox import Sandbox
from tests.media import sandbox_calls


class CountingBox(Sandbox):
    """Counts its calls."""

    calls = 0

    def submit(self, function: Any, *args: Any, **kwargs: Any) -> Future[Any]:
        self.calls += 1
        return super().submit(function, *args, **kwargs)


class CrashingBox(CountingBox):
    """Its children die of each rendering; those that only read facts (no folder is named) live."""

    with_facts = True

    def submit(self, function: Any, *args: Any, **kwargs: Any) -> Future[Any]:
        if self.with_facts and args[-1] is None:
            return super().submit(function, *args, **kwargs)
        return super().submit(sandbox_calls.crash)


class SlowBox(CountingBox):
    """Its children sleep before they work."""

    seconds = 1.0

    def submit(self, function: Any, *args: Any, **kwargs: Any) -> Future[Any]:
        super().submit(sandbox_calls.sleep, self.seconds)
        return super().submit(function, *args, **kwargs)


class InterruptedBox(Sandbox):
    """Something happens to the files when a child is about to read them."""

    def __init__(self, event: Callable[[], object]) -> None:
        super().__init__(timeout_s=20)
        self.event = event

    def submit(self, function: Any, *args: Any, **kwargs: Any) -> Future[Any]:
        self.event()
        return super().submit(function, *args, **kwargs)


class BrokenDiskBox(CountingBox):
    """Its children meet a place of the disk that cannot be read."""

    def submit(self, function: Any, *args: Any, **kwargs: Any) -> Future[Any]:
        return super().submit(sandbox_calls.meet, errno.EIO)


class FullDiskBox(Sandbox):
    """Its children find no space."""

    def submit(self, function: Any, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_exception(StorageError("The storage fails (No space left on device)."))
        return future
