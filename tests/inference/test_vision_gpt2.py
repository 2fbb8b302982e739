"""ViT-GPT2 from graphs of the hub's interface says what transformers' ``generate`` says.

The graphs are exported here from a tiny untrained network, with the names and shapes that optimum gives them.
"""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from album.exceptions import WeightsMissing  # noqa: E402
from album.inference.captioners import OnnxVisionGpt2, Wishes  # noqa: E402
from album.inference.preprocess import PixelRecipe, resize_and_normalize  # noqa: E402
from album.inference.results import Pixels  # noqa: E402

pytestmark = pytest.mark.torch

LAYERS, HEADS, WIDTH = 2, 4, 32
RECIPE = PixelRecipe(32, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5), resample="bilinear")


def pictures(count: int) -> list[Pixels]:
    rng = np.random.default_rng(3)
    return [rng.integers(0, 256, (40, 56, 3), dtype=np.uint8) for _ in range(count)]


def build_tokenizer(folder: Path) -> Any:
    from tokenizers import ByteLevelBPETokenizer

    tokenizer = ByteLevelBPETokenizer()
    tokenizer.train_from_iterator(["a dog on a beach"], vocab_size=280, special_tokens=["<|endoftext|>"])
    tokenizer.save(str(folder / "tokenizer.json"))
    return tokenizer


def build_network(vocabulary_size: int, end_id: int) -> Any:
    from transformers import GPT2Config, VisionEncoderDecoderConfig, VisionEncoderDecoderModel, ViTConfig

    torch.manual_seed(1)
    vision = ViTConfig(
        hidden_size=WIDTH,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=48,
        image_size=32,
        patch_size=8,
    )
    text = GPT2Config(
        vocab_size=vocabulary_size, n_positions=64, n_embd=WIDTH, n_layer=LAYERS, n_head=HEADS, bos_token_id=end_id,
        eos_token_id=end_id, add_cross_attention=True, is_decoder=True,
    )  # fmt: skip
    config = VisionEncoderDecoderConfig.from_encoder_decoder_configs(vision, text)
    config.decoder_start_token_id = config.pad_token_id = config.eos_token_id = end_id
    network = VisionEncoderDecoderModel(config=config).eval()
    with torch.no_grad():
        for weight in network.parameters():
            weight.add_(torch.randn_like(weight) * 0.25)
    network.generation_config.decoder_start_token_id = end_id
    network.generation_config.pad_token_id = network.generation_config.eos_token_id = end_id
    return network


