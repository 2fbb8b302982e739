"""Dual encoders from transformers to ONNX, and from ONNX in fp32 to int8; each step is checked against the last.

A target gets ``config.json``, without which nothing opens it, last of all and only after every check has passed.
"""

from __future__ import annotations

import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from album.exceptions import WeightsError, WeightsMissing
from album.inference.encoder_configs import (
    EncoderConfig,
    TowerFiles,
    read_encoder_config,
    read_transformers_config,
    write_encoder_config,
)
from album.inference.encoders import (
    OnnxDualEncoder,
    TorchDualEncoder,
    image_features,
    text_features,
    with_logits_of,
)
from album.inference.export import quantize_dynamic_int8
from album.inference.results import FloatArray, Pixels
from album.inference.sessions import open_transformers
from album.inference.tokenization import TextTokenizer

OPSET = 20
FP32_TOLERANCE = 1e-3
# Measured: tiny CLIP, 1000 held-out scenes and their captions, 2026-11-21: 0.9998 (pictures) and 0.9998 (texts).
INT8_MIN_COSINE = 0.99
PROBE_TEXTS = (
    "a photo of a dog",
    "two red circles on a blue background",
    "mountains above a lake in the evening",
    "people at a long table with food and drinks",
    "beach",
    "a small black cross left of a yellow ring on a white background",
    "a child on a bicycle in front of a brick house",
    "green star",
)
_PROBE_SIDES_PX = ((2, 3), (3, 2), (4, 4), (5, 8), (8, 6), (12, 9), (16, 24), (40, 30))


@dataclass(frozen=True, slots=True)
class EncoderParity:
    """How far the new weights are from those they were made from, over made-up pictures and texts."""

    image_max_error: float
    text_max_error: float
    image_min_cosine: float
    text_min_cosine: float
    probe_count: int


class _Embedder(Protocol):
    def embed_images(self, images: list[Pixels]) -> FloatArray: ...

    def embed_texts(self, texts: tuple[str, ...]) -> FloatArray: ...

    def close(self) -> None: ...


def export_dual_encoder(source: Path, target: Path, *, int8: bool = False) -> EncoderParity:
    """How near ``target``, in ONNX, is to ``source``, a CLIP or SigLIP folder of transformers.

    ``target`` gets ``visual.onnx``, ``textual.onnx``, ``tokenizer.json`` and ``config.json``, or nothing at all.

    Raises:
        WeightsMissing, WeightsCorrupt: the source is incomplete or cannot be read.
        WeightsError: the copy differs from the source by more than ``FP32_TOLERANCE`` or ``INT8_MIN_COSINE``.
    """
    with _whole_folder(target) as draft:
        exported = draft / "fp32"
        exported.mkdir()
        _write_graphs(source, exported)
        parity = compare_encoders(TorchDualEncoder(source, device="cpu"), OnnxDualEncoder(exported))
        if max(parity.image_max_error, parity.text_max_error) > FP32_TOLERANCE:
            raise WeightsError(f"{source}: refused, for the ONNX copy differs from torch by {parity}.")
        if not int8:
            _fill(target, exported)
            return parity
        return quantize_dual_encoder(exported, target)


def quantize_dual_encoder(
    source: Path, target: Path, *, logits: tuple[float, float | None] | None = None
) -> EncoderParity:
    """How near ``target``, in int8, is to ``source``, a dual encoder in ONNX of our layout or of immich-app's.

    Needs no torch.

    Args:
        source: weights in fp32.
        target: gets our layout, or nothing at all.
        logits: scale and bias, where the source does not say them.

    Raises:
        WeightsMissing, WeightsCorrupt: the source is incomplete or cannot be read.
        WeightsError: the source is convolutional, int8 already, or loses too much.
    """
    config = read_encoder_config(source)
    _refuse_unfit(source, config)
    scale, bias = logits or (config.logit_scale, config.logit_bias)
    ours = replace(config.files, visual="visual.onnx", textual="textual.onnx", tokenizer="tokenizer.json")
    with _whole_folder(target) as draft:
        small = draft / "int8"
        small.mkdir()
        quantize_dynamic_int8(source / config.files.visual, small / ours.visual)
        quantize_dynamic_int8(source / config.files.textual, small / ours.textual, embeddings=True)
        shutil.copyfile(source / config.files.tokenizer, small / ours.tokenizer)
        write_encoder_config(
            small, replace(config, files=ours, precision="int8", logit_scale=scale, logit_bias=bias)
        )
        parity = compare_encoders(OnnxDualEncoder(source), OnnxDualEncoder(small))
        if min(parity.image_min_cosine, parity.text_min_cosine) < INT8_MIN_COSINE:
            raise WeightsError(f"{source}: int8 refused, for it loses too much: {parity}. Use the fp32 weights.")
        _fill(target, small)
        return parity


