"""``scripts/bench batch``: measures the night batch and holds it to the figures that were promised.

Ends with status 1 where a target is missed. Ratios are of one run on one machine; nothing is compared with numbers
of another day.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator

from tests.benchmarks import parts
from tests.benchmarks.full_size import make_weights
from tests.benchmarks.measuring import Figure, machine, report

PARTS: dict[str, tuple[str, Callable[[parts.Size], Iterator[Figure]], bool]] = {
    "ledger": ("Claiming and recording", parts.ledger, False),
    "memory": ("Memory", parts.memory, True),
    "engines": ("Networks, one thread", parts.engines, True),
    "pipeline": ("Pipeline", parts.pipeline, True),
    "processes": ("A batch against a process per photo", parts.processes, True),
    "cuda": ("CUDA", parts.cuda, True),
}
"""Title, how to measure it, and whether it needs the networks at full size."""


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="scripts/bench batch", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds, photos and rows: rougher figures")
    parser.add_argument("--only", action="append", choices=PARTS, help="only this part; repeatable")
    options = parser.parse_args(arguments)
    size, names = parts.QUICK if options.quick else parts.FULL, options.only or list(PARTS)
    print(machine(), flush=True)
    if any(PARTS[name][2] for name in names):
        make_weights(parts.WEIGHTS)
    figures = [figure for name in names for figure in report(f"{PARTS[name][0]} [{name}]", PARTS[name][1](size))]
    missed = [figure.name for figure in figures if figure.is_missed]
    print(f"\n{len(missed)} missed: {'; '.join(missed)}" if missed else "\nAll targets are met.")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
