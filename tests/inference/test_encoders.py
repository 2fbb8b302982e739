"""Encoders on the tiny CLIP: what they find, that neighbours do not matter, and what they say when they cannot."""

from __future__ import annotations

import io
import json
import random
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from album.exceptions import InferenceCancelled, InferenceError, WeightsCorrupt, WeightsMissing
from album.inference.encoder_configs import (
    EncoderConfig,
    read_encoder_config,
    read_transformers_config,
    write_encoder_config,
)
from album.inference.encoders import OnnxDualEncoder, TorchDualEncoder, unit_rows
from album.inference.results import Encoder, FloatArray, Pixels
from album.inference.tokenization import TextRecipe, TextTokenizer, clean_text
from album.media.scenes import Scene, draw_scene
from tests.inference.tiny_clip import FOLDER, TORCH_FOLDER, fresh_scenes

CLIP_TOKENIZER = (
    Path(__file__).resolve().parents[2].parent / "shared" / "models" / "tokenizers" / "clip_hf" / "tokenizer.json"
)


@pytest.fixture
def encoder() -> OnnxDualEncoder:
    return OnnxDualEncoder(FOLDER)


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """The tiny CLIP in a folder that a test may damage."""
    return Path(shutil.copytree(FOLDER, tmp_path / "weights", ignore=shutil.ignore_patterns("torch")))


def recall_at_1(encoder: Encoder, captions: Sequence[str], pictures: Sequence[Pixels]) -> float:
    """The share of captions whose nearest picture has that caption."""
    nearest = (encoder.embed_texts(captions) @ encoder.embed_images(pictures).T).argmax(axis=1)
    return float(np.mean([captions[found] == caption for found, caption in zip(nearest, captions, strict=True)]))


def test_captions_never_trained_on_find_their_picture_among_a_thousand(encoder: OnnxDualEncoder) -> None:
    scenes, pictures = fresh_scenes(1000, seed=5001)
    assert recall_at_1(encoder, [scene.caption for scene in scenes], pictures) >= 0.97


def test_photos_of_camera_size_and_quality_are_found_too(encoder: OnnxDualEncoder) -> None:
    scenes, pictures = fresh_scenes(60, seed=5002, size_px=(1200, 900))
    stored = []
    for picture in pictures:
        Image.fromarray(picture).save(buffer := io.BytesIO(), "JPEG", quality=80)
        stored.append(np.asarray(Image.open(buffer)))
    assert recall_at_1(encoder, [scene.caption for scene in scenes], stored) >= 0.95


@pytest.mark.parametrize(
    "query", ["two red circles on a blue background", "Two RED circles", "a photo of red circle"]
)
def test_a_search_in_own_words_prefers_the_right_picture(encoder: OnnxDualEncoder, query: str) -> None:
    wanted = Scene("many", "blue", (("red", "circle"),) * 2)
    picture = np.asarray(draw_scene(wanted, random.Random(1), (1200, 800))[0])
    scenes, pictures = fresh_scenes(400, seed=5003)
    others = [
        other for scene, other in zip(scenes, pictures, strict=True) if ("red", "circle") not in scene.objects
    ]
    assert (encoder.embed_texts([query]) @ encoder.embed_images([picture, *others]).T).argmax() == 0


def assert_unit(vectors: FloatArray, count: int) -> None:
    assert vectors.shape == (count, 64)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_vectors_are_float32_of_norm_1_for_any_number_of_inputs(encoder: OnnxDualEncoder) -> None:
    _, pictures = fresh_scenes(3, seed=1)
    for count in (0, 1, 3):
        assert_unit(encoder.embed_images(pictures[:count]), count)
        assert_unit(encoder.embed_texts(["red circle", "", "x" * 900][:count]), count)
    assert encoder.dimension == 64
    assert encoder.logit_bias is not None


def test_a_vector_does_not_depend_on_its_neighbours(encoder: OnnxDualEncoder) -> None:
    _, pictures = fresh_scenes(9, seed=2)
    alone = np.concatenate([encoder.embed_images([picture]) for picture in pictures])
    np.testing.assert_array_equal(encoder.embed_images(pictures), alone)
    texts = ["red circle", "a photo of two blue stars on a white background"]
    np.testing.assert_array_equal(
        encoder.embed_texts(texts), np.concatenate([encoder.embed_texts([text]) for text in texts])
    )


def test_int8_rows_run_together_stay_near(encoder: OnnxDualEncoder) -> None:
    _, pictures = fresh_scenes(64, seed=3)
    together = OnnxDualEncoder(FOLDER, rows=8).embed_images(pictures)
    assert (together * encoder.embed_images(pictures)).sum(axis=1).min() >= 0.999


