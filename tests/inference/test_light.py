"""The detector, the classifier and the analyzer over both, on graphs whose answers are known."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from album.exceptions import InferenceCancelled, InferenceError, WeightsCorrupt, WeightsMissing
from album.inference.builtin import BuiltinAnalyzer
from album.inference.classifiers import OnnxImageNetClassifier, crop_middle
from album.inference.detectors import OnnxYoloX, letterbox, suppress_overlaps
from album.inference.light import LightAnalyzer
from album.inference.results import (
    Analyzer,
    Classifier,
    Detection,
    Detector,
    Frame,
    Pixels,
    Tag,
    TagSource,
    WeightsRef,
)
from tests.inference.light_graphs import write_classifier, write_detector

PERSON, BICYCLE, DOG = 0, 1, 16
REF = WeightsRef("light", "1")


def plain(color: str, width: int = 64, height: int = 64) -> Pixels:
    return np.array(Image.new("RGB", (width, height), color), np.uint8)


def test_letterbox_keeps_the_aspect_at_the_top_left_in_bgr() -> None:
    tensor, scale = letterbox(plain("red", 200, 100), 64)
    assert scale == 0.32
    assert tensor.shape == (3, 64, 64)
    assert tensor.dtype == np.float32
    assert tensor[:, 0, 0].tolist() == [0, 0, 255]
    assert tensor[:, 31, 63].tolist() == [0, 0, 255]
    assert tensor[:, 32, 0].tolist() == [114, 114, 114]


def test_boxes_come_back_in_pixels_of_the_picture(tmp_path: Path) -> None:
    # Row 9 is column 1, row 1 of the finest grid (stride 8): center (12, 12), width 16, height 8, of 64 x 64.
    path = write_detector(tmp_path / "a.onnx", {9: (0.5, 0.5, math.log(2), 0.0, 0.9, PERSON, 0.8)})
    detector: Detector = OnnxYoloX(path, threads=1)
    ((found,),) = detector.detect([plain("red", 640, 320)])
    assert found.name == "person"
    assert found.score == pytest.approx(0.72)
    assert found.box == pytest.approx((40, 80, 200, 160))


def test_each_grid_has_its_stride_and_boxes_stay_inside_the_picture(tmp_path: Path) -> None:
    rows = {
        64: (0.5, 0.5, 0.0, 0.0, 1.0, PERSON, 0.9),  # the first cell of stride 16
        83: (0.5, 0.5, 3.0, 3.0, 1.0, DOG, 0.8),  # the last cell of stride 32, far larger than the picture
    }
    (found,) = OnnxYoloX(write_detector(tmp_path / "a.onnx", rows), threads=1).detect([plain("red")])
    assert [one.box for one in found] == [pytest.approx((0, 0, 16, 16)), pytest.approx((0, 0, 64, 64))]


def test_weak_and_repeated_objects_are_left_out(tmp_path: Path) -> None:
    rows = {
        9: (0.5, 0.5, 1.0, 1.0, 1.0, PERSON, 0.8),
        10: (-0.4, 0.5, 1.0, 1.0, 1.0, PERSON, 0.9),  # nearly the same place
        11: (-1.4, 0.5, 1.0, 1.0, 1.0, BICYCLE, 0.7),  # the same place, another kind
        30: (0.5, 0.5, 1.0, 1.0, 0.6, PERSON, 0.6),  # 0.36 is too weak
    }
    detector = OnnxYoloX(write_detector(tmp_path / "a.onnx", rows), threads=1)
    (found,) = detector.detect([plain("red")])
    assert [(one.name, round(one.score, 1)) for one in found] == [("person", 0.9), ("bicycle", 0.7)]
    assert detector.detect([]) == []


def test_overlaps_are_only_suppressed_within_a_class() -> None:
    boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 9], [0, 0, 10, 10], [20, 20, 30, 30]], np.float32)
    scores = np.array([0.5, 0.9, 0.4, 0.3], np.float32)
    assert suppress_overlaps(boxes, scores, np.array([0, 0, 1, 0])) == [1, 2, 3]


def test_the_middle_of_a_picture_is_cropped_without_distortion() -> None:
    picture = plain("red", 512, 256)
    picture[16:240, 144:368] = (0, 0, 255)
    assert crop_middle(picture).shape == (224, 224, 3)
    assert (crop_middle(picture) == (0, 0, 255)).all()


@pytest.mark.parametrize("is_quantized", [True, False])
def test_a_classifier_gets_rgb_as_its_kind_wants_it(tmp_path: Path, is_quantized: bool) -> None:
    classifier: Classifier = OnnxImageNetClassifier(
        write_classifier(tmp_path / "a.onnx", is_quantized=is_quantized), threads=1
    )
    best = [named[0] for named in classifier.classify([plain("red"), plain("lime"), plain("blue")])]
    assert [name for name, _ in best] == ["tench", "goldfish", "great white shark"]
    assert all(0.98 <= score <= 1 for _, score in best)


def test_classes_of_one_name_are_one_answer(tmp_path: Path) -> None:
    classifier = OnnxImageNetClassifier(write_classifier(tmp_path / "a.onnx", is_quantized=False), threads=1)
    classifier.labels = ("fish", "fish", *classifier.labels[2:])
    names = [name for name, _ in classifier.classify([plain("yellow")])[0]]
    assert names[0] == "fish"
    assert len(names) == len(set(names)) == 4


def test_foreign_weights_are_refused_when_they_are_opened(tmp_path: Path) -> None:
    with pytest.raises(WeightsCorrupt, match=r"few\.onnx: not a YOLOX"):
        OnnxYoloX(write_detector(tmp_path / "few.onnx", {}, columns=25), threads=1)
    with pytest.raises(WeightsCorrupt, match=r"few\.onnx: not a classifier"):
        OnnxImageNetClassifier(write_classifier(tmp_path / "few.onnx", is_quantized=False, columns=10), threads=1)
    with pytest.raises(WeightsCorrupt, match="not a classifier"):
        OnnxImageNetClassifier(write_detector(tmp_path / "yolo.onnx", {}), threads=1)
    with pytest.raises(WeightsMissing):
        OnnxYoloX(tmp_path / "none.onnx", threads=1)


def test_a_closed_network_says_so(tmp_path: Path) -> None:
    detector = OnnxYoloX(write_detector(tmp_path / "a.onnx", {}), threads=1)
    detector.close()
    with pytest.raises(InferenceError, match="closed"):
        detector.detect([plain("red")])


def open_analyzer(folder: Path, *, with_classifier: bool = True) -> LightAnalyzer:
    rows = {
        9: (0.5, 0.5, 0.0, 0.0, 1.0, PERSON, 0.9),
        30: (0.5, 0.5, 0.0, 0.0, 1.0, PERSON, 0.7),
        60: (0.5, 0.5, 0.0, 0.0, 1.0, BICYCLE, 0.5),
    }
    detector = OnnxYoloX(write_detector(folder / "detector.onnx", rows), threads=1)
    graph = write_classifier(folder / "classifier.onnx", is_quantized=True)
    return LightAnalyzer(detector, OnnxImageNetClassifier(graph, threads=1) if with_classifier else None, REF)


def test_objects_and_class_become_words_and_tags(tmp_path: Path) -> None:
    analyzer: Analyzer = open_analyzer(tmp_path)
    first, second = analyzer.analyze([Frame(plain("red")), Frame(plain("gray"))])
    assert first.description == second.description == "Two people and a bicycle"
    assert first.description_score == pytest.approx(0.7)
    assert [(tag.name, tag.source) for tag in first.tags] == [
        ("tench", TagSource.CLASSIFIER),
        ("person", TagSource.DETECTOR),
        ("bicycle", TagSource.DETECTOR),
    ]
    assert [tag.name for tag in second.tags] == ["person", "bicycle"]  # half gray is no sure class
    assert analyzer.weights == REF


def test_a_detector_alone_suffices(tmp_path: Path) -> None:
    (analysis,) = open_analyzer(tmp_path, with_classifier=False).analyze([Frame(plain("red"))])
    assert [tag.name for tag in analysis.tags] == ["person", "bicycle"]


class Blind:
    """A detector that finds nothing, and may be told to be cancelled while it looks."""

    def __init__(self) -> None:
        self.while_looking: Callable[[], None] = lambda: None

    def detect(self, images: Sequence[Pixels]) -> list[list[Detection]]:
        self.while_looking()
        return [[] for _ in images]

    def cancel(self) -> None: ...

    def close(self) -> None: ...


def test_nothing_found_leaves_the_word_to_the_built_in_analyzer() -> None:
    frame = Frame(plain("red"))
    analyses = LightAnalyzer(Blind(), None, REF).analyze([frame])
    assert analyses == BuiltinAnalyzer().analyze([frame])
    assert {tag.source for tag in analyses[0].tags} == {TagSource.BUILT_IN}


def test_a_sure_class_without_objects_is_named_as_a_possibility(tmp_path: Path) -> None:
    classifier = OnnxImageNetClassifier(write_classifier(tmp_path / "a.onnx", is_quantized=True), threads=1)
    (analysis,) = LightAnalyzer(Blind(), classifier, REF).analyze([Frame(plain("lime"))])
    assert analysis.description == "Possibly a goldfish"
    assert analysis.description_score == pytest.approx(255 / 256)
    assert analysis.tags == (Tag("goldfish", 255 / 256, TagSource.CLASSIFIER),)


def test_cancelling_ends_the_present_call_and_not_the_next(tmp_path: Path) -> None:
    detector = Blind()
    classifier = OnnxImageNetClassifier(write_classifier(tmp_path / "a.onnx", is_quantized=True), threads=1)
    analyzer = LightAnalyzer(detector, classifier, REF)
    detector.while_looking = analyzer.cancel
    with pytest.raises(InferenceCancelled):
        analyzer.analyze([Frame(plain("red"))])
    detector.while_looking = lambda: None
    assert len(analyzer.analyze([Frame(plain("red"))])) == 1
