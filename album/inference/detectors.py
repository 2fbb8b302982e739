"""Pictures to boxes around objects."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from album.exceptions import WeightsCorrupt
from album.inference.labels import read_labels
from album.inference.results import Detection, FloatArray, Pixels
from album.inference.sessions import open_onnx

# Source: YOLOX (Ge et al. 2021), its reference demo: gray 114 around the picture, overlap 0.45 between boxes.
_PADDING = 114
_MAX_OVERLAP = 0.45
_STRIDES = (8, 16, 32)


class OnnxYoloX:
    """YOLOX of any size over the 80 COCO classes; satisfies Detector.

    Measured: YOLOX-nano at a score of 0.4 on the 30 captioned photos of the corpus: 55 of 58 kinds of objects named
    are really there, 53 of 110 are found, 16 ms a photo on a Xeon, 2026-11 (tests/corpus/test_light_taggers.py).
    """

    def __init__(self, path: Path, *, threads: int, score_threshold: float = 0.4) -> None:
        self.labels = read_labels("coco")
        self.score_threshold = score_threshold
        self._session = open_onnx(path, threads=threads)
        (self._input,) = self._session.input_shapes
        side = self._session.input_shapes[self._input][-1]
        columns = next(iter(self._session.output_shapes.values()))[-1]
        if not isinstance(side, int) or columns != 5 + len(self.labels):
            raise WeightsCorrupt(f"{path}: not a YOLOX of the 80 COCO classes. Install the weights again.")
        self.side_px = side
        self._grid, self._stride = _make_grid(side)

    def detect(self, images: Sequence[Pixels]) -> list[list[Detection]]:
        """The objects of each picture, best first."""
        self._session.rearm()  # a cancellation is for the call that runs, not for the next
        return [self._detect_one(image) for image in images]

    def cancel(self) -> None:
        self._session.cancel()

    def close(self) -> None:
        self._session.close()

    def _detect_one(self, image: Pixels) -> list[Detection]:
        tensor, scale = letterbox(image, self.side_px)
        (raw,) = self._session.run({self._input: tensor[None]})
        boxes, scores, classes = self._decode(raw[0], scale)
        height, width = image.shape[:2]
        boxes = boxes.clip(0, (width, height, width, height))
        kept = suppress_overlaps(boxes, scores, classes)
        return [
            Detection(self.labels[classes[index]], float(scores[index]), _as_tuple(boxes[index])) for index in kept
        ]

    def _decode(self, raw: FloatArray, scale: float) -> tuple[FloatArray, FloatArray, NDArray[np.intp]]:
        """Boxes in pixels of the picture, scores and classes of the rows above the threshold.

        A row is x, y, log width, log height (all in strides, x and y from its grid cell), then the score that
        there is an object, then that of each class.
        """
        class_scores = raw[:, 5:] * raw[:, 4:5]
        classes = class_scores.argmax(axis=1)
        scores = class_scores[np.arange(len(raw)), classes]
        found = scores >= self.score_threshold
        stride = self._stride[found]
        centers = (raw[found, :2] + self._grid[found]) * stride
        halves = np.exp(raw[found, 2:4].clip(max=10)) * stride / 2
        boxes = np.concatenate([centers - halves, centers + halves], axis=1) / scale
        return boxes.astype(np.float32), scores[found].astype(np.float32), classes[found]


def letterbox(image: Pixels, side_px: int) -> tuple[FloatArray, float]:
    """``(3, S, S) float32 BGR, 0 to 255``, the picture at the top left, and the scale that it was given."""
    height, width = image.shape[:2]
    scale = min(side_px / height, side_px / width)
    size = max(1, int(width * scale)), max(1, int(height * scale))
    canvas = np.full((side_px, side_px, 3), _PADDING, np.float32)
    canvas[: size[1], : size[0]] = np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BILINEAR))
    return np.ascontiguousarray(canvas[:, :, ::-1].transpose(2, 0, 1)), scale


def suppress_overlaps(boxes: FloatArray, scores: FloatArray, classes: NDArray[np.intp]) -> list[int]:
    """The rows to keep, best first: of two boxes of one class that overlap much, only the better one."""
    kept: list[int] = []
    for index in np.argsort(-scores, kind="stable"):
        rivals = [other for other in kept if classes[other] == classes[index]]
        if not rivals or _overlap(boxes[index], boxes[rivals]).max() <= _MAX_OVERLAP:
            kept.append(int(index))
    return kept


def _overlap(box: FloatArray, others: FloatArray) -> FloatArray:
    """Intersection over union of one box with each of the others, ``(N,)``."""
    sides = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])
    shared = sides.clip(min=0).prod(axis=1)
    areas = (others[:, 2:] - others[:, :2]).prod(axis=1)
    union = (box[2:] - box[:2]).prod() + areas - shared
    return np.asarray(shared / np.maximum(union, 1e-9), np.float32)


def _make_grid(side_px: int) -> tuple[FloatArray, FloatArray]:
    """For each output row its grid cell ``(R, 2)`` and its stride ``(R, 1)``, fine strides first."""
    cells, strides = [], []
    for stride in _STRIDES:
        count = side_px // stride
        rows, columns = np.mgrid[:count, :count]
        cells.append(np.stack([columns, rows], axis=-1).reshape(-1, 2))
        strides.append(np.full((count * count, 1), stride))
    return np.concatenate(cells).astype(np.float32), np.concatenate(strides).astype(np.float32)


def _as_tuple(box: FloatArray) -> tuple[float, float, float, float]:
    left, top, right, bottom = (float(value) for value in box)
    return left, top, right, bottom
