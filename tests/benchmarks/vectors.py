"""One question to all vectors: ``python -m tests.benchmarks.vectors COUNT``, with one thread by its environment.

Prints what it costs in the album's file, what the product of the same vectors as float32 costs numpy, and how many
of the first 60 by numpy the file finds. Random unit vectors are the hardest case: none stands out.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from album.inference.results import FloatArray
from album.search.vectors import VectorFile
from tests.benchmarks.measuring import FOLDER, in_turns

DIMENSION, ROUNDS, QUESTIONS, FIRST = 512, 15, 50, 60


def main(count: str) -> None:
    dice = np.random.default_rng(4)
    rows = dice.standard_normal((int(count), DIMENSION), dtype=np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    questions = dice.standard_normal((QUESTIONS, DIMENSION), dtype=np.float32)
    questions /= np.linalg.norm(questions, axis=1, keepdims=True)
    with tempfile.TemporaryDirectory(dir=FOLDER) as folder:
        file = VectorFile(Path(folder, "a.vectors"), DIMENSION)
        file.put((place, row.astype("<f2").tobytes()) for place, row in enumerate(rows))
        asked: Callable[[FloatArray], object] = file.likeness
        ours, theirs = in_turns(ROUNDS, lambda: _cpu_s(asked, questions[0]), lambda: _cpu_s(rows.dot, questions[0]))
        kept = [
            len(
                {*file.likeness(question).best(FIRST, -1).tolist()}
                & {*np.argsort(-(rows @ question))[:FIRST].tolist()}
            )
            for question in questions
        ]
    print(json.dumps({"ours": ours, "theirs": theirs, "recall": sum(kept) / FIRST / QUESTIONS}))


def _cpu_s(product: Callable[[FloatArray], object], question: FloatArray) -> float:
    started = time.process_time()
    product(question)
    return time.process_time() - started


if __name__ == "__main__":
    main(*sys.argv[1:])
