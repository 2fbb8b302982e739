"""Exported graphs say what torch says, hold nothing of the machine that made them, and else are not written."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from album.exceptions import WeightsCorrupt, WeightsError, WeightsMissing  # noqa: E402
from album.inference.captioners import OnnxBlip, TorchBlip, Wishes  # noqa: E402
from album.inference.export import export_blip, quantize_dynamic_int8  # noqa: E402
from album.inference.results import Pixels  # noqa: E402
from album.inference.sessions import open_onnx  # noqa: E402

pytestmark = pytest.mark.torch

WEIGHTS = Path(__file__).resolve().parents[1] / "fixtures" / "weights"
TRAINED, INT8 = WEIGHTS / "tiny-blip-torch", WEIGHTS / "tiny-blip"
WORDS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[DEC]", ",", ".", *(f"word{index}" for index in range(60)))


def pictures(count: int) -> list[Pixels]:
    rng = np.random.default_rng(3)
    return [rng.integers(0, 256, (40, 56, 3), dtype=np.uint8) for _ in range(count)]


@pytest.fixture(scope="module")
def random_blip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained BLIP whose sentences differ from picture to picture, with BERT's vocab.txt for tokenizer."""
    from transformers import BlipConfig, BlipForConditionalGeneration

    folder = tmp_path_factory.mktemp("random-blip")
    torch.manual_seed(4)
    shared = {"hidden_size": 48, "intermediate_size": 64, "num_hidden_layers": 2, "initializer_range": 0.2}
    text = {"vocab_size": len(WORDS), "encoder_hidden_size": 48, "max_position_embeddings": 24, "bos_token_id": 4}
    text |= {"sep_token_id": 3, "eos_token_id": 3, "pad_token_id": 0, "num_attention_heads": 4, "is_decoder": True}
    vision = {"image_size": 32, "patch_size": 8, "num_attention_heads": 2}
    network = BlipForConditionalGeneration(BlipConfig(vision_config=shared | vision, text_config=shared | text))
    with torch.no_grad():
        for name, weight in network.named_parameters():
            if "text_decoder" in name or "position" in name:
                weight.add_(torch.randn_like(weight) * 0.3)
    network.save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(WORDS))
    return folder


