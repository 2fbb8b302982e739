"""One step of a sentence on ONNX Runtime: the caches of BLIP's and of ViT-GPT2's decoder graphs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from album.exceptions import InferenceError, WeightsCorrupt
from album.inference.decoding import Ids, log_softmax
from album.inference.preprocess import PixelRecipe, Triple
from album.inference.results import FloatArray
from album.inference.sessions import OnnxSession
from album.inference.wording import read_json


@dataclass(frozen=True, slots=True)
class BlipConfig:
    """What must be known of an exported BLIP besides its graphs; ``config.json`` beside them."""

    image_size_px: int
    mean: Triple
    std: Triple
    start_id: int
    end_id: int
    pad_id: int
    layers: int
    heads: int
    head_dim: int
    source_tokens: int
    max_tokens: int

    @property
    def recipe(self) -> PixelRecipe:
        return PixelRecipe(self.image_size_px, self.mean, self.std)

    @property
    def cross_names(self) -> list[str]:
        """Outputs of the encoder, inputs of each step: ``(N, heads, source_tokens, head_dim) float32``."""
        return [f"cross_{part}_{layer}" for layer in range(self.layers) for part in ("key", "value")]

    def cache_names(self, when: str) -> list[str]:
        """``past`` inputs and ``present`` outputs of a step: ``(N, B, heads, P, head_dim) float32``."""
        return [f"{when}_{part}_{layer}" for layer in range(self.layers) for part in ("key", "value")]

    def write(self, folder: Path) -> None:
        (folder / "config.json").write_text(json.dumps(asdict(self), indent=2) + "\n")

    @classmethod
    def read(cls, folder: Path) -> BlipConfig:
        """Raises WeightsMissing, WeightsCorrupt."""
        values = read_json(folder / "config.json")
        try:
            pair = {name: tuple(values[name]) for name in ("mean", "std")}
            return cls(**{**values, **pair})
        except (KeyError, TypeError) as error:
            path = folder / "config.json"
            raise WeightsCorrupt(f"{path}: not of an exported BLIP ({error}); export again.") from error


class BlipSteps:
    """The steps of one micro-batch. All beams of a picture look at the same keys and values of it."""

    def __init__(self, step: OnnxSession, config: BlipConfig, cross: dict[str, FloatArray], beams: int) -> None:
        self._step, self._cross = step, cross
        self._past_names, self._present_names = config.cache_names("past"), config.cache_names("present")
        count = len(cross[config.cross_names[0]])
        empty = np.zeros((count, beams, config.heads, 0, config.head_dim), np.float32)
        self._past: list[Any] = [empty] * len(self._past_names)

    def best(self, ids: Ids) -> tuple[Ids, FloatArray]:
        chosen, gains = self._advance(ids, ["next_ids", "next_log_probabilities"])
        return chosen, gains

    def logits(self, ids: Ids) -> FloatArray:
        return self._advance(ids, ["logits"])[0]

    def _advance(self, ids: Ids, wanted: list[str]) -> list[NDArray[Any]]:
        inputs = {"input_ids": ids, **self._cross, **dict(zip(self._past_names, self._past, strict=True))}
        values = self._step.run_values(inputs, [*wanted, *self._present_names])
        self._past = values[len(wanted) :]
        return [value.numpy() for value in values[: len(wanted)]]

    def keep(self, rows: Sequence[int]) -> None:
        for name, buffer in self._cross.items():
            for place, row in enumerate(rows):
                if place != row:
                    buffer[place] = buffer[row]
            self._cross[name] = buffer[: len(rows)]
        self._past = [_array(value)[list(rows)] for value in self._past]

    def reorder(self, parents: Ids) -> None:
        pictures = np.arange(len(parents))[:, None]
        self._past = [np.asarray(_array(value)[pictures, parents]) for value in self._past]


def _array(value: Any) -> FloatArray:
    return value if isinstance(value, np.ndarray) else value.numpy()


class Gpt2Steps:
    """The steps of one micro-batch over optimum's decoder graphs, whose rows are pictures x beams."""

    def __init__(self, first: OnnxSession, later: OnnxSession, seen: FloatArray, beams: int) -> None:
        self._first, self._later, self._beams = first, later, beams
        self._seen = np.repeat(seen, beams, axis=0)
        self._past_names = [name for name in later.input_shapes if name.startswith("past_key_values.")]
        self._past: list[Any] = []

    def best(self, ids: Ids) -> tuple[Ids, FloatArray]:
        scores = log_softmax(self.logits(ids))
        chosen = scores.argmax(axis=-1)
        return chosen, np.take_along_axis(scores, chosen[..., None], axis=-1)[..., 0]

    def logits(self, ids: Ids) -> FloatArray:
        session = self._later if self._past else self._first
        inputs: dict[str, Any] = {
            "input_ids": ids.reshape(-1, 1),
            "encoder_hidden_states": self._seen,
            "use_cache_branch": np.array([bool(self._past)]),
            **dict(zip(self._past_names, self._past or self._nothing_said(ids.size), strict=True)),
        }
        present = [name.replace("past_key_values", "present") for name in self._past_names]
        wanted = {name: item for name, item in inputs.items() if name in session.input_shapes}
        logits, *self._past = session.run_values(wanted, ["logits", *present])
        scores: FloatArray = logits.numpy()[:, -1]
        return scores.reshape(*ids.shape, -1)

    def _nothing_said(self, rows: int) -> list[FloatArray]:
        shapes = [self._later.input_shapes[name] for name in self._past_names]
        return [np.zeros((rows, _size(shape[1]), 0, _size(shape[3])), np.float32) for shape in shapes]

    def keep(self, rows: Sequence[int]) -> None:
        beams = np.arange(self._beams)
        self._select((np.array(rows)[:, None] * self._beams + beams).ravel())

    def reorder(self, parents: Ids) -> None:
        self._select((np.arange(len(parents))[:, None] * self._beams + parents).ravel())

    def _select(self, rows: Ids) -> None:
        self._seen = self._seen[rows]
        self._past = [_array(value)[rows] for value in self._past]


def _size(length: int | str | None) -> int:
    if not isinstance(length, int):
        raise InferenceError("The decoder's graph does not tell how many heads it has; use the hub's own export.")
    return length
