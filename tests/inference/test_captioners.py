"""The trained tiny BLIP says the right words, the same through every runtime, and fails with names."""

from __future__ import annotations

import random
import shutil
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from album.exceptions import (
    InferenceCancelled,
    InferenceError,
    InferenceOutOfMemory,
    WeightsCorrupt,
    WeightsMissing,
)
from album.inference.captioners import OnnxBlip, TorchBlip, Wishes
from album.inference.results import Captioner, Pixels
from album.inference.sessions import is_out_of_memory, open_onnx
from album.media.scenes import Scene, draw_scene, sample_scene

WEIGHTS = Path(__file__).resolve().parents[1] / "fixtures" / "weights"
INT8, TORCH = WEIGHTS / "tiny-blip", WEIGHTS / "tiny-blip-torch"


def fresh_scenes(count: int, seed: int, size_px: tuple[int, int]) -> tuple[list[Pixels], list[str]]:
    """Pictures with captions that training never saw."""
    rng = random.Random(seed)
    images: list[Pixels] = []
    captions: list[str] = []
    while len(images) < count:
        scene = sample_scene(rng)
        if scene.is_held_out:
            images.append(np.asarray(draw_scene(scene, rng, size_px)[0]))
            captions.append(scene.caption)
    return images, captions


@pytest.fixture(scope="module")
def scenes() -> tuple[list[Pixels], list[str]]:
    return fresh_scenes(200, 31, (96, 72))


def texts(captioner: Captioner, images: list[Pixels]) -> list[str]:
    return [caption.text for caption in captioner.caption(images)]


def share_equal(one: list[str], other: list[str]) -> float:
    return float(np.mean([a == b for a, b in zip(one, other, strict=True)]))


def test_int8_says_the_exact_caption_of_scenes_it_never_saw(scenes: tuple[list[Pixels], list[str]]) -> None:
    images, expected = scenes
    assert share_equal(texts(OnnxBlip(INT8, threads=1, decode_batch=8), images), expected) >= 0.97


def test_pictures_of_a_cameras_size_and_either_orientation_are_captioned() -> None:
    wide, wide_captions = fresh_scenes(20, 32, (1600, 1200))
    tall, tall_captions = fresh_scenes(20, 33, (1200, 1600))
    captioner = OnnxBlip(INT8, threads=1)
    assert share_equal(texts(captioner, wide + tall), wide_captions + tall_captions) >= 0.95


def test_the_known_example_is_said_word_for_word() -> None:
    scene = Scene("many", "blue", (("red", "circle"),) * 2)
    picture, _ = draw_scene(scene, random.Random(5), (400, 300))
    (caption,) = OnnxBlip(INT8, threads=1).caption([np.asarray(picture)])
    assert caption.text == "two red circles on a blue background"
    assert caption.token_count == 7
    assert 0.5 < caption.score <= 1


def test_no_pictures_give_no_captions() -> None:
    assert OnnxBlip(INT8, threads=1).caption([]) == []


@pytest.mark.parametrize("batch", [1, 3, 8])
def test_the_micro_batch_does_not_change_the_words(batch: int, scenes: tuple[list[Pixels], list[str]]) -> None:
    images, _ = scenes
    alone = texts(OnnxBlip(INT8, threads=1, decode_batch=1), images[:50])
    # int8 scales its activations by the whole micro-batch, so a near tie may turn; fp32 is exact (see the export).
    assert share_equal(texts(OnnxBlip(INT8, threads=1, decode_batch=batch), images[:50]), alone) >= 0.98


def test_a_noisy_picture_gets_a_lower_score_than_a_clear_one(scenes: tuple[list[Pixels], list[str]]) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    captioner = OnnxBlip(INT8, threads=1)
    clear = np.mean([caption.score for caption in captioner.caption(scenes[0][:20])])
    assert captioner.caption([noise])[0].score < clear


@pytest.mark.torch
@pytest.mark.parametrize("wishes", [{}, {"beams": 3}, {"repetition_penalty": 1.4, "min_tokens": 7}])
def test_int8_agrees_with_torch(wishes: Wishes, scenes: tuple[list[Pixels], list[str]]) -> None:
    pytest.importorskip("torch")
    images, _ = scenes
    torch_says = texts(TorchBlip(TORCH, device="cpu", batch=50, **wishes), images)
    int8_says = texts(OnnxBlip(INT8, threads=1, decode_batch=8, **wishes), images)
    assert share_equal(torch_says, int8_says) >= 0.97


@pytest.mark.torch
@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
def test_torch_says_the_exact_caption_in_either_number_type(
    dtype: str, scenes: tuple[list[Pixels], list[str]]
) -> None:
    pytest.importorskip("torch")
    images, expected = scenes
    captioner = TorchBlip(TORCH, device="cpu", dtype=dtype, batch=16)
    assert share_equal(texts(captioner, images), expected) >= 0.97


