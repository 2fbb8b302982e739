"""``scripts/bench batch``: measures the night batch and holds it to the figures that were promised.

Ends with status 1 where a target is missed. Ratios are of one run on one machine; nothing is compared with numbers
of another day.
"""

from __future__ import annotations

import sys

from tests.benchmarks import parts
from tests.benchmarks.command import Part, run_parts
from tests.benchmarks.full_size import make_weights

PARTS: dict[str, Part[parts.Size]] = {
    "ledger": ("Claiming and recording", parts.ledger),
    "memory": ("Memory", parts.memory),
    "engines": ("Networks, one thread", parts.engines),
    "pipeline": ("Pipeline", parts.pipeline),
    "processes": ("A batch against a process per photo", parts.processes),
    "cuda": ("CUDA", parts.cuda),
}
NEED_NO_WEIGHTS = {"ledger"}


def prepare(names: list[str]) -> None:
    if not NEED_NO_WEIGHTS.issuperset(names):
        make_weights(parts.WEIGHTS)


def main(arguments: list[str]) -> int:
    return run_parts(
        PARTS,
        arguments,
        about="scripts/bench batch: measures the night batch and holds it to the figures that were promised",
        sizes=(parts.FULL, parts.QUICK),
        prepare=prepare,
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
