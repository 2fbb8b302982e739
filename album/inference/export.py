"""BLIP from torch to two ONNX graphs, fp32 or int8, refused unless they say what torch says.

``encoder.onnx``  pixel_values ``(N, 3, S, S)`` → cross_key_i, cross_value_i ``(N, heads, source, head_dim)``
``step.onnx``     input_ids ``(N, B) int64``, past_key_i, past_value_i ``(N, B, heads, P, head_dim)``, cross_* →
                  logits ``(N, B, V)``, next_ids, next_log_probabilities ``(N, B)``, present_key_i, present_value_i

N pictures, B beams of each (1 for greedy), P tokens said before; all three and the source length are free. Needs
requirements-torch.txt.

Measured: BLIP-base to int8 takes 85 CPU-seconds and 3.9 GB at its peak, and gives 252 MB.
"""

from __future__ import annotations

import logging
import shutil
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from album.exceptions import WeightsError
from album.inference.blip_graphs import encoder_module, step_module
from album.inference.caption_steps import BlipConfig, BlipSteps
from album.inference.captioners import OnnxBlip, TorchBlip, read_recipe
from album.inference.preprocess import PixelRecipe
from album.inference.results import FloatArray, Pixels
from album.inference.sessions import open_transformers

OPSET = 20
# Measured: BLIP-base at full size with random weights: int8 cosine 0.9999, 10 of 10 tokens equal.
LEAST_COSINE = 0.995
LEAST_AGREEMENT = 0.90


@dataclass(frozen=True, slots=True)
class ParityReport:
    """How near the exported graphs come to torch, over the probe pictures.

    ``cosine`` is the least of all cross-attention keys and values; ``agreement`` the share of equal next tokens,
    given the same tokens before.
    """

    is_int8: bool
    cosine: float
    agreement: float
    pictures: int
    size_bytes: int


def export_blip(
    source_dir: Path, target_dir: Path, *, int8: bool, images: Sequence[Pixels] | None = None
) -> ParityReport:
    """The parity report of a finished export; ``target_dir`` then is what ``OnnxBlip`` opens.

    Args:
        source_dir: BLIP as on the hub: config.json, model.safetensors, tokenizer.
        target_dir: replaced as a whole, and only if the export is good.
        int8: weights of matrices and word embeddings as 8-bit integers.
        images: probes for the parity; drawn landscapes if none are given.

    Raises:
        WeightsMissing, WeightsCorrupt: the source cannot be read.
        WeightsError: the export says something else than torch; nothing is left behind.
    """
    probes = list(images) if images else _probe_pictures()
    target_dir.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=target_dir.parent, prefix=f".{target_dir.name}-") as staging:
        plain, small = Path(staging, "fp32"), Path(staging, "int8")
        plain.mkdir()
        _export_graphs(source_dir, plain)
        if int8:
            _quantize(plain, small)
        report = _measure_parity(source_dir, small if int8 else plain, probes, is_int8=int8)
        _refuse_strangers(report, target_dir)
        if target_dir.exists():
            shutil.rmtree(target_dir)
        (small if int8 else plain).rename(target_dir)
    return report


def _export_graphs(source_dir: Path, folder: Path) -> None:
    import torch

    network = open_transformers("BlipForConditionalGeneration", source_dir, device="cpu")
    config = _read_config(source_dir, network)
    encoder, step = encoder_module(network), step_module(network)
    pixels = torch.randn(2, 3, config.image_size_px, config.image_size_px)
    with torch.no_grad():
        cross = list(encoder(pixels))
    past = [torch.randn(2, 3, config.heads, 5, config.head_dim) for _ in cross]
    pictures, beams, said, source = (torch.export.Dim(name) for name in ("pictures", "beams", "said", "source"))
    _export(
        encoder,
        (pixels,),
        folder / "encoder.onnx",
        names=(["pixel_values"], config.cross_names),
        shapes=({0: pictures},),
    )
    _export(
        step,
        (torch.ones(2, 3, dtype=torch.long), past, cross),
        folder / "step.onnx",
        names=(
            ["input_ids", *config.cache_names("past"), *config.cross_names],
            ["logits", "next_ids", "next_log_probabilities", *config.cache_names("present")],
        ),
        shapes=(
            {0: pictures, 1: beams},
            [{0: pictures, 1: beams, 3: said}] * len(past),
            [{0: pictures, 2: source}] * len(cross),
        ),
    )
    config.write(folder)
    for name in ("tokenizer.json", "vocab.txt"):
        if (source_dir / name).is_file():
            shutil.copyfile(source_dir / name, folder / name)


