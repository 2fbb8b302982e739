"""Sandboxes that go wrong as they are told."""

from __future__ import annotations

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


class FullDiskBox(Sandbox):
    """Its children find no space."""

    def submit(self, function: Any, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_exception(StorageError("The storage fails (No space left on device)."))
        return future
