"""The file of vectors finds what exact arithmetic finds, and survives being cut short."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from album.search.vectors import VectorFile

DIMENSION = 64


def unit_rows(count: int, seed: int = 0) -> np.ndarray:
    rows = np.random.default_rng(seed).standard_normal((count, DIMENSION)).astype(np.float32)
    unit: np.ndarray = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return unit


def stored(rows: np.ndarray, first_id: int = 1) -> list[tuple[int, bytes]]:
    return [(first_id + place, row.astype("<f2").tobytes()) for place, row in enumerate(rows)]


@pytest.fixture
def file(tmp_path: Path) -> VectorFile:
    return VectorFile(tmp_path / "search" / "a.vectors", DIMENSION)


def test_similarities_are_those_of_the_vectors(file: VectorFile) -> None:
    rows, questions = unit_rows(3000), unit_rows(5, seed=1)
    assert file.put(stored(rows)) == 3000
    for question in questions:
        likeness, exact = file.likeness(question), rows @ question
        assert np.abs(likeness.similarities - exact).max() < 0.005
        assert len(set(likeness.best(60, -1).tolist()) & set(np.argsort(-exact)[:60].tolist())) >= 57
        assert likeness.level == pytest.approx(float(np.median(exact)), abs=0.01)


def test_the_best_come_in_order_and_not_below_the_least(file: VectorFile) -> None:
    rows = unit_rows(100)
    file.put(stored(rows))
    likeness = file.likeness(rows[0])
    best = likeness.best(10, 0.0)
    values = likeness.similarities[best]
    assert (best[0], len(best)) == (0, 10)
    assert (np.diff(values) <= 0).all()
    assert likeness.best(10, 0.9).tolist() == [0]
    assert likeness.best(10, 2.0).tolist() == []


def test_a_new_vector_of_an_item_replaces_the_old_one(file: VectorFile) -> None:
    rows = unit_rows(4)
    file.put(stored(rows[:2]))
    file.put([*stored(rows[2:3], first_id=2), *stored(rows[3:], first_id=9), (3, b"not a vector")])
    assert file.items.tolist() == [1, 2, 9]
    assert [int(file.likeness(rows[row]).similarities.argmax()) for row in (0, 2, 3)] == [0, 1, 2]


def test_what_was_cut_short_is_left_out_and_written_again(file: VectorFile) -> None:
    file.put(stored(unit_rows(3)))
    data = file.path.read_bytes()
    file.path.write_bytes(data[:-7])
    again = VectorFile(file.path, DIMENSION)
    assert again.items.tolist() == [1, 2]
    again.put(stored(unit_rows(3))[2:])
    assert file.path.read_bytes() == data


def test_numbers_that_are_none_count_nothing(file: VectorFile) -> None:
    rows = unit_rows(2)
    broken = np.full((1, DIMENSION), np.nan, np.float32)
    file.put(stored(np.concatenate((rows, broken))))
    assert file.likeness(rows[0]).similarities.tolist() == pytest.approx([1, float(rows[0] @ rows[1]), 0], abs=0.01)
    assert file.likeness(broken[0]).similarities.tolist() == [0, 0, 0]


def test_an_empty_file_finds_nothing(file: VectorFile) -> None:
    likeness = file.likeness(unit_rows(1)[0])
    assert likeness.best(5, -1).tolist() == []
    file.put(stored(unit_rows(2)))
    file.clear()
    assert len(VectorFile(file.path, DIMENSION)) == 0