def _read_config(source_dir: Path, network: Any) -> BlipConfig:
    text, vision = network.config.text_config, network.config.vision_config
    recipe = read_recipe(source_dir, PixelRecipe(vision.image_size))
    return BlipConfig(
        image_size_px=vision.image_size,
        mean=recipe.mean,
        std=recipe.std,
        start_id=text.bos_token_id,
        end_id=text.sep_token_id,
        pad_id=text.pad_token_id,
        layers=text.num_hidden_layers,
        heads=text.num_attention_heads,
        head_dim=text.hidden_size // text.num_attention_heads,
        source_tokens=(vision.image_size // vision.patch_size) ** 2 + 1,
        max_tokens=text.max_position_embeddings - 1,
    )


def _export(
    module: Any, inputs: tuple[Any, ...], path: Path, *, names: tuple[list[str], list[str]], shapes: Any
) -> None:
    import torch

    with _silence():
        torch.onnx.export(
            module,
            inputs,
            path,
            input_names=names[0],
            output_names=names[1],
            dynamic_shapes=shapes,
            opset_version=OPSET,
            dynamo=True,
            external_data=False,
            verbose=False,
        )
    _strip_notes(path)


@contextmanager
def _silence() -> Iterator[None]:
    """Without the exporter's and the quantizer's warnings, which are about their own inner workings."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def _strip_notes(path: Path) -> None:
    """Takes from the graph what the exporter noted for debugging, such as the paths of this machine's files."""
    import onnx

    model = onnx.load(path)
    graph = model.graph
    for notes in (model.metadata_props, graph.metadata_props, graph.value_info):
        del notes[:]
    for item in (*graph.node, *graph.input, *graph.output, *graph.initializer):
        del item.metadata_props[:]
        item.doc_string = ""
    onnx.save(model, path)


def quantize_dynamic_int8(source: Path, target: Path, *, embeddings: bool = False) -> None:
    """Writes ``source`` with the weights of its matrix products as 8-bit integers, one scale per channel.

    Activations are scaled as they come, so no calibration pictures are needed. Convolutions stay fp32: their
    integer kernels are slower. Not for networks that are made of convolutions.

    Args:
        embeddings: look-up tables too.
    """
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    graph = onnx.load(source)
    del graph.graph.value_info[:]  # noted shapes stand in the way of the new types
    _turn_constants(graph.graph)
    _unfold_patches(graph.graph)
    with _silence():
        quantize_dynamic(
            graph,
            target,
            op_types_to_quantize=["MatMul", "Gemm", *(["Gather"] if embeddings else [])],
            per_channel=True,
            weight_type=QuantType.QInt8,
            extra_options={"MatMulConstBOnly": True},
        )


def _turn_constants(graph: Any) -> None:
    """Nothing; transposed constants are stored as such, because only products with constants are quantized.

    The word embeddings are one: what a step reads a word from is, turned, what it weighs all words with.
    """
    from onnx import numpy_helper

    constants = {item.name: item for item in graph.initializer}
    for node in [node for node in graph.node if node.op_type == "Transpose" and node.input[0] in constants]:
        axes = next((list(item.ints) for item in node.attribute if item.name == "perm"), None)
        turned = np.ascontiguousarray(numpy_helper.to_array(constants[node.input[0]]).transpose(axes))
        graph.initializer.append(numpy_helper.from_array(turned, node.output[0]))
        graph.node.remove(node)
    used = {name for node in graph.node for name in node.input}
    for item in [item for item in graph.initializer if item.name not in used]:
        graph.initializer.remove(item)


def _unfold_patches(graph: Any) -> None:
    """Makes the convolution that cuts a picture into patches a product of matrices, which int8 speeds up.

    Measured: one thread, 1.8 ms to 0.3 ms for CLIP ViT-B/32, of 21 for the whole tower.
    """
    from onnx import helper, numpy_helper

    weights = {item.name: item for item in graph.initializer}
    sizes = {item.name: [side.dim_value for side in item.type.tensor_type.shape.dim] for item in graph.input}
    for place, node in enumerate(graph.node):
        if node.op_type != "Conv" or node.input[0] not in sizes or node.input[1] not in weights:
            continue
        kernel, size = numpy_helper.to_array(weights[node.input[1]]), sizes[node.input[0]][2:]
        if not _cuts_patches(node, kernel.shape[2:], size):
            continue
        (height, width), colors = kernel.shape[2:], kernel.shape[1]
        rows, columns = size[0] // height, size[1] // width
        name, bias = node.output[0], list(node.input[2:])
        constants: dict[str, Any] = {
            "cut": np.array([-1, colors, rows, height, columns, width]),
            "flat": np.array([-1, rows * columns, colors * height * width]),
            "kernel": np.ascontiguousarray(kernel.reshape(len(kernel), -1).T),
            "back": np.array([-1, len(kernel), rows, columns]),
        }
        graph.initializer.extend(
            numpy_helper.from_array(value, f"{name}/{key}") for key, value in constants.items()
        )
        steps: list[tuple[str, list[str], dict[str, Any]]] = [
            ("Reshape", [f"{name}/cut"], {}),
            ("Transpose", [], {"perm": (0, 2, 4, 1, 3, 5)}),
            ("Reshape", [f"{name}/flat"], {}),
            ("MatMul", [f"{name}/kernel"], {}),
            *([("Add", bias, {})] if bias else []),
            ("Transpose", [], {"perm": (0, 2, 1)}),
            ("Reshape", [f"{name}/back"], {}),
        ]
        values = [node.input[0], *(f"{name}/{number}" for number in range(1, len(steps))), name]
        graph.node.remove(node)
        for number, (kind, more, options) in enumerate(steps):
            made = helper.make_node(kind, [values[number], *more], [values[number + 1]], **options)
            graph.node.insert(place + number, made)
        return


def _cuts_patches(node: Any, patch: Sequence[int], size: Sequence[int]) -> bool:
    """True for a convolution whose windows lie side by side and fill a picture of a fixed size."""
    from onnx import helper

    asked = {item.name: helper.get_attribute_value(item) for item in node.attribute}
    plain = (
        asked.get("group", 1) == 1 and not any(asked.get("pads", ())) and set(asked.get("dilations", (1,))) == {1}
    )
    fills = all(side > 0 and side % part == 0 for side, part in zip(size, patch, strict=True))
    return plain and fills and list(asked.get("strides", ())) == list(patch)


def _quantize(plain: Path, small: Path) -> None:
    shutil.copytree(plain, small, ignore=shutil.ignore_patterns("*.onnx"))
    quantize_dynamic_int8(plain / "encoder.onnx", small / "encoder.onnx")
    quantize_dynamic_int8(plain / "step.onnx", small / "step.onnx", embeddings=True)


def _probe_pictures(count: int = 8, side_px: int = 256) -> list[Pixels]:
    """Simple landscapes, the same every time: a sky, a ground, a sun and a house or two."""
    from PIL import Image, ImageDraw

    rng, pictures = np.random.default_rng(8), []
    for _ in range(count):
        sky, ground, sun, wall = (tuple(map(int, color)) for color in rng.integers(40, 256, (4, 3)))
        picture = Image.new("RGB", (side_px, side_px), sky)
        pen, horizon = ImageDraw.Draw(picture), int(side_px * rng.uniform(0.5, 0.8))
        pen.rectangle((0, horizon, side_px, side_px), fill=ground)
        pen.circle((rng.uniform(0, side_px), rng.uniform(0, horizon / 2)), side_px // 12, fill=sun)
        for left in rng.integers(0, side_px, rng.integers(1, 3)):
            pen.rectangle((left, horizon - 50, left + 60, horizon + 10), fill=wall)
            pen.polygon((left, horizon - 50, left + 30, horizon - 80, left + 60, horizon - 50), fill=sun)
        pictures.append(np.asarray(picture))
    return pictures


def _measure_parity(source_dir: Path, folder: Path, images: list[Pixels], *, is_int8: bool) -> ParityReport:
    reference = TorchBlip(source_dir, device="cpu", batch=1)
    exported = OnnxBlip(folder, threads=1, decode_batch=1)
    pairs = [_compare(reference, exported, image) for image in images]
    cosine, agreement = min(pair[0] for pair in pairs), float(np.mean([pair[1] for pair in pairs]))
    size_bytes = sum(path.stat().st_size for path in folder.glob("*.onnx"))
    exported.close()
    return ParityReport(is_int8, cosine, agreement, len(images), size_bytes)


def _compare(reference: TorchBlip, exported: OnnxBlip, image: Pixels) -> tuple[float, float]:
    """The least cosine of any key or value of the picture, and the share of equal words."""
    (sentence,) = reference.sentences([image])
    words = [*sentence.ids, reference.rules.end_id][: reference.rules.max_tokens]
    expected = reference.look_at(image)
    got = exported.look_at([image])
    cosine = min(_cosine(expected[name], got[name]) for name in got)
    steps = BlipSteps(exported.step, exported.config, got, beams=1)
    # Each word after torch's own words: else one near tie would make all later words count as different.
    before = [exported.config.start_id, *words[:-1]]
    equal = [int(steps.best(np.array([[last]]))[0][0, 0]) == word for last, word in zip(before, words, strict=True)]
    return cosine, float(np.mean(equal))


def _cosine(one: FloatArray, other: FloatArray) -> float:
    return float(one.ravel() @ other.ravel() / (np.linalg.norm(one) * np.linalg.norm(other)))


def _refuse_strangers(report: ParityReport, target_dir: Path) -> None:
    """Raises WeightsError for graphs that do not say what torch says."""
    least = LEAST_AGREEMENT if report.is_int8 else 1.0
    if report.cosine < LEAST_COSINE or report.agreement < least:
        raise WeightsError(
            f"{target_dir}: not written: its graphs differ from torch: cosine {report.cosine:.4f} (at least "
            f"{LEAST_COSINE}), equal tokens {report.agreement:.3f} (at least {least}). Use torch or fp32 for these."
        )
