"""Pictures and texts to unit vectors of one space: CLIP and SigLIP, by ONNX Runtime or by torch.

Both classes satisfy ``results.Encoder``; both give the same vectors for the same weights, whatever is embedded
beside a picture.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from album.exceptions import InferenceCancelled, InferenceError, WeightsCorrupt
from album.inference.encoder_configs import (
    CLIP_LOGIT_SCALE,
    EncoderConfig,
    read_encoder_config,
    read_transformers_config,
)
from album.inference.preprocess import resize_and_normalize
from album.inference.results import FloatArray, Pixels
from album.inference.sessions import OnnxSession, inference_errors, open_onnx, open_transformers
from album.inference.tokenization import TextTokenizer

_T = TypeVar("_T")
_TINY_NORM = 1e-12


class OnnxDualEncoder:
    """CLIP or SigLIP from two ONNX graphs. The image tower is opened at once, the text tower when a text comes."""

    def __init__(self, folder: Path, *, threads: int = 1, images: bool = True, rows: int | None = None) -> None:
        """Opens the weights in ``folder``, which lie in our layout or in immich-app's.

        Args:
            folder: see ``encoder_configs.read_encoder_config``.
            threads: how many cores one operator may use.
            images: False leaves the image tower closed until a picture comes, for a process that only searches.
            rows: how many pictures or texts go through a graph at once. None: as many as are passed in, but one by
                one where weights are int8, whose rounding follows the largest number of the whole batch, so that
                a picture's vector would depend on its neighbours.

        Raises:
            WeightsMissing, WeightsCorrupt, NotEnoughMemory: naming the file.
        """
        self._folder, self._threads = folder, threads
        self._config = config = read_encoder_config(folder)
        self._rows = rows or (1 if config.precision == "int8" else None)
        self.dimension, self.logit_scale, self.logit_bias = config.dimension, config.logit_scale, config.logit_bias
        self._is_closed = False
        self._running: OnnxSession | None = None
        self._textual: tuple[OnnxSession, TextTokenizer] | None = None
        self._visual: OnnxSession | None = self._open(config.files.visual) if images else None

    @property
    def has_text_tower(self) -> bool:
        """True while the text tower takes memory."""
        return self._textual is not None

    def embed_images(self, images: Sequence[Pixels]) -> FloatArray:
        """``(N, D) float32`` of ``(H, W, 3) uint8 RGB`` pictures, each row of L2 norm 1."""
        if self._visual is None:
            self._visual = self._open(self._config.files.visual)
        name = self._config.files.image_input

        def prepare(batch: Sequence[Pixels]) -> dict[str, NDArray[Any]]:
            return {name: resize_and_normalize(batch, self._config.pixels)}

        return self._embed(self._visual, images, prepare)

    def embed_texts(self, texts: Sequence[str]) -> FloatArray:
        """``(N, D) float32``, each row of L2 norm 1."""
        if self._textual is None:
            tokenizer = TextTokenizer(self._folder / self._config.files.tokenizer, self._config.text)
            self._textual = self._open(self._config.files.textual), tokenizer
        session, tokenizer = self._textual
        name, ids_type = self._config.files.text_input, self._config.files.ids_type

        def prepare(batch: Sequence[str]) -> dict[str, NDArray[Any]]:
            return {name: tokenizer.encode(batch).astype(ids_type)}

        return self._embed(session, texts, prepare)

    def release_texts(self) -> None:
        """Nothing; the memory of the text tower is given back until the next text comes."""
        if self._textual is not None:
            self._textual[0].close()
        self._textual = None

    def cancel(self) -> None:
        """Nothing; what is being embedded ends with InferenceCancelled. Safe from any thread."""
        if (running := self._running) is not None:
            running.cancel()

    def close(self) -> None:
        """Nothing; the memory of both towers is given back."""
        self._is_closed = True
        self.release_texts()
        if self._visual is not None:
            self._visual.close()

    def _open(self, path: str) -> OnnxSession:
        if self._is_closed:
            raise InferenceError(f"{self._folder.name}: this encoder is closed; open the weights again.")
        return open_onnx(self._folder / path, threads=self._threads)

    def _embed(
        self, session: OnnxSession, items: Sequence[_T], prepare: Callable[[Sequence[_T]], dict[str, NDArray[Any]]]
    ) -> FloatArray:
        rows = np.empty((len(items), self.dimension), np.float32)
        step = self._rows or _fixed_rows(session) or max(1, len(items))
        with self._cancellable(session):
            for start in range(0, len(items), step):
                raw = session.run(prepare(items[start : start + step]))[0]
                rows[start : start + step] = unit_rows(raw, self.dimension, session.name)
        return rows

    @contextmanager
    def _cancellable(self, session: OnnxSession) -> Iterator[None]:
        self._running = session
        try:
            yield
        finally:
            self._running = None
            session.rearm()


def _fixed_rows(session: OnnxSession) -> int | None:
    """How many rows a graph was exported for, where it does not take any number."""
    first = next(iter(session.input_shapes.values()))[0]
    return first if isinstance(first, int) and first > 0 else None


def unit_rows(rows: NDArray[Any], dimension: int, name: str) -> FloatArray:
    """``(N, D) float32``, each row of L2 norm 1.

    Raises:
        WeightsCorrupt: the rows are not of the dimension that the configuration names.
        InferenceError: the network gave numbers that are not finite.
    """
    if rows.ndim != 2 or rows.shape[1] != dimension:
        raise WeightsCorrupt(f"{name}: gives {rows.shape[1:]} numbers where its configuration says {dimension}.")
    vectors = rows.astype(np.float32)
    if not np.isfinite(vectors).all():
        raise InferenceError(f"{name}: the network gave numbers that are not finite; try weights in fp32.")
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: FloatArray = vectors / np.maximum(norms, _TINY_NORM)
    return unit


def image_features(model: Any, pixel_values: Any) -> Any:
    """The image vectors of a CLIPModel or SiglipModel, before their length is made 1."""
    pooled = model.vision_model(pixel_values=pixel_values).pooler_output
    return model.visual_projection(pooled) if hasattr(model, "visual_projection") else pooled


def text_features(model: Any, input_ids: Any) -> Any:
    """The text vectors of a CLIPModel or SiglipModel, before their length is made 1."""
    pooled = model.text_model(input_ids=input_ids).pooler_output
    return model.text_projection(pooled) if hasattr(model, "text_projection") else pooled


def with_logits_of(config: EncoderConfig, folder: Path, model: Any) -> EncoderConfig:
    """The configuration with the scale and bias of the weights; the bias of a CLIP, if any, is in its config.json.

    They are read from the file where it is one, because a model in bf16 has rounded them by up to 2 %.
    """
    from safetensors import safe_open

    found = {name: getattr(model, name, None) for name in ("logit_scale", "logit_bias")}
    path = folder / "model.safetensors"
    if path.is_file():
        with safe_open(path, "pt") as file:
            found |= {name: file.get_tensor(name) for name in found if name in file.keys()}  # noqa: SIM118
    scale, bias = (None if value is None else value.item() for value in found.values())
    bias = getattr(model.config, "logit_bias", None) if bias is None else bias
    return replace(config, logit_scale=CLIP_LOGIT_SCALE if scale is None else math.exp(scale), logit_bias=bias)


class TorchDualEncoder:
    """CLIP or SigLIP as transformers runs it: for GPUs, and as what exports are compared with."""

    def __init__(self, folder: Path, *, device: str = "auto", dtype: str = "fp32", batch: int = 16) -> None:
        """Opens the transformers weights in ``folder``.

        Args:
            folder: ``model.safetensors``, ``config.json``, ``preprocessor_config.json``, ``tokenizer_config.json``
                and ``tokenizer.json``.
            device: ``cpu``, ``cuda`` or ``auto``.
            dtype: ``fp32``, ``bf16`` or ``fp16``.
            batch: how many pictures or texts are passed through the network at once.

        Raises:
            WeightsMissing, WeightsCorrupt, NotEnoughMemory: naming the file.
        """
        config = read_transformers_config(folder)
        self._tokenizer = TextTokenizer(folder / config.files.tokenizer, config.text)
        self._model: Any = open_transformers("AutoModel", folder, device=device, dtype=dtype)
        self._config = config = with_logits_of(config, folder, self._model)
        self._name, self._batch, self._cancelled = folder.name, batch, False
        self.dimension, self.logit_scale, self.logit_bias = config.dimension, config.logit_scale, config.logit_bias

    def embed_images(self, images: Sequence[Pixels]) -> FloatArray:
        """``(N, D) float32`` of ``(H, W, 3) uint8 RGB`` pictures, each row of L2 norm 1."""
        return self._embed(images, lambda batch: resize_and_normalize(batch, self._config.pixels), image_features)

    def embed_texts(self, texts: Sequence[str]) -> FloatArray:
        """``(N, D) float32``, each row of L2 norm 1."""
        return self._embed(texts, self._tokenizer.encode, text_features)

    def release_texts(self) -> None:
        """Does nothing: transformers holds both sides as one network."""

    def cancel(self) -> None:
        """Nothing; embedding ends with InferenceCancelled after the present batch."""
        self._cancelled = True

    def close(self) -> None:
        """Nothing; the memory of the network is given back."""
        self._model = None

    def _embed(
        self,
        items: Sequence[_T],
        prepare: Callable[[Sequence[_T]], NDArray[Any]],
        features: Callable[[Any, Any], Any],
    ) -> FloatArray:
        if self._model is None:
            raise InferenceError(f"{self._name}: this encoder is closed; open the weights again.")
        rows = np.empty((len(items), self.dimension), np.float32)
        self._cancelled = False
        for start in range(0, len(items), self._batch):
            if self._cancelled:
                raise InferenceCancelled(f"{self._name}: ended from outside before it was done.")
            part = slice(start, start + self._batch)
            rows[part] = unit_rows(self._forward(prepare(items[part]), features), self.dimension, self._name)
        return rows

    def _forward(self, array: NDArray[Any], features: Callable[[Any, Any], Any]) -> NDArray[Any]:
        import torch

        with inference_errors(self._name), torch.inference_mode():
            given = torch.from_numpy(array).to(self._model.device)
            given = given.to(self._model.dtype) if given.is_floating_point() else given
            found: NDArray[Any] = features(self._model, given).float().cpu().numpy()
            return found