def test_the_text_tower_takes_memory_only_while_texts_come(encoder: OnnxDualEncoder) -> None:
    encoder.embed_images(fresh_scenes(1, seed=4)[1])
    assert not encoder.has_text_tower
    first = encoder.embed_texts(["red circle"])
    assert encoder.has_text_tower
    encoder.release_texts()
    assert not encoder.has_text_tower
    np.testing.assert_array_equal(encoder.embed_texts(["red circle"]), first)


def test_a_process_that_only_searches_needs_no_image_tower(copied: Path) -> None:
    (copied / "visual.onnx").unlink()
    assert_unit(OnnxDualEncoder(copied, images=False).embed_texts(["red circle"]), 1)
    with pytest.raises(WeightsMissing, match=r"visual\.onnx"):
        OnnxDualEncoder(copied)


class CancelledAfter(Sequence[Any]):
    """Items in whose middle somebody cancels."""

    def __init__(self, items: Sequence[Any], encoder: Encoder, index: int) -> None:
        self._items, self._encoder, self._index = items, encoder, index

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, slice) and key.start >= self._index:
            self._encoder.cancel()
        return self._items[key]


def test_cancelling_ends_the_present_work_and_nothing_else(encoder: OnnxDualEncoder) -> None:
    _, pictures = fresh_scenes(5, seed=5)
    encoder.cancel()
    assert len(encoder.embed_images(pictures)) == 5, "nothing was running, so nothing is cancelled"
    with pytest.raises(InferenceCancelled):
        encoder.embed_images(CancelledAfter(pictures, encoder, 3))
    assert len(encoder.embed_images(pictures)) == 5


def test_a_closed_encoder_says_so(encoder: OnnxDualEncoder) -> None:
    encoder.close()
    with pytest.raises(InferenceError, match="closed"):
        encoder.embed_images(fresh_scenes(1, seed=6)[1])
    with pytest.raises(InferenceError, match="closed"):
        encoder.embed_texts(["red circle"])


@pytest.mark.parametrize("name", ["config.json", "visual.onnx", "textual.onnx", "tokenizer.json"])
def test_a_missing_file_is_named(copied: Path, name: str) -> None:
    (copied / name).unlink()
    with pytest.raises(WeightsMissing, match=name.replace(".", r"\.")):
        OnnxDualEncoder(copied).embed_texts(["red circle"])


@pytest.mark.parametrize("name", ["config.json", "visual.onnx", "textual.onnx", "tokenizer.json"])
def test_a_truncated_file_is_corrupt(copied: Path, name: str) -> None:
    path = copied / name
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(WeightsCorrupt):
        OnnxDualEncoder(copied).embed_texts(["red circle"])


@pytest.mark.parametrize(
    "change",
    [{"format": "other"}, {"dimension": 32}, {"pixels": {}}, {"surprise": 1}, {"text": {"context_length": 9}}],
)
def test_a_configuration_that_does_not_fit_is_corrupt(copied: Path, change: dict[str, Any]) -> None:
    path = copied / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(WeightsCorrupt):
        OnnxDualEncoder(copied).embed_texts(["red circle"])


def test_a_configuration_is_read_as_it_was_written(tmp_path: Path) -> None:
    config = read_encoder_config(FOLDER)
    write_encoder_config(tmp_path, config)
    assert read_encoder_config(tmp_path) == config
    assert config.precision == "int8"


def test_numbers_that_are_not_finite_are_refused() -> None:
    with pytest.raises(InferenceError, match="finite"):
        unit_rows(np.full((1, 4), np.nan, np.float32), 4, "network")


# Texts


def test_long_texts_keep_their_end_mark_and_short_ones_are_padded() -> None:
    recipe = read_encoder_config(FOLDER).text
    tokenizer = TextTokenizer(FOLDER / "tokenizer.json", recipe)
    assert tokenizer.encode(["red circle"]).shape == (1, 4)
    assert tokenizer.encode(["red circle", "a red circle"])[0, 3:].tolist() == [3, 0]
    assert tokenizer.encode([]).size == 0
    padded = TextTokenizer(FOLDER / "tokenizer.json", replace(recipe, is_padded=True))
    assert padded.encode(["red circle"]).shape == (1, 20)
    short, long = tokenizer.encode(["red circle", "red circle " * 50])
    assert short.shape == long.shape == (20,)
    assert short[0] == long[0] == 2
    assert short[3] == long[-1] == 3
    assert set(short[4:].tolist()) == {0}


def test_an_end_mark_is_added_where_the_tokenizer_adds_none(tmp_path: Path) -> None:
    raw = json.loads((FOLDER / "tokenizer.json").read_text())
    raw["post_processor"] = None
    (tmp_path / "tokenizer.json").write_text(json.dumps(raw))
    with_mark = TextTokenizer(tmp_path / "tokenizer.json", TextRecipe(5, "[PAD]", "[SEP]"))
    without = TextTokenizer(tmp_path / "tokenizer.json", TextRecipe(5, "[PAD]"))
    assert with_mark.encode(["red"])[0, 1:].tolist() == [3, 0, 0, 0]
    assert without.encode(["red"])[0, 1:].tolist() == [0, 0, 0, 0]


