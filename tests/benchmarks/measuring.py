"""Figures, their targets, and child processes whose whole cost is known."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import psutil

REPOSITORY = Path(__file__).resolve().parents[2]
FOLDER = REPOSITORY / "var" / "bench"
MB = 1_000_000


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured number; ``least`` or ``most`` is its target, if it has one."""

    name: str
    value: float
    unit: str = ""
    least: float | None = None
    most: float | None = None
    note: str = ""

    @property
    def is_missed(self) -> bool:
        too_small = self.least is not None and self.value < self.least
        return too_small or (self.most is not None and self.value > self.most)

    def __str__(self) -> str:
        target = (
            f"≥ {self.least:g}" if self.least is not None else f"≤ {self.most:g}" if self.most is not None else ""
        )
        verdict = ("MISS" if self.is_missed else "PASS") if target else ""
        number = f"{self.value:,.4g}" if self.value < 1000 else f"{self.value:,.0f}"
        note = f" ({self.note})" if self.note else ""
        return f"  {verdict:4}  {number:>8} {self.unit:<4} {target:<9} {self.name}{note}"


@dataclass(frozen=True, slots=True)
class Spent:
    """What a finished process cost, its own children included, and the JSON of its last line."""

    cpu_s: float
    wall_s: float
    output: str

    @property
    def answer(self) -> dict[str, Any]:
        return dict(json.loads(self.output.strip().splitlines()[-1]))


def run_child(*arguments: object, env: Mapping[str, str] | None = None) -> Spent:
    """A Python process, run to its end. Raises RuntimeError with its output where it fails."""
    command = [sys.executable, *map(str, arguments)]
    started = time.monotonic()
    with subprocess.Popen(
        command, cwd=REPOSITORY, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        output = process.stdout.read() if process.stdout else ""
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}:\n{output[-3000:]}")
    return Spent(usage.ru_utime + usage.ru_stime, time.monotonic() - started, output)


def peak_mb() -> float:
    """The largest resident memory of this process so far (VmHWM), in MB."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("VmHWM"))) * 1024 / MB


def pss_mib(pid: int) -> float:
    """The memory of a process and its children in MiB, what they share counted once."""
    family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    return sum(member.memory_full_info().pss for member in family) / 2**20


def in_turns(count: int, *ways: Callable[[], float]) -> tuple[list[float], ...]:
    """The results of calling each way ``count`` times, one after the other, so that a noisy hour hits all alike."""
    rounds = [[way() for way in ways] for _ in range(count)]
    return tuple([one[place] for one in rounds] for place in range(len(ways)))


def median_ratio(above: Sequence[float], below: Sequence[float]) -> float:
    """The median of the ratios of what was measured side by side."""
    return median(one / other for one, other in zip(above, below, strict=True))


def machine() -> str:
    """Cores and instruction sets, and how busy the machine is besides."""
    from album.inference.hardware import detect_hardware

    found = detect_hardware()
    sets = " ".join(found.instruction_sets)
    return f"{found.architecture}, {found.cores} cores, {sets}; load of the last minute {os.getloadavg()[0]:.1f}"


def report(title: str, figures: Iterator[Figure]) -> list[Figure]:
    """The figures, each printed as it comes."""
    print(f"\n{title}", flush=True)
    printed = []
    for figure in figures:
        print(figure, flush=True)
        printed.append(figure)
    return printed
