"""The analyzer for machines under 1 GB: objects and a class of the whole picture, described in plain English."""

from __future__ import annotations

from collections.abc import Sequence

from album.exceptions import InferenceCancelled
from album.inference.builtin import BuiltinAnalyzer
from album.inference.compose import CONFIDENT_CLASS, compose_description
from album.inference.results import (
    Analysis,
    Classifier,
    Detection,
    Detector,
    Frame,
    Tag,
    TagSource,
    WeightsRef,
)
from album.inference.words import normalize_tag


class LightAnalyzer:
    """Tags and descriptions from a detector and, if there is one, a classifier; satisfies Analyzer.

    A picture in which they find nothing gets the words and tags of the built-in analyzer, which say so.
    """

    micro_batch = 8

    def __init__(self, detector: Detector, classifier: Classifier | None, weights: WeightsRef) -> None:
        self.weights = weights
        self._detector = detector
        self._classifier = classifier
        self._builtin = BuiltinAnalyzer()
        self._is_cancelled = False

    def analyze(self, frames: Sequence[Frame]) -> list[Analysis]:
        """One analysis per frame, in order."""
        self._is_cancelled = False
        images = [frame.pixels for frame in frames]
        detections = self._detector.detect(images)
        if self._is_cancelled:
            raise InferenceCancelled(f"{self.weights.id}: ended from outside before it was done.")
        classes = self._classifier.classify(images) if self._classifier else [[] for _ in images]
        analyses = [_to_analysis(found, named) for found, named in zip(detections, classes, strict=True)]
        return [
            analysis if analysis.description else self._builtin.analyze([frame])[0]
            for analysis, frame in zip(analyses, frames, strict=True)
        ]

    def cancel(self) -> None:
        self._is_cancelled = True
        for network in self._networks():
            network.cancel()

    def close(self) -> None:
        for network in self._networks():
            network.close()

    def _networks(self) -> list[Detector | Classifier]:
        return [self._detector, *([self._classifier] if self._classifier else [])]


def _to_analysis(detections: list[Detection], classes: list[tuple[str, float]]) -> Analysis:
    sure = [(name, score) for name, score in classes if score >= CONFIDENT_CLASS]
    scores = [found.score for found in detections] or [score for _, score in sure[:1]]
    return Analysis(
        description=compose_description(detections, classes),
        description_score=sum(scores) / len(scores) if scores else None,
        tags=_to_tags(detections, sure),
    )


def _to_tags(detections: list[Detection], classes: list[tuple[str, float]]) -> tuple[Tag, ...]:
    """One tag per name, the surest source of each, surest first."""
    tags = [Tag(normalize_tag(found.name), found.score, TagSource.DETECTOR) for found in detections]
    tags += [Tag(normalize_tag(name), score, TagSource.CLASSIFIER) for name, score in classes]
    best: dict[str, Tag] = {}
    for tag in sorted(tags, key=lambda tag: -tag.score):
        best.setdefault(tag.name, tag)
    return tuple(best.values())