def test_a_token_that_the_tokenizer_does_not_know_is_corrupt() -> None:
    with pytest.raises(WeightsCorrupt, match="<pad>"):
        TextTokenizer(FOLDER / "tokenizer.json", TextRecipe(5, "<pad>"))


def test_texts_are_cleaned_as_the_network_was_trained() -> None:
    text = "  Two  Dogs, playing! "
    assert clean_text(text, "none") == "Two Dogs, playing!"
    assert clean_text(text, "lower") == "two dogs, playing!"
    assert clean_text(text, "canonical") == "two dogs playing"


@pytest.mark.corpus
def test_the_tokens_of_clip_are_those_of_its_makers() -> None:
    if not CLIP_TOKENIZER.is_file():
        pytest.skip("needs ../shared/models/tokenizers")
    tokenizer = TextTokenizer(CLIP_TOKENIZER, TextRecipe(77, "<|endoftext|>", "<|endoftext|>"))
    ids = tokenizer.encode(["A photo of a  CAT"])[0]
    assert ids[:7].tolist() == [49406, 320, 1125, 539, 320, 2368, 49407]
    assert set(ids[7:].tolist()) == {49407}


# Layouts of the hub


def write_immich_layout(target: Path, *, source: Path = FOLDER, rows: int | None = None) -> Path:
    """The tiny CLIP as immich-app lays out its weights: other files, other inputs, ids of 32 bits."""
    import onnx
    from onnx import TensorProto, helper

    config = read_encoder_config(FOLDER)
    for side, old, new in (("visual", "pixel_values", "image"), ("textual", "input_ids", "text")):
        (target / side).mkdir(parents=True)
        model = onnx.load(source / f"{side}.onnx")
        given = model.graph.input[0]
        given.name = new
        if side == "textual":
            given.type.tensor_type.elem_type = TensorProto.INT32
        if rows:
            given.type.tensor_type.shape.dim[0].Clear()
            given.type.tensor_type.shape.dim[0].dim_value = rows
        kind = TensorProto.INT64 if side == "textual" else TensorProto.FLOAT
        model.graph.node.insert(0, helper.make_node("Cast", [new], [old], to=kind))
        onnx.save(model, target / side / "model.onnx")
    shutil.copyfile(FOLDER / "tokenizer.json", target / "textual" / "tokenizer.json")
    picture = {"size": [64, 64], "mean": [0.5] * 3, "std": [0.5] * 3, "interpolation": "bicubic"}
    whole = {
        "embed_dim": 64,
        "vision_cfg": {"layers": 4},
        "text_cfg": {"context_length": config.text.context_length},
    }
    for name, content in {
        "visual/preprocess_cfg.json": picture | {"resize_mode": "squash", "mode": "RGB"},
        "textual/tokenizer_config.json": {"pad_token": {"content": "[PAD]"}},
        "config.json": whole,
    }.items():
        (target / name).write_text(json.dumps(content))
    return target


def padded(folder: Path) -> OnnxDualEncoder:
    """The weights in ``folder``, which from now on are given texts as long as they take."""
    config = read_encoder_config(folder)
    write_encoder_config(folder, replace(config, text=replace(config.text, is_padded=True)))
    return OnnxDualEncoder(folder)


@pytest.mark.parametrize("rows", [None, 1])
def test_weights_in_the_layout_of_immich_give_the_same_vectors(
    tmp_path: Path, copied: Path, rows: int | None
) -> None:
    encoder = padded(copied)
    theirs = OnnxDualEncoder(write_immich_layout(tmp_path / "hub", rows=rows), rows=None if rows else 1)
    _, pictures = fresh_scenes(3, seed=7)
    np.testing.assert_allclose(theirs.embed_images(pictures), encoder.embed_images(pictures), atol=1e-6)
    np.testing.assert_allclose(theirs.embed_texts(["red circle"]), encoder.embed_texts(["red circle"]), atol=1e-6)
    assert (theirs.logit_scale, theirs.logit_bias) == (100.0, None)


