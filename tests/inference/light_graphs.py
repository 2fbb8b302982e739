"""Tiny ONNX graphs with the inputs and outputs of the light networks, whose answers are known."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SIDE_PX = 64
ROWS = sum((SIDE_PX // stride) ** 2 for stride in (8, 16, 32))


def write_detector(path: Path, rows: Mapping[int, tuple[float, ...]], columns: int = 85) -> Path:
    """A YOLOX of 64 x 64 that always gives ``rows``: number to (x, y, log w, log h, object score, class, score)."""
    answer = np.zeros((1, ROWS, columns), np.float32)
    for number, (*box, objectness, name, score) in rows.items():
        answer[0, number, :5] = [*box, objectness]
        answer[0, number, 5 + int(name)] = score
    nodes = [
        helper.make_node("ReduceSum", ["images"], ["sum"], keepdims=0),
        helper.make_node("Mul", ["sum", "zero"], ["nothing"]),
        helper.make_node("Add", ["answer", "nothing"], ["output"]),
    ]
    constants = {"answer": answer, "zero": np.zeros((), np.float32)}
    image = helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, SIDE_PX, SIDE_PX])
    output = helper.make_tensor_value_info("output", TensorProto.FLOAT, list(answer.shape))
    return _write(path, nodes, constants, (image, output))


def write_classifier(path: Path, *, is_quantized: bool, columns: int | None = None) -> Path:
    """A classifier whose class 0, 1 or 2 (after a background, if quantized) is the picture's red, green or blue."""
    count = columns or (1001 if is_quantized else 1000)
    weights = np.zeros((3, count), np.float32)
    weights[range(3), np.arange(3) + is_quantized] = 1 if is_quantized else 10
    if is_quantized:
        image = helper.make_tensor_value_info("input", TensorProto.UINT8, [1, 224, 224, 3])
        output = helper.make_tensor_value_info("output", TensorProto.UINT8, [1, count])
        nodes = [
            helper.make_node("Cast", ["input"], ["values"], to=TensorProto.FLOAT),
            helper.make_node("ReduceMean", ["values"], ["means"], axes=[1, 2], keepdims=0),
            helper.make_node("MatMul", ["means", "weights"], ["scores"]),
            helper.make_node("Cast", ["scores"], ["output"], to=TensorProto.UINT8),
        ]
    else:
        image = helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 3, 224, 224])
        output = helper.make_tensor_value_info("output", TensorProto.FLOAT, [1, count])
        nodes = [
            helper.make_node("ReduceMean", ["input"], ["means"], axes=[2, 3], keepdims=0),
            helper.make_node("MatMul", ["means", "weights"], ["output"]),
        ]
    return _write(path, nodes, {"weights": weights}, (image, output))


def _write(path: Path, nodes: list[Any], constants: dict[str, Any], ends: tuple[Any, Any]) -> Path:
    initializers = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "light", [ends[0]], [ends[1]], initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, path)
    return path
