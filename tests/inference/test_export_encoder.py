"""Exports say what torch says, or leave nothing behind."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from album.exceptions import WeightsError, WeightsMissing
from album.inference import export_encoders
from album.inference.encoder_configs import read_encoder_config, write_encoder_config
from album.inference.encoders import OnnxDualEncoder, TorchDualEncoder
from album.inference.export_encoders import (
    FP32_TOLERANCE,
    INT8_MIN_COSINE,
    PROBE_TEXTS,
    export_dual_encoder,
    quantize_dual_encoder,
)
from tests.inference.test_encoders import padded, write_immich_layout
from tests.inference.tiny_clip import FOLDER, TORCH_FOLDER, fresh_scenes

pytestmark = pytest.mark.torch


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny CLIP in fp32, as ONNX."""
    for package in ("torch", "transformers", "onnx", "onnxscript"):
        pytest.importorskip(package)
    target = tmp_path_factory.mktemp("export") / "fp32"
    export_dual_encoder(TORCH_FOLDER, target)
    return target


@pytest.fixture(scope="module")
def siglip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SigLIP of random weights, with the tokenizer of the tiny CLIP, as transformers would store it."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    folder = tmp_path_factory.mktemp("siglip")
    torch.manual_seed(0)
    size = {"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4}
    vision = size | {"image_size": 64, "patch_size": 16}
    text = size | {"vocab_size": 40, "max_position_embeddings": 20, "projection_size": 64}
    model = transformers.SiglipModel(transformers.SiglipConfig(vision_config=vision, text_config=text))
    model.logit_scale.data.fill_(2.5)
    model.logit_bias.data.fill_(-7.5)
    model.save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json", "preprocessor_config.json"):
        shutil.copyfile(TORCH_FOLDER / name, folder / name)
    return folder


def test_onnx_in_fp32_agrees_with_torch_alone_and_in_batches(plain: Path) -> None:
    torch_encoder, encoder = TorchDualEncoder(TORCH_FOLDER, device="cpu"), OnnxDualEncoder(plain)
    scenes, pictures = fresh_scenes(40, seed=7001)
    captions = [scene.caption for scene in scenes]
    vectors = encoder.embed_images(pictures)
    np.testing.assert_allclose(vectors, torch_encoder.embed_images(pictures), atol=FP32_TOLERANCE)
    np.testing.assert_allclose(
        encoder.embed_texts(captions), torch_encoder.embed_texts(captions), atol=FP32_TOLERANCE
    )
    alone = np.concatenate([encoder.embed_images([picture]) for picture in pictures])
    np.testing.assert_allclose(vectors, alone, atol=1e-5)


def test_a_text_has_the_same_vector_in_a_row_of_any_length(plain: Path, tmp_path: Path) -> None:
    any_length, whole = OnnxDualEncoder(plain), padded(shutil.copytree(plain, tmp_path / "padded"))
    for texts in (PROBE_TEXTS, PROBE_TEXTS[4:5], ("red circle " * 50,)):
        np.testing.assert_allclose(any_length.embed_texts(texts), whole.embed_texts(texts), atol=1e-5)


def test_int8_stays_within_its_tolerance_and_is_smaller(plain: Path, tmp_path: Path) -> None:
    parity = quantize_dual_encoder(plain, tmp_path / "int8")
    assert min(parity.image_min_cosine, parity.text_min_cosine) >= INT8_MIN_COSINE
    assert (tmp_path / "int8" / "visual.onnx").stat().st_size < 0.6 * (plain / "visual.onnx").stat().st_size
    assert read_encoder_config(tmp_path / "int8").precision == "int8"
    assert sorted(path.name for path in (tmp_path / "int8").iterdir()) == [
        "config.json",
        "textual.onnx",
        "tokenizer.json",
        "visual.onnx",
    ]


def test_the_weights_of_the_fixtures_are_this_export(plain: Path, tmp_path: Path) -> None:
    quantize_dual_encoder(plain, tmp_path / "int8")
    _, pictures = fresh_scenes(5, seed=7002)
    again, kept = OnnxDualEncoder(tmp_path / "int8"), OnnxDualEncoder(FOLDER)
    np.testing.assert_allclose(again.embed_images(pictures), kept.embed_images(pictures), atol=0.02)
    assert read_encoder_config(tmp_path / "int8") == read_encoder_config(FOLDER)


def test_exported_files_name_no_path_of_the_machine_that_made_them(plain: Path) -> None:
    for path in (*plain.glob("*.onnx"), *FOLDER.glob("*.onnx")):
        assert b".py" not in path.read_bytes()


def test_siglip_is_exported_with_its_scale_and_bias(siglip: Path, tmp_path: Path) -> None:
    parity = export_dual_encoder(siglip, tmp_path / "siglip", int8=True)
    assert min(parity.image_min_cosine, parity.text_min_cosine) >= INT8_MIN_COSINE
    encoder, oracle = OnnxDualEncoder(tmp_path / "siglip"), TorchDualEncoder(siglip, device="cpu")
    assert encoder.logit_scale == oracle.logit_scale == pytest.approx(np.exp(2.5))
    assert encoder.logit_bias == oracle.logit_bias == pytest.approx(-7.5)
    _, pictures = fresh_scenes(4, seed=7003)
    assert (encoder.embed_images(pictures) * oracle.embed_images(pictures)).sum(axis=1).min() >= INT8_MIN_COSINE


def test_the_layout_of_immich_becomes_ours_in_int8_without_torch(plain: Path, tmp_path: Path) -> None:
    hub = write_immich_layout(tmp_path / "hub", source=plain)
    quantize_dual_encoder(hub, tmp_path / "ours", logits=(112.5, -16.0))
    config = read_encoder_config(tmp_path / "ours")
    assert (config.logit_scale, config.logit_bias, config.precision) == (112.5, -16.0, "int8")
    assert (tmp_path / "ours" / "visual.onnx").is_file()
    _, pictures = fresh_scenes(3, seed=7004)
    vectors = OnnxDualEncoder(tmp_path / "ours").embed_images(pictures)
    assert (vectors * OnnxDualEncoder(plain).embed_images(pictures)).sum(axis=1).min() >= INT8_MIN_COSINE


def configured(source: Path, target: Path, **change: Any) -> Path:
    """The weights in a folder whose configuration says something else."""
    shutil.copytree(source, target)
    content = json.loads((target / "config.json").read_text())
    (target / "config.json").write_text(json.dumps(content | change))
    return target


def test_convolutional_backbones_are_never_quantized(plain: Path, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="convolution"):
        quantize_dual_encoder(configured(plain, tmp_path / "conv", backbone="conv"), tmp_path / "target")
    assert not (tmp_path / "target").exists()


def test_int8_is_not_quantized_again(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="already"):
        quantize_dual_encoder(FOLDER, tmp_path / "target")


def test_an_export_that_loses_too_much_leaves_what_was_there(
    plain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = Path(shutil.copytree(plain, tmp_path / "exports" / "target"))
    before = {path.name: path.read_bytes() for path in target.iterdir()}
    monkeypatch.setattr(export_encoders, "INT8_MIN_COSINE", 1.1)
    with pytest.raises(WeightsError, match="loses too much"):
        quantize_dual_encoder(plain, target)
    assert {path.name: path.read_bytes() for path in target.iterdir()} == before
    assert list(target.parent.iterdir()) == [target], "no draft is left"


@pytest.mark.parametrize(
    "name", ["config.json", "tokenizer.json", "tokenizer_config.json", "preprocessor_config.json"]
)
def test_a_source_without_one_of_its_files_is_named(plain: Path, tmp_path: Path, name: str) -> None:
    source = Path(shutil.copytree(TORCH_FOLDER, tmp_path / "source"))
    (source / name).unlink()
    with pytest.raises(WeightsMissing, match=name.replace(".", r"\.")):
        export_dual_encoder(source, tmp_path / "target")
    assert not (tmp_path / "target").exists()


def test_an_export_takes_the_place_of_an_older_one(plain: Path, tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.mkdir()
    write_encoder_config(target, read_encoder_config(plain))
    quantize_dual_encoder(plain, target)
    assert read_encoder_config(target).precision == "int8"