class Decoder(torch.nn.Module):  # type: ignore[misc, name-defined, unused-ignore]
    """GPT-2 with its cache as plain tensors."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.gpt2, self.head = network.decoder.transformer, network.decoder.lm_head

    def forward(self, input_ids: Any, encoder_hidden_states: Any, past: list[Any] | None = None) -> tuple[Any, ...]:
        said = past[0].shape[2] if past else 0
        hidden = self.gpt2.wte(input_ids) + self.gpt2.wpe.weight[said]
        present = []
        for index, layer in enumerate(self.gpt2.h):
            query, key, value = map(self.split, layer.attn.c_attn(layer.ln_1(hidden)).chunk(3, -1))
            if past:
                key, value = (torch.cat([past[2 * index + side], new], 2) for side, new in enumerate((key, value)))
            present += [key, value]
            hidden = hidden + layer.attn.c_proj(self.attend(query, key, value))
            query = self.split(layer.crossattention.q_attn(layer.ln_cross_attn(hidden)))
            key, value = map(self.split, layer.crossattention.c_attn(encoder_hidden_states).chunk(2, -1))
            hidden = hidden + layer.crossattention.c_proj(self.attend(query, key, value))
            hidden = hidden + layer.mlp(layer.ln_2(hidden))
        return self.head(self.gpt2.ln_f(hidden)), *present

    @staticmethod
    def split(hidden: Any) -> Any:
        return hidden.unflatten(-1, (HEADS, -1)).transpose(1, 2)

    @staticmethod
    def attend(query: Any, key: Any, value: Any) -> Any:
        weights = (query @ key.transpose(-1, -2) * query.shape[-1] ** -0.5).softmax(-1)
        return (weights @ value).transpose(1, 2).flatten(2)


class Encoder(torch.nn.Module):  # type: ignore[misc, name-defined, unused-ignore]
    def __init__(self, network: Any) -> None:
        super().__init__()
        self.encoder = network.encoder

    def forward(self, pixel_values: Any) -> Any:
        return self.encoder(pixel_values=pixel_values).last_hidden_state


def export(
    module: Any, inputs: tuple[Any, ...], path: Path, names: tuple[list[str], list[str]], shapes: Any
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module.eval(), inputs, path, input_names=names[0], output_names=names[1], dynamic_shapes=shapes,
            opset_version=20, dynamo=True, external_data=False, verbose=False,
        )  # fmt: skip


def merge_decoders(folder: Path) -> None:
    """One graph that chooses by ``use_cache_branch``, as optimum merges them."""
    import onnx
    from onnx import TensorProto, helper

    first, later = (onnx.load(folder / f"{name}.onnx") for name in ("decoder_model", "decoder_with_past_model"))
    outputs = [item.name for item in later.graph.output]
    inputs = [*later.graph.input, helper.make_tensor_value_info("use_cache_branch", TensorProto.BOOL, [1])]
    branches = []
    for model, prefix in ((later, "later_"), (first, "first_")):
        shared = {item.name for item in inputs}
        for node in model.graph.node:
            node.input[:] = [name if not name or name in shared else prefix + name for name in node.input]
            node.output[:] = [prefix + name for name in node.output]
        for item in (*model.graph.initializer, *model.graph.output):
            item.name = prefix + item.name
        del model.graph.input[:], model.graph.value_info[:]
        branches.append(model.graph)
    choice = helper.make_node("If", ["use_cache_branch"], outputs, then_branch=branches[0], else_branch=branches[1])
    results = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs]
    merged = helper.make_graph([choice], "merged", inputs, results)
    model = helper.make_model(merged, opset_imports=later.opset_import, ir_version=later.ir_version)
    onnx.save(model, folder / "decoder_model_merged.onnx")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    folder = tmp_path_factory.mktemp("vit-gpt2")
    graphs = folder / "onnx"
    graphs.mkdir()
    tokenizer = build_tokenizer(folder)
    end_id = tokenizer.token_to_id("<|endoftext|>")
    network = build_network(tokenizer.get_vocab_size(), end_id)
    (folder / "config.json").write_text(json.dumps({"eos_token_id": end_id, "decoder_start_token_id": end_id}))
    picture = {"size": {"height": 32, "width": 32}, "resample": 2, "image_mean": [0.5] * 3, "image_std": [0.5] * 3}
    (folder / "preprocessor_config.json").write_text(json.dumps(picture))

    rows, said = torch.export.Dim("rows"), torch.export.Dim("said")
    past = [torch.randn(3, HEADS, 5, WIDTH // HEADS) for _ in range(2 * LAYERS)]
    sides = [f"{index}.{part}" for index in range(LAYERS) for part in ("key", "value")]
    outputs = ["logits", *(f"present.{side}" for side in sides)]
    inputs = ["input_ids", "encoder_hidden_states"]
    ids, seen = torch.ones(3, 1, dtype=torch.long), torch.randn(3, 17, WIDTH)
    pixels = torch.randn(3, 3, 32, 32)
    encoder_names = (["pixel_values"], ["last_hidden_state"])
    export(Encoder(network), (pixels,), graphs / "encoder_model.onnx", encoder_names, ({0: rows},))
    first = graphs / "decoder_model.onnx"
    export(Decoder(network), (ids, seen), first, (inputs, outputs), ({0: rows}, {0: rows}))
    later, names = (
        graphs / "decoder_with_past_model.onnx",
        [*inputs, *(f"past_key_values.{side}" for side in sides)],
    )
    shapes = ({0: rows}, {0: rows}, [{0: rows, 2: said}] * len(past))
    export(Decoder(network), (ids, seen, past), later, (names, outputs), shapes)
    return folder, network


@pytest.fixture(scope="module", params=["pair", "merged"])
def folder(request: pytest.FixtureRequest, built: tuple[Path, Any]) -> Path:
    if request.param == "merged":
        merge_decoders(built[0] / "onnx")
    return built[0]


MANNERS: list[Wishes] = [
    {},
    {"max_tokens": 6},
    {"beams": 3},
    {"beams": 3, "repetition_penalty": 1.4},
    {"min_tokens": 9, "repetition_penalty": 1.4},
]


@pytest.mark.parametrize("wishes", MANNERS, ids=str)
def test_the_graphs_say_what_transformers_says(wishes: Wishes, folder: Path, built: tuple[Path, Any]) -> None:
    images, network = pictures(8), built[1]
    captioner = OnnxVisionGpt2(folder, threads=1, decode_batch=3, **wishes)
    said = [sentence.ids for sentence in captioner.sentences(images)]
    with torch.inference_mode():
        expected = network.generate(
            pixel_values=torch.from_numpy(resize_and_normalize(images, RECIPE)),
            max_new_tokens=wishes.get("max_tokens", 20),
            min_new_tokens=wishes.get("min_tokens"),
            num_beams=wishes.get("beams", 1),
            repetition_penalty=wishes.get("repetition_penalty", 1.0),
            do_sample=False,
        )
    end_id = captioner.rules.end_id
    assert said == [tuple(token for token in row[1:] if token != end_id) for row in expected.tolist()]
    assert len(set(said)) > 2


def test_captions_are_text_without_the_end_word(folder: Path) -> None:
    captions = OnnxVisionGpt2(folder, threads=1).caption(pictures(3))
    assert all("endoftext" not in caption.text and caption.text == caption.text.strip() for caption in captions)
    assert all(0 < caption.score <= 1 and caption.token_count > 0 for caption in captions)


def test_quantized_files_are_preferred_where_both_are(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "onnx").mkdir()
    for path in folder.rglob("*.*"):
        (tmp_path / path.relative_to(folder)).write_bytes(path.read_bytes())
    graphs = tmp_path / "onnx"
    (graphs / "encoder_model.onnx").rename(graphs / "encoder_model_quantized.onnx")
    (graphs / "encoder_model.onnx").write_bytes(b"never read")
    assert len(OnnxVisionGpt2(tmp_path, threads=1).caption(pictures(1))) == 1


def test_a_missing_graph_is_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsMissing, match="encoder_model"):
        OnnxVisionGpt2(tmp_path, threads=1)
