"""What the commands of ``scripts/bench`` have in common: options, titles, verdict, exit status."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

from tests.benchmarks.measuring import Figure, machine, report

Size = TypeVar("Size")
Part = tuple[str, Callable[[Size], Iterator[Figure]]]
"""Its title, and how to measure it."""


def run_parts(
    parts: Mapping[str, Part[Size]],
    arguments: list[str],
    *,
    about: str,
    sizes: tuple[Size, Size],
    prepare: Callable[[list[str]], None] = lambda names: None,
) -> int:
    """1 if a target is missed, else 0, after the wanted parts are measured and their figures printed.

    Args:
        about: name of the command and what it measures, two paragraphs.
        sizes: the full and the quick one.
        prepare: told the names of the parts that will be measured.
    """
    name, _, description = about.partition(": ")
    parser = argparse.ArgumentParser(prog=name, description=description)
    parser.add_argument("--quick", action="store_true", help="fewer rounds and files: rougher figures")
    parser.add_argument("--only", action="append", choices=parts, help="only this part; repeatable")
    options = parser.parse_args(arguments)
    names = options.only or list(parts)
    print(machine(), flush=True)
    prepare(names)
    figures = []
    for part in names:
        title, measure = parts[part]
        figures += report(f"{title} [{part}]", measure(sizes[1] if options.quick else sizes[0]))
    missed = [figure.name for figure in figures if figure.is_missed]
    print(f"\n{len(missed)} missed: {'; '.join(missed)}" if missed else "\nAll targets are met.")
    return 1 if missed else 0
