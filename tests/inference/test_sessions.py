"""A session can be cancelled in the middle of a run, and each failure has its own error."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from album.exceptions import InferenceCancelled, InferenceError, WeightsCorrupt, WeightsMissing
from album.inference.sessions import OnnxSession, open_onnx

PRODUCTS = 64


@pytest.fixture
def slow(tmp_path: Path) -> OnnxSession:
    """``x`` to the power of 65: seconds for a large matrix, nothing for a small one."""
    names = ["x", *(f"y{index}" for index in range(PRODUCTS))]
    nodes = [helper.make_node("MatMul", [names[index], "x"], [names[index + 1]]) for index in range(PRODUCTS)]
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", "n"])]
    outputs = [helper.make_tensor_value_info(names[-1], TensorProto.FLOAT, ["n", "n"])]
    graph = helper.make_graph(nodes, "power", inputs, outputs)
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=9), tmp_path / "power.onnx")
    return open_onnx(tmp_path / "power.onnx", threads=1)


def test_a_run_ends_soon_after_it_is_cancelled_and_the_next_one_works(slow: OnnxSession) -> None:
    threading.Timer(0.1, slow.cancel).start()
    started = time.monotonic()
    with pytest.raises(InferenceCancelled, match=r"power\.onnx"):
        slow.run({"x": np.zeros((3000, 3000), np.float32)})
    assert time.monotonic() - started < 3
    (result,) = slow.run({"x": np.eye(4, dtype=np.float32)})
    assert (result == np.eye(4)).all()


def test_a_cancellation_between_runs_ends_the_next_unless_rearmed(slow: OnnxSession) -> None:
    slow.cancel()
    with pytest.raises(InferenceCancelled):
        slow.run({"x": np.eye(2, dtype=np.float32)})
    slow.cancel()
    slow.rearm()
    assert len(slow.run({"x": np.eye(2, dtype=np.float32)})) == 1


def test_outputs_can_be_written_in_place_and_kept_as_values(slow: OnnxSession) -> None:
    room = np.zeros((2, 4, 4), np.float32)
    slow.run_into({"x": np.eye(4, dtype=np.float32)}, {f"y{PRODUCTS - 1}": room[1]})
    assert (room[1] == np.eye(4)).all() and not room[0].any()
    (value,) = slow.run_values({"x": np.eye(4, dtype=np.float32)})
    (again,) = slow.run({"x": value})
    assert (again == np.eye(4)).all()
    with pytest.raises(InferenceError, match="not contiguous"):
        slow.run_into({"x": np.eye(4, dtype=np.float32)}, {f"y{PRODUCTS - 1}": room[1].T})


@pytest.mark.parametrize("inputs", [{"x": np.zeros((2, 3), np.float32)}, {"z": np.eye(2, dtype=np.float32)}])
def test_an_input_that_the_graph_refuses_names_the_graph(
    slow: OnnxSession, inputs: dict[str, np.typing.NDArray[np.float32]]
) -> None:
    with pytest.raises(InferenceError, match=r"power\.onnx"):
        slow.run(inputs)


def test_a_closed_session_says_so(slow: OnnxSession) -> None:
    slow.close()
    with pytest.raises(InferenceError, match="closed"):
        slow.run({"x": np.eye(2, dtype=np.float32)})


def test_files_that_are_missing_or_no_graphs_are_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsMissing, match=r"none\.onnx"):
        open_onnx(tmp_path / "none.onnx", threads=1)
    (tmp_path / "bad.onnx").write_bytes(b"not a graph")
    with pytest.raises(WeightsCorrupt, match=r"bad\.onnx.*download_models"):
        open_onnx(tmp_path / "bad.onnx", threads=1)
