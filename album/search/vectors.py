"""The vectors of all items in one file, memory-mapped: exact search, and nothing to rebuild when items come.

A row is what an item looks like in the space of one encoder, as 8-bit numbers and their scale: a fourth of float32.
A hundred thousand rows of 512 take 52 MB of the system's page cache, which it can take back. They are multiplied as
they lie there, by ONNX Runtime: processors have instructions for 8-bit numbers that numpy does not use.
Measured: recall@60 against float32 on 100,000 random unit vectors 0.99 (docs/decisions/0015-search.md).
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from album.inference.results import FloatArray
from album.inference.sessions import open_onnx

PRODUCT = Path(__file__).with_name("product.onnx")
"""A MatMulInteger, whose zero point is ``ZERO``, and the sum of digits: tests/search/test_vectors.py makes it."""
ZERO = 128
"""What stands for 0: the runtime's fast products want rows without sign."""
CHUNK_ROWS = 16384
DIGIT = 63
"""A question is written with two digits from -63 to 63 for each number, which keeps it to 13 bits.

Larger ones would overflow where a processor without VNNI adds two products to 16 bits: 2 · 255 · 63 fit.
"""
BASE = 2 * DIGIT + 1
"""What the first digit counts."""
SAMPLE = 5000
_MAD_TO_DEVIATION = 1.4826  # Source: the quartile of the normal distribution, 1 / 0.67449


@dataclass(frozen=True, slots=True)
class Likeness:
    """How near each row is to a vector, with the level and scatter of rows that have nothing to do with it.

    ``level`` and ``scatter`` are median and scaled median absolute deviation, which the few true ones do not move.
    """

    similarities: FloatArray
    level: float
    scatter: float

    def best(self, most: int, least: float) -> NDArray[np.int64]:
        """At most ``most`` rows of a similarity of at least ``least``, the nearest first."""
        values = self.similarities
        rows = np.flatnonzero(values >= least)
        if len(rows) > most:
            rows = rows[np.argpartition(-values[rows], most)[:most]]
        ordered: NDArray[np.int64] = rows[np.argsort(-values[rows], kind="stable")]
        return ordered


class VectorFile:
    """Rows of ``item, scale, numbers``. One process writes it at a time; what a crash cut short is left out."""

    def __init__(self, path: Path, dimension: int) -> None:
        self.path, self.dimension = path, dimension
        self._type = np.dtype([("item", "<i8"), ("scale", "<f4"), ("numbers", "u1", (dimension,))])
        self._product = open_onnx(PRODUCT, threads=1)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(mode=0o600)
        self._map()

    def __len__(self) -> int:
        return len(self._rows)

    def clear(self) -> None:
        """Nothing; all rows are gone."""
        os.truncate(self.path, 0)
        self._map()

    def put(self, vectors: Iterable[tuple[int, bytes]]) -> int:
        """How many rows were written: ``(item id, float16 bytes)``. What an item had before is replaced."""
        latest = {item: data for item, data in vectors if len(data) == 2 * self.dimension}
        if not latest:
            return 0
        rows = self._quantized(latest)
        places = {int(item): place for place, item in enumerate(self.items.tolist()) if item in latest}
        with self.path.open("r+b") as file:
            file.truncate(len(self) * self._type.itemsize)
            for row in rows:
                if (place := places.get(int(row["item"]))) is not None:
                    file.seek(place * self._type.itemsize)
                    file.write(row.tobytes())
            file.seek(0, os.SEEK_END)
            file.write(rows[[int(row["item"]) not in places for row in rows]].tobytes())
        self._map()
        return len(rows)

    def likeness(self, vectors: FloatArray) -> list[Likeness]:
        """For each of ``(Q, D) float32`` unit vectors how near every item is to it. One pass for all of them."""
        steps = np.maximum(np.abs(vectors).max(axis=1), 1e-6) / (DIGIT * BASE)
        numbers = np.rint(vectors / steps[:, None])
        high = np.rint(numbers / BASE)
        digits = np.zeros((self._type.itemsize, 2, len(vectors)), np.int8)  # also for item and scale: by zeros
        digits[-self.dimension :] = np.stack((high, numbers - BASE * high)).T.swapaxes(1, 2)
        worth = np.concatenate((np.diag(steps * BASE), np.diag(steps)), axis=1, dtype=np.float32)
        asked = {"digits": digits.reshape(len(digits), -1), "worth": worth}
        near = np.empty((len(vectors), len(self)), np.float32)
        bytes_of_rows = self._rows.view(np.uint8).reshape(len(self), self._type.itemsize)
        for start in range(0, len(self), CHUNK_ROWS):
            rows = slice(start, start + CHUNK_ROWS)
            given = {"rows": bytes_of_rows[rows], "scales": self._scales[None, rows]}
            (near[:, rows],) = self._product.run(given | asked)
        return [_with_level(row) for row in near]

    def _quantized(self, vectors: dict[int, bytes]) -> NDArray[Any]:
        numbers = np.frombuffer(b"".join(vectors.values()), "<f2").reshape(-1, self.dimension).astype(np.float32)
        numbers = np.nan_to_num(numbers)
        scales = np.maximum(np.abs(numbers).max(axis=1), 1e-6) / 127
        rows = np.empty(len(vectors), self._type)
        rows["item"] = np.fromiter(vectors, np.int64, len(vectors))
        rows["scale"] = scales
        rows["numbers"] = np.rint(numbers / scales[:, None]) + ZERO
        return rows

    def _map(self) -> None:
        count = self.path.stat().st_size // self._type.itemsize
        self._rows = np.memmap(self.path, self._type, "r", shape=(count,)) if count else np.empty(0, self._type)
        # Once more, 12 bytes a row: to pick them out of the file takes a fifth of a pass.
        self.items: NDArray[np.int64] = self._rows["item"].copy()
        self._scales: NDArray[np.float32] = self._rows["scale"].copy()


def _with_level(similarities: FloatArray) -> Likeness:
    sample = similarities[:: max(1, len(similarities) // SAMPLE)]
    level = float(np.median(sample)) if len(sample) else 0.0
    scatter = _MAD_TO_DEVIATION * float(np.median(np.abs(sample - level))) if len(sample) else 0.0
    return Likeness(similarities, level, max(scatter, 1e-6))
