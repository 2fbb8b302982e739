"""A plan becomes an analyzer that says what its networks see."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from album.exceptions import WeightsError, WeightsMissing
from album.inference import analyzers
from album.inference.analyzers import TAG_VECTORS_DIR, CaptionAnalyzer, EmbeddingAnalyzer, open_analyzer
from album.inference.bundles import import_weights
from album.inference.catalogue import CATALOGUE, WeightsFile
from album.inference.hardware import GIB
from album.inference.profiles import PROFILES, Profile, StagePlan, plan_stages
from album.inference.results import Caption, FloatArray, Frame, Pixels, Tag, TagSource, WeightsRef
from album.inference.weights import BUNDLED_DIR, checked_hash, publish, staging_folder
from album.media.scenes import Scene, draw_scene

PI, SERVER = PROFILES["raspberry-pi"], PROFILES["high-end"]
SHARED = Path(__file__).resolve().parents[2].parent / "shared"
GRAY = Frame(np.full((48, 64, 3), 128, np.uint8))
REF = WeightsRef("fake", "1")


class FakeNetwork:
    """Encoder and captioner at once; remembers what was asked of it."""

    dimension, logit_scale = 2, 1.0
    logit_bias: float | None = None

    def __init__(self) -> None:
        self.events: list[str] = []

    def embed_images(self, images: Sequence[Pixels]) -> FloatArray:
        return np.array([[1, 0], [0, 1]], np.float32)[: len(images)]

    def embed_texts(self, texts: Sequence[str]) -> FloatArray:
        raise NotImplementedError

    def caption(self, images: Sequence[Pixels]) -> list[Caption]:
        return [Caption("two red circles on a blue background", 0.9, 7) for _ in images]

    def release_texts(self) -> None:
        pass

    def cancel(self) -> None:
        self.events.append("cancel")

    def close(self) -> None:
        self.events.append("close")


class FakeTagger:
    def tag(self, vectors: FloatArray) -> list[tuple[Tag, ...]]:
        return [(Tag(f"axis {row.argmax()}", 1.0, TagSource.ZERO_SHOT),) for row in vectors]


def test_each_vector_keeps_the_tags_that_come_from_it():
    analyzer = EmbeddingAnalyzer(FakeNetwork(), FakeTagger(), REF, 2)
    first, second = analyzer.analyze([GRAY, GRAY])
    assert first.tags[0].name == "axis 0"
    assert second.tags[0].name == "axis 1"
    assert second.embedding is not None
    assert second.embedding.tolist() == [0, 1]
    assert first.description is None


def test_a_caption_brings_the_things_it_names_as_tags():
    (analysis,) = CaptionAnalyzer(FakeNetwork(), REF, 1).analyze([GRAY])
    assert (analysis.description, analysis.description_score) == ("two red circles on a blue background", 0.9)
    assert {"red circle", "circle"} <= {tag.name for tag in analysis.tags}
    assert {tag.source for tag in analysis.tags} == {TagSource.CAPTION}
    assert analysis.embedding is None


@pytest.mark.parametrize(
    "kind", [CaptionAnalyzer, lambda *rest: EmbeddingAnalyzer(rest[0], FakeTagger(), *rest[1:])]
)
def test_cancel_and_close_reach_the_network(kind: Any):
    network = FakeNetwork()
    analyzer = kind(network, REF, 1)
    analyzer.cancel()
    analyzer.close()
    assert network.events == ["cancel", "close"]


def plan_for(weights_id: str, cache: Path, profile: Profile = PI) -> StagePlan:
    (stage,) = plan_stages(profile, cache, 4 * GIB, [weights_id]).stages
    return stage


def red_circle() -> Frame:
    picture, _ = draw_scene(Scene("one", "blue", (("red", "circle"),), "large"), random.Random(5), (640, 480))
    return Frame(np.asarray(picture))


def test_the_tiny_encoder_tags_a_drawn_scene_and_keeps_the_vectors_of_its_vocabulary(tmp_path: Path):
    analyzer = open_analyzer(plan_for("tiny-clip", tmp_path), PI, tmp_path)
    (analysis,) = analyzer.analyze([red_circle()])
    analyzer.close()
    assert {"red circle", "circle", "red"} <= {tag.name for tag in analysis.tags}
    assert analysis.embedding is not None
    assert np.linalg.norm(analysis.embedding) == pytest.approx(1, abs=1e-3)
    assert analyzer.weights.id == "tiny-clip"
    assert analyzer.micro_batch == 2
    assert len(list((tmp_path / TAG_VECTORS_DIR).glob("tags-tiny-clip-*.npy"))) == 1


def test_the_tiny_captioner_says_what_was_drawn(tmp_path: Path):
    analyzer = open_analyzer(plan_for("tiny-blip", tmp_path), PI, tmp_path)
    (analysis,) = analyzer.analyze([red_circle()])
    analyzer.close()
    assert analysis.description == "a large red circle on a blue background"


def test_the_built_in_analyzer_needs_nothing(tmp_path: Path):
    analyzer = open_analyzer(plan_for("built-in", tmp_path), PI, tmp_path)
    (analysis,) = analyzer.analyze([GRAY])
    assert analyzer.weights == WeightsRef("built-in", "1")
    assert analyzer.micro_batch == 2
    assert analysis.description
    assert {tag.source for tag in analysis.tags} == {TagSource.BUILT_IN}


@pytest.mark.corpus
def test_the_light_taggers_describe_a_photo(tmp_path: Path):
    photos = sorted((SHARED / "corpus" / "coco-captions-by").rglob("*.jpg"))
    if not photos or not (SHARED / "models").is_dir():
        pytest.skip("the folders of real models and photos are not here")
    import_weights(SHARED / "models", tmp_path)
    plan = plan_for("yolox-nano", tmp_path)
    analyzer = open_analyzer(plan, PI, tmp_path)
    with Image.open(photos[1]) as photo:
        (analysis,) = analyzer.analyze([Frame(np.asarray(photo.convert("RGB")))])
    analyzer.close()
    assert analyzer.weights.id == "yolox-nano+mobilenet-v2-quant"
    assert analysis.description == "Three horses and two cows"
    assert "horse" in {tag.name for tag in analysis.tags}


def test_torch_and_onnx_agree_on_a_vector(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    pytest.importorskip("torch")
    source = BUNDLED_DIR / "tiny-clip" / "torch"
    name = "clip-vit-b-32-laion2b-torch"
    files = tuple(WeightsFile(path.name) for path in sorted(source.iterdir()))
    monkeypatch.setitem(CATALOGUE, name, replace(CATALOGUE[name], files=files))
    monkeypatch.setattr(analyzers, "PHOTO_TAGS", BUNDLED_DIR / "tiny-clip" / "vocabulary.txt")
    import_weights(source, tmp_path, only=[name])
    vectors: list[FloatArray] = []
    for weights_id in (name, "tiny-clip"):
        analyzer = open_analyzer(plan_for(weights_id, tmp_path, SERVER), SERVER, tmp_path)
        vector = analyzer.analyze([red_circle()])[0].embedding
        assert vector is not None
        vectors.append(vector)
        analyzer.close()
    assert vectors[0] @ vectors[1] > 0.99


@pytest.mark.parametrize(
    ("weights_id", "class_name"),
    [("vit-gpt2-int8", "OnnxVisionGpt2"), ("blip-base-int8", "OnnxBlip"), ("blip-base", "TorchBlip")],
)
def test_each_family_is_opened_by_its_own_class(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, weights_id: str, class_name: str
):
    if class_name == "TorchBlip":
        pytest.importorskip("torch")
    opened: list[tuple[Path, dict[str, Any]]] = []

    def remember(folder: Path, **options: Any) -> FakeNetwork:
        opened.append((folder, options))
        return FakeNetwork()

    entry = CATALOGUE[weights_id]
    entry = replace(entry, files=tuple(replace(file, sha256=None) for file in entry.files))
    with staging_folder(entry, tmp_path) as staging:
        for file in entry.files:
            (staging / file.path).parent.mkdir(exist_ok=True)
            (staging / file.path).write_text("weights")
        publish(
            entry,
            staging,
            tmp_path,
            {file.path: checked_hash(entry, file, staging / file.path) for file in entry.files},
        )
    monkeypatch.setattr(analyzers, class_name, remember)
    analyzer = open_analyzer(StagePlan("caption", entry, REF, 3), PI, tmp_path)
    assert isinstance(analyzer, CaptionAnalyzer)
    ((folder, options),) = opened
    assert folder == tmp_path / weights_id
    assert 3 in options.values()


def test_an_encoder_is_closed_when_its_vocabulary_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    network = FakeNetwork()
    monkeypatch.setattr(analyzers, "OnnxDualEncoder", lambda *_, **__: network)

    def refuse(_: Path) -> None:
        raise WeightsError("no vocabulary")

    monkeypatch.setattr(analyzers, "read_vocabulary", refuse)
    with pytest.raises(WeightsError, match="no vocabulary"):
        open_analyzer(plan_for("tiny-clip", tmp_path), PI, tmp_path)
    assert network.events == ["close"]


def test_weights_that_went_away_after_planning_are_named(tmp_path: Path):
    plan = StagePlan("caption", CATALOGUE["vit-gpt2-int8"], REF, 1)
    with pytest.raises(WeightsMissing, match="download_models --model vit-gpt2-int8"):
        open_analyzer(plan, PI, tmp_path)