def _refuse_unfit(source: Path, config: EncoderConfig) -> None:
    if config.backbone == "conv":
        # Source: card of mobileclip2-s0-onnx: the int8 image tower took 1,393 ms where fp32 took 112 ms.
        raise WeightsError(f"{source}: int8 refused, for convolutions become slower by it. Use the fp32 weights.")
    if config.precision == "int8":
        raise WeightsError(f"{source}: these weights are int8 already.")


def compare_encoders(old: _Embedder, new: _Embedder) -> EncoderParity:
    """The largest differences between two encoders of the same weights; both are closed afterwards."""
    pictures = _probe_pictures()
    try:
        pairs = [
            (old.embed_images(pictures), new.embed_images(pictures)),
            (old.embed_texts(PROBE_TEXTS), new.embed_texts(PROBE_TEXTS)),
        ]
    finally:
        old.close()
        new.close()
    image_error, text_error = (float(np.abs(one - other).max()) for one, other in pairs)
    image_cosine, text_cosine = (float((one * other).sum(axis=1).min()) for one, other in pairs)
    return EncoderParity(image_error, text_error, image_cosine, text_cosine, len(pictures) + len(PROBE_TEXTS))


def _probe_pictures() -> list[Pixels]:
    """Pictures of smooth colors, from coarse to fine: enlarged by preprocessing, they look a little like photos."""
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (*sides, 3), np.uint8) for sides in _PROBE_SIDES_PX]


def _write_graphs(source: Path, target: Path) -> None:
    import torch

    config = read_transformers_config(source)
    if not (source / config.files.tokenizer).is_file():
        raise WeightsMissing(f"{source / config.files.tokenizer}: no such file; it is part of these weights.")
    model = open_transformers("AutoModel", source, device="cpu")
    model.set_attn_implementation("eager")
    side = config.pixels.size_px
    pictures = torch.zeros(2, 3, side, side)
    ids = torch.from_numpy(TextTokenizer(source / config.files.tokenizer, config.text).encode(PROBE_TEXTS[:2]))
    files = TowerFiles()
    any_rows, longest = {0: torch.export.Dim("rows", min=1, max=1024)}, config.text.context_length
    any_texts = (
        any_rows if config.text.is_padded else any_rows | {1: torch.export.Dim("tokens", min=2, max=longest)}
    )
    _write_graph(model, image_features, (pictures, any_rows), (target / files.visual, files.image_input))
    _write_graph(model, text_features, (ids, any_texts), (target / files.textual, files.text_input))
    shutil.copyfile(source / config.files.tokenizer, target / files.tokenizer)
    write_encoder_config(target, with_logits_of(config, source, model))


def _write_graph(
    model: Any, features: Callable[[Any, Any], Any], example: tuple[Any, dict[int, Any]], target: tuple[Path, str]
) -> None:
    """Writes one tower as ONNX. ``example``: what it may be given, and the axes of any length; ``target``: the file
    and the name of its input.
    """
    import torch

    class Tower(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, rows: Any) -> Any:
            return torch.nn.functional.normalize(features(self.model, rows), dim=-1)

    path, input_name = target
    given, axes = example
    with torch.inference_mode(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter warns of its own internals
        torch.onnx.export(
            Tower().eval(),
            (given,),
            str(path),
            input_names=[input_name],
            output_names=["embeddings"],
            dynamic_shapes=(axes,),
            opset_version=OPSET,
            dynamo=True,
            external_data=False,
            verbose=False,
        )
    _strip_notes(path)


def _strip_notes(path: Path) -> None:
    """Removes the exporter's notes: stack traces with the paths of this machine, half of a tiny file."""
    import onnx

    model = onnx.load(path)
    for part in (model.graph, *model.graph.node, *model.graph.initializer, *model.graph.input, *model.graph.output):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    del model.graph.value_info[:]
    onnx.save(model, path)


@contextmanager
def _whole_folder(target: Path) -> Iterator[Path]:
    """A folder beside ``target`` for drafts, which is removed however the export ends."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as draft:
        yield Path(draft)


def _fill(target: Path, draft: Path) -> None:
    """Moves a finished draft into ``target``, ``config.json`` last."""
    target.mkdir(exist_ok=True)
    (target / "config.json").unlink(missing_ok=True)
    for path in sorted(draft.iterdir(), key=lambda path: path.name == "config.json"):
        path.replace(target / path.name)
