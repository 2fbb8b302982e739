"""Names of the classes that detectors and classifiers count, one per line of a text file beside this one."""

from __future__ import annotations

from functools import cache
from pathlib import Path


@cache
def read_labels(name: str) -> tuple[str, ...]:
    """The names in ``name``.txt, in the order of the network's outputs; lines that begin with ``#`` are remarks."""
    lines = (Path(__file__).parent / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    return tuple(line for line in lines if line and not line.startswith("#"))
