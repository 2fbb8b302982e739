"""What the tests of the sandbox run in its children."""

from __future__ import annotations

import math
import os
import resource
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from album.exceptions import MediaError

if TYPE_CHECKING:
    import numpy as np


def pid() -> int:
    return os.getpid()


def add(one: int, other: int) -> int:
    return one + other


def refuse() -> None:
    raise MediaError("The photo cannot be decoded: damaged.")


def stumble() -> None:
    raise KeyError("colour")


def crash() -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def leave() -> None:
    os._exit(3)


def sleep(seconds: float) -> int:
    time.sleep(seconds)
    return os.getpid()


def hold(megabytes: int) -> int:
    return len(bytearray(megabytes * 2**20))


def write(path: Path, megabytes: int) -> None:
    with path.open("wb") as file:
        for _ in range(megabytes):
            file.write(bytes(2**20))


def modules() -> set[str]:
    return {name.partition(".")[0] for name in sys.modules}


def limits() -> dict[str, tuple[int, int]]:
    names = ("RLIMIT_CORE", "RLIMIT_DATA", "RLIMIT_FSIZE", "RLIMIT_NOFILE", "RLIMIT_CPU")
    return {name: resource.getrlimit(getattr(resource, name)) for name in names}


def surroundings() -> tuple[dict[str, str], str, str]:
    status = Path("/proc/self/status").read_text()
    return dict(os.environ), status, Path("/proc/self/oom_score_adj").read_text()


def answer_with(message: bytes) -> None:
    """Writes raw bytes to the parent, as broken or smuggled code could, and then waits."""
    os.write(int(sys.argv[2]), message)
    time.sleep(60)


def pixels(shape: tuple[int, ...]) -> np.ndarray:
    import numpy as np

    return np.arange(math.prod(shape), dtype=np.uint8).reshape(shape)[::-1]


def bear_child() -> int:
    """The number of a process that this one started and that would outlive it."""
    number = os.fork()
    if number == 0:
        time.sleep(60)
        os._exit(0)
    return number


def meet(number: int) -> None:
    raise OSError(number, os.strerror(number))


def spend(seconds: float) -> None:
    while time.process_time() < seconds:
        pass