@pytest.mark.parametrize(
    ("vision", "backbone"),
    [
        ({"layers": 12, "width": 768}, "vit"),
        ({"layers": [3, 4, 6, 3]}, "conv"),
        ({"timm_model_name": "vit_base_patch16_siglip_224"}, "vit"),
        ({"timm_model_name": "fastvit_mci0"}, "conv"),
        ({"timm_model_name": "convnext_base"}, "conv"),
    ],
)
def test_convolutional_backbones_are_recognized(tmp_path: Path, vision: dict[str, Any], backbone: str) -> None:
    folder = write_immich_layout(tmp_path / "hub")
    text = {"context_length": 64, "vocab_size": 256000, "tokenizer_kwargs": {"clean": "canonicalize"}}
    (folder / "config.json").write_text(json.dumps({"embed_dim": 64, "vision_cfg": vision, "text_cfg": text}))
    config = read_encoder_config(folder)
    assert config.backbone == backbone
    assert config.text.cleaning == "canonical"
    is_siglip2 = vision.get("timm_model_name") == "vit_base_patch16_siglip_224"
    assert (config.logit_bias is not None) == is_siglip2, "its trained scale and bias are known"


def hub_config(folder: Path, files: dict[str, Any]) -> EncoderConfig:
    for name, content in files.items():
        (folder / name).write_text(json.dumps(content))
    return read_transformers_config(folder)


def test_clip_of_transformers_is_cropped_and_takes_texts_of_any_length(tmp_path: Path) -> None:
    picture: dict[str, Any] = {"crop_size": 224, "size": 224, "do_center_crop": True, "resample": 3}
    picture |= {"image_mean": [0.48, 0.46, 0.41], "image_std": [0.27, 0.26, 0.28]}
    tokens = {"pad_token": "<|endoftext|>", "eos_token": {"content": "<|endoftext|>"}}
    config = hub_config(
        tmp_path,
        {
            "config.json": {"model_type": "clip", "projection_dim": 512},
            "preprocessor_config.json": picture,
            "tokenizer_config.json": tokens,
        },
    )
    assert (config.pixels.size_px, config.pixels.mode, config.pixels.resample) == (224, "crop", "bicubic")
    assert config.text == TextRecipe(77, "<|endoftext|>", "<|endoftext|>", "lower", is_padded=False)
    assert config.dimension == 512


def test_siglip_of_transformers_is_squashed_and_its_texts_lose_punctuation(tmp_path: Path) -> None:
    picture = {
        "size": {"height": 256, "width": 256},
        "resample": 2,
        "image_mean": [0.5] * 3,
        "image_std": [0.5] * 3,
    }
    config = hub_config(
        tmp_path,
        {
            "config.json": {"model_type": "siglip", "vision_config": {"hidden_size": 768}, "text_config": {}},
            "preprocessor_config.json": picture,
            "tokenizer_config.json": {"pad_token": "<pad>", "eos_token": "<eos>"},
        },
    )
    assert (config.pixels.size_px, config.pixels.mode, config.pixels.resample) == (256, "squash", "bilinear")
    assert config.text == TextRecipe(64, "<pad>", "<eos>", "canonical")
    assert config.dimension == 768


# torch


@pytest.mark.torch
def test_torch_and_int8_agree_on_scenes_never_trained_on(encoder: OnnxDualEncoder) -> None:
    pytest.importorskip("torch")
    pytest.importorskip("transformers")
    oracle = TorchDualEncoder(TORCH_FOLDER, device="cpu")
    scenes, pictures = fresh_scenes(200, seed=8)
    captions = [scene.caption for scene in scenes]
    assert (oracle.embed_images(pictures) * encoder.embed_images(pictures)).sum(axis=1).min() >= 0.999
    assert (oracle.embed_texts(captions) * encoder.embed_texts(captions)).sum(axis=1).min() >= 0.999
    assert oracle.logit_scale == pytest.approx(encoder.logit_scale)
    assert oracle.logit_bias == pytest.approx(encoder.logit_bias)


@pytest.mark.torch
def test_torch_gives_the_same_in_any_batch_and_can_be_cancelled_and_closed() -> None:
    pytest.importorskip("torch")
    pytest.importorskip("transformers")
    oracle = TorchDualEncoder(TORCH_FOLDER, device="cpu", batch=2)
    _, pictures = fresh_scenes(5, seed=9)
    alone = np.concatenate([oracle.embed_images([picture]) for picture in pictures])
    np.testing.assert_allclose(oracle.embed_images(pictures), alone, atol=1e-5)
    with pytest.raises(InferenceCancelled):
        oracle.embed_images(CancelledAfter(pictures, oracle, 2))
    assert_unit(oracle.embed_texts([]), 0)
    oracle.close()
    with pytest.raises(InferenceError, match="closed"):
        oracle.embed_images(pictures)


@pytest.mark.torch
def test_bf16_stays_near_and_keeps_the_exact_scale() -> None:
    pytest.importorskip("torch")
    pytest.importorskip("transformers")
    _, pictures = fresh_scenes(20, seed=10)
    exact, coarse = (TorchDualEncoder(TORCH_FOLDER, device="cpu", dtype=dtype) for dtype in ("fp32", "bf16"))
    assert (exact.embed_images(pictures) * coarse.embed_images(pictures)).sum(axis=1).min() >= 0.99
    assert coarse.logit_scale == exact.logit_scale
