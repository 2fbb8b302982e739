"""Pictures to one of a thousand names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from album.exceptions import WeightsCorrupt
from album.inference.labels import read_labels
from album.inference.results import FloatArray, Pixels
from album.inference.sessions import open_onnx

# Source: torchvision's ImageNet preset: the shorter side to 256, its middle 224 x 224; in 0 to 255
# this mean (0.485, 0.456, 0.406 of 255) and deviation (0.229, 0.224, 0.225 of 255).
_SIDE_PX = 224
_MIDDLE = 224 / 256
_MEAN: FloatArray = np.array((123.675, 116.28, 103.53), np.float32)
_STD: FloatArray = np.array((58.395, 57.12, 57.375), np.float32)
_TOP = 5


class OnnxImageNetClassifier:
    """The thousand ImageNet classes; satisfies Classifier.

    Two kinds of graph are told apart by their input: ``(1, 224, 224, 3) uint8`` with probabilities of 1,001 classes
    as bytes (TensorFlow's quantized MobileNets, class 0 is the background), and ``(1, 3, 224, 224) float32`` with
    logits of 1,000 classes (torchvision's and ONNX Model Zoo's networks).
    """

    def __init__(self, path: Path, *, threads: int) -> None:
        self.labels = read_labels("imagenet")
        self._session = open_onnx(path, threads=threads)
        ((self._input, shape),) = self._session.input_shapes.items()
        columns = next(iter(self._session.output_shapes.values()))[-1]
        self._is_quantized = tuple(shape[1:]) == (_SIDE_PX, _SIDE_PX, 3)
        is_float = tuple(shape[1:]) == (3, _SIDE_PX, _SIDE_PX)
        if columns != len(self.labels) + self._is_quantized or not (self._is_quantized or is_float):
            raise WeightsCorrupt(f"{path}: not a classifier of the 1,000 ImageNet classes. Install it again.")

    def classify(self, images: Sequence[Pixels]) -> list[list[tuple[str, float]]]:
        """At most five names for each picture with their probabilities, best first."""
        self._session.rearm()  # a cancellation is for the call that runs, not for the next
        return [self._classify_one(image) for image in images]

    def cancel(self) -> None:
        self._session.cancel()

    def close(self) -> None:
        self._session.close()

    def _classify_one(self, image: Pixels) -> list[tuple[str, float]]:
        picture = crop_middle(image)
        if self._is_quantized:
            (raw,) = self._session.run({self._input: picture[None]})
            chances: FloatArray = raw[0, 1:].astype(np.float32) / np.float32(256)
        else:
            tensor = ((picture.astype(np.float32) - _MEAN) / _STD).transpose(2, 0, 1)
            (raw,) = self._session.run({self._input: np.ascontiguousarray(tensor[None])})
            chances = _softmax(raw[0])
        named: dict[str, float] = {}  # two classes can have one name (swimsuit): then their chances add up
        for index in np.argsort(-chances, kind="stable")[:_TOP]:
            named[self.labels[index]] = named.get(self.labels[index], 0.0) + float(chances[index])
        return sorted(named.items(), key=lambda item: -item[1])


def crop_middle(image: Pixels) -> Pixels:
    """``(224, 224, 3) uint8 RGB``: the middle of the picture, seven eighths of its shorter side."""
    height, width = image.shape[:2]
    half = min(height, width) * _MIDDLE / 2
    box = (width / 2 - half, height / 2 - half, width / 2 + half, height / 2 + half)
    picture = Image.fromarray(image).resize((_SIDE_PX, _SIDE_PX), Image.Resampling.BILINEAR, box=box)
    return np.asarray(picture, np.uint8)


def _softmax(logits: FloatArray) -> FloatArray:
    powers = np.exp(logits - logits.max())
    return np.asarray(powers / powers.sum(), np.float32)