@pytest.fixture(scope="module")
def exported(random_blip: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exported") / "fp32"
    export_blip(random_blip, folder, int8=False, images=pictures(4))
    return folder


MANNERS: list[Wishes] = [
    {},
    {"max_tokens": 5},
    {"min_tokens": 8},
    {"repetition_penalty": 1.5},
    {"beams": 3},
    {"beams": 3, "length_penalty": 2.0},
    {"beams": 3, "length_penalty": -1.0, "min_tokens": 4},
    {"beams": 4, "repetition_penalty": 1.3, "max_tokens": 9},
    {"max_tokens": 1000},
]


@pytest.mark.parametrize("wishes", MANNERS, ids=str)
def test_torch_and_onnx_say_the_same_tokens(wishes: Wishes, random_blip: Path, exported: Path) -> None:
    images = pictures(12)
    by_torch = TorchBlip(random_blip, device="cpu", batch=5, **wishes).sentences(images)
    by_onnx = OnnxBlip(exported, threads=1, decode_batch=5, **wishes).sentences(images)
    assert [sentence.ids for sentence in by_onnx] == [sentence.ids for sentence in by_torch]
    expected = [sentence.score for sentence in by_torch]
    assert [sentence.score for sentence in by_onnx] == pytest.approx(expected, abs=1e-4)
    assert len({sentence.ids for sentence in by_onnx}) > 3  # the pictures do matter


@pytest.mark.parametrize("beams", [1, 3])
def test_the_micro_batch_does_not_change_the_tokens(beams: int, exported: Path) -> None:
    images = pictures(12)
    said = [OnnxBlip(exported, threads=1, decode_batch=size, beams=beams).sentences(images) for size in (1, 4, 12)]
    assert [sentence.ids for sentence in said[0]] == [sentence.ids for sentence in said[1]]
    assert [sentence.ids for sentence in said[0]] == [sentence.ids for sentence in said[2]]


def test_punctuation_follows_its_word_and_special_words_are_left_out(exported: Path) -> None:
    images = pictures(12)
    texts = [caption.text for caption in OnnxBlip(exported, threads=1, beams=2).caption(images)]
    assert all("[" not in text and "  " not in text for text in texts)
    assert not any(re.search(r"\s[,.]", text) for text in texts)


def test_int8_is_near_torch_and_less_than_half_the_size(tmp_path: Path) -> None:
    plain = export_blip(TRAINED, tmp_path / "out" / "fp32", int8=False)
    small = export_blip(TRAINED, tmp_path / "out" / "int8", int8=True)
    assert plain.cosine > 0.99999 and plain.agreement == 1
    assert small.cosine > 0.995 and small.agreement > 0.9 and small.is_int8
    assert small.size_bytes < 0.5 * plain.size_bytes
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["fp32", "int8"]
    names = sorted(path.name for path in (tmp_path / "out" / "int8").iterdir())
    assert names == ["config.json", "encoder.onnx", "step.onnx", "tokenizer.json"]


def test_only_matrices_and_word_embeddings_are_quantized() -> None:
    import onnx

    encoder, step = (onnx.load(INT8 / f"{name}.onnx").graph for name in ("encoder", "step"))
    kinds = {node.op_type for node in encoder.node}
    assert {"MatMulInteger", "Conv"} <= kinds and "ConvInteger" not in kinds
    tables = [item for item in step.initializer if item.data_type == onnx.TensorProto.INT8]
    assert any(len(item.dims) == 2 and item.dims[1] == 96 for item in tables)


def test_a_product_with_a_transposed_constant_is_quantized_too(tmp_path: Path) -> None:
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    words = np.random.default_rng(0).standard_normal((50, 16)).astype(np.float32)
    nodes = [helper.make_node("Transpose", ["words"], ["turned"], perm=[1, 0])]
    nodes += [helper.make_node("Gather", ["words", "ids"], ["said"])]
    nodes += [helper.make_node("MatMul", ["said", "turned"], ["scores"])]
    inputs = [helper.make_tensor_value_info("ids", TensorProto.INT64, ["n"])]
    outputs = [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", 50])]
    graph = helper.make_graph(nodes, "tied", inputs, outputs, [numpy_helper.from_array(words, "words")])
    opset = [helper.make_opsetid("", 20)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=10), tmp_path / "plain.onnx")
    quantize_dynamic_int8(tmp_path / "plain.onnx", tmp_path / "small.onnx", embeddings=True)

    small = onnx.load(tmp_path / "small.onnx").graph
    assert "MatMulInteger" in {node.op_type for node in small.node}
    assert not [item for item in small.initializer if item.data_type == TensorProto.FLOAT and len(item.dims) > 1]
    (scores,) = open_onnx(tmp_path / "small.onnx", threads=1).run({"ids": np.arange(50)})
    assert (scores.argmax(axis=1) == np.arange(50)).mean() > 0.9


def test_the_graphs_hold_no_paths_of_the_machine_that_made_them(exported: Path) -> None:
    for path in exported.glob("*.onnx"):
        content = path.read_bytes()
        assert b"site-packages" not in content and b".py" not in content


def test_any_number_of_pictures_and_beams_fits_the_step_graph(exported: Path) -> None:
    step = open_onnx(exported / "step.onnx", threads=1)
    shapes = step.input_shapes
    assert [type(length) for length in shapes["input_ids"]] == [str, str]
    assert [type(length) for length in shapes["past_key_0"]] == [str, str, int, str, int]
    assert [type(length) for length in shapes["cross_value_1"]] == [str, int, str, int]


@pytest.fixture
def lopsided(tmp_path: Path) -> Path:
    """The trained network, to torch the same: one channel is made huge, and small again by all that read it."""
    from transformers import BlipForConditionalGeneration

    network = BlipForConditionalGeneration.from_pretrained(TRAINED)
    with torch.no_grad():
        norm = network.vision_model.post_layernorm
        norm.weight[0] *= 1e5
        norm.bias[0] *= 1e5
        for layer in network.text_decoder.bert.encoder.layer:
            for side in (layer.crossattention.self.key, layer.crossattention.self.value):
                side.weight[:, 0] /= 1e5
    folder = tmp_path / "lopsided"
    network.save_pretrained(folder)
    for name in ("tokenizer.json", "preprocessor_config.json"):
        (folder / name).write_bytes((TRAINED / name).read_bytes())
    return folder


def test_an_int8_export_that_says_something_else_is_refused_and_changes_nothing(lopsided: Path) -> None:
    images = pictures(6)
    same = [TorchBlip(folder, device="cpu").sentences(images) for folder in (TRAINED, lopsided)]
    assert [sentence.ids for sentence in same[0]] == [sentence.ids for sentence in same[1]]
    target = lopsided.parent / "out" / "int8"
    target.mkdir(parents=True)
    (target / "former").touch()
    with pytest.raises(WeightsError, match="not written"):
        export_blip(lopsided, target, int8=True)
    assert [path.name for path in target.parent.rglob("*")] == ["int8", "former"]


def test_a_source_without_weights_is_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsMissing, match="no config"):
        export_blip(tmp_path / "nothing", tmp_path / "out", int8=False)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "blip"}))
    with pytest.raises(WeightsCorrupt, match="cannot be read"):
        export_blip(tmp_path, tmp_path / "out", int8=False)
    assert not (tmp_path / "out").exists()