def endless(captioner: OnnxBlip | TorchBlip) -> list[Pixels]:
    """More pictures than any test waits for."""
    return [np.zeros((64, 64, 3), np.uint8)] * 100_000


def assert_cancel_ends(captioner: OnnxBlip | TorchBlip) -> None:
    threading.Timer(0.3, captioner.cancel).start()
    started = time.monotonic()
    with pytest.raises(InferenceCancelled, match="ended from outside"):
        captioner.caption(endless(captioner))
    assert time.monotonic() - started < 5
    assert len(captioner.caption([np.zeros((64, 64, 3), np.uint8)])) == 1  # and it can go on afterwards


def test_cancel_ends_a_run_on_onnx() -> None:
    assert_cancel_ends(OnnxBlip(INT8, threads=1))


@pytest.mark.torch
def test_cancel_ends_a_run_on_torch() -> None:
    pytest.importorskip("torch")
    assert_cancel_ends(TorchBlip(TORCH, device="cpu"))


def test_a_cancellation_that_comes_too_late_does_not_hit_the_next_pictures() -> None:
    captioner = OnnxBlip(INT8, threads=1)
    picture = np.zeros((64, 64, 3), np.uint8)
    captioner.caption([picture])
    captioner.cancel()
    assert len(captioner.caption([picture])) == 1


def test_a_closed_captioner_says_so() -> None:
    captioner = OnnxBlip(INT8, threads=1)
    captioner.close()
    with pytest.raises(InferenceError, match="closed"):
        captioner.caption([np.zeros((64, 64, 3), np.uint8)])


def test_short_memory_is_told_apart_from_other_failures(monkeypatch: pytest.MonkeyPatch) -> None:
    captioner = OnnxBlip(INT8, threads=1)

    def no_memory(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(Image, "fromarray", no_memory)
    with pytest.raises(InferenceOutOfMemory, match="smaller"):
        captioner.caption([np.zeros((64, 64, 3), np.uint8)])


@pytest.mark.parametrize(
    "words",
    [
        "Failed to allocate memory for requested buffer of size 784000000",
        "std::bad_alloc",
        "CUDA out of memory. Tried to allocate 2.00 GiB",
        "[enforce fail at alloc_cpu.cpp:124] . DefaultCPUAllocator: can't allocate memory",
    ],
)
def test_the_runtimes_own_words_for_short_memory_are_known(words: str) -> None:
    assert is_out_of_memory(RuntimeError(words))
    assert not is_out_of_memory(RuntimeError("invalid dimensions"))


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return Path(shutil.copytree(INT8, tmp_path / "blip"))


@pytest.mark.parametrize("name", ["encoder.onnx", "step.onnx", "config.json", "tokenizer.json"])
def test_a_broken_file_is_named(copy: Path, name: str) -> None:
    whole = (copy / name).read_bytes()
    (copy / name).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(WeightsCorrupt, match=name):
        OnnxBlip(copy, threads=1)


@pytest.mark.parametrize("name", ["encoder.onnx", "step.onnx", "config.json", "tokenizer.json"])
def test_a_missing_file_is_named(copy: Path, name: str) -> None:
    (copy / name).unlink()
    with pytest.raises(WeightsMissing, match=name):
        OnnxBlip(copy, threads=1)


def test_a_config_of_another_kind_is_refused(copy: Path) -> None:
    (copy / "config.json").write_text('{"image_size_px": 64}')
    with pytest.raises(WeightsCorrupt, match="export again"):
        OnnxBlip(copy, threads=1)


@pytest.mark.torch
def test_torch_weights_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    with pytest.raises(WeightsMissing, match=r"config\.json"):
        TorchBlip(tmp_path)
    folder = Path(shutil.copytree(TORCH, tmp_path / "blip"))
    (folder / "model.safetensors").write_bytes(b"not weights")
    with pytest.raises(WeightsCorrupt, match="blip"):
        TorchBlip(folder, device="cpu")


@pytest.mark.torch
def test_torch_weights_with_a_part_missing_are_not_filled_with_random_numbers(
    tmp_path: Path,
) -> None:
    pytest.importorskip("torch")
    from safetensors.torch import load_file, save_file

    folder = Path(shutil.copytree(TORCH, tmp_path / "blip"))
    tensors = load_file(folder / "model.safetensors")
    del tensors["vision_model.post_layernorm.weight"]
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(WeightsCorrupt, match="post_layernorm"):
        TorchBlip(folder, device="cpu")


@pytest.mark.corpus
def test_a_graph_that_only_loads_without_layout_optimization_is_loaded() -> None:
    folder = Path(__file__).resolve().parents[2].parent / "shared" / "models" / "ppocrv3_det_en"
    if not folder.is_dir():
        pytest.skip(f"{folder} is not here")
    session = open_onnx(next(folder.glob("*.onnx")), threads=1)
    assert list(session.input_shapes) == ["x"]
