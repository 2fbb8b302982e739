"""The file of vectors finds what exact arithmetic finds, and survives being cut short."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from album.search.vectors import PRODUCT, ZERO, VectorFile

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
    for question, likeness in zip(questions, file.likeness(questions), strict=True):
        exact = rows @ question
        assert np.abs(likeness.similarities - exact).max() < 0.005
        assert len(set(likeness.best(60, -1).tolist()) & set(np.argsort(-exact)[:60].tolist())) >= 57
        assert likeness.level == pytest.approx(float(np.median(exact)), abs=0.01)


def test_the_product_is_one_of_integers() -> None:
    onnx = pytest.importorskip("onnx", reason="onnx comes with requirements-dev.txt")
    make, types = onnx.helper, onnx.TensorProto
    nodes = [
        make.make_node("MatMulInteger", ["rows", "digits", "zero"], ["products"]),
        make.make_node("Cast", ["products"], ["numbers"], to=types.FLOAT),
        make.make_node("Gemm", ["worth", "numbers"], ["wholes"], transB=1),
        make.make_node("Mul", ["wholes", "scales"], ["near"]),
    ]
    given = {"rows": types.UINT8, "digits": types.INT8, "worth": types.FLOAT, "scales": types.FLOAT}
    inputs = [make.make_tensor_value_info(name, number, [None, None]) for name, number in given.items()]
    near = make.make_tensor_value_info("near", types.FLOAT, [None, None])
    zero = make.make_tensor("zero", types.UINT8, [], [ZERO])
    graph = make.make_graph(nodes, "product", inputs, [near], [zero])
    model = make.make_model(graph, opset_imports=[make.make_opsetid("", 13)], ir_version=8)
    assert PRODUCT.read_bytes() == model.SerializeToString(deterministic=True), (
        "write it anew: it is made like this"
    )


def test_the_best_come_in_order_and_not_below_the_least(file: VectorFile) -> None:
    rows = unit_rows(100)
    file.put(stored(rows))
    (likeness,) = file.likeness(rows[:1])
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
    similarities = [likeness.similarities for likeness in file.likeness(rows[[0, 2, 3]])]
    assert [int(values.argmax()) for values in similarities] == [0, 1, 2]


def test_what_was_cut_short_is_left_out_and_written_again(file: VectorFile) -> None:
    file.put(stored(unit_rows(3)))
    data = file.path.read_bytes()
    file.path.write_bytes(data[:-7])
    again = VectorFile(file.path, DIMENSION)
    assert again.items.tolist() == [1, 2]
    again.put(stored(unit_rows(3))[2:])
    assert file.path.read_bytes() == data


def test_an_empty_file_finds_nothing(file: VectorFile) -> None:
    (likeness,) = file.likeness(unit_rows(1))
    assert likeness.best(5, -1).tolist() == []
    file.put(stored(unit_rows(2)))
    file.clear()
    assert len(VectorFile(file.path, DIMENSION)) == 0
