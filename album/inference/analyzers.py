"""From the plan of a stage to the object that does it: networks opened, with the tags that come from them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from album.inference.builtin import BuiltinAnalyzer
from album.inference.captioners import OnnxBlip, OnnxVisionGpt2, TorchBlip
from album.inference.catalogue import Entry
from album.inference.classifiers import OnnxImageNetClassifier
from album.inference.detectors import OnnxYoloX
from album.inference.encoders import OnnxDualEncoder, TorchDualEncoder
from album.inference.light import LightAnalyzer
from album.inference.profiles import Profile, StagePlan
from album.inference.results import (
    Analysis,
    Analyzer,
    Captioner,
    Encoder,
    FloatArray,
    Frame,
    Tag,
    WeightsRef,
)
from album.inference.sessions import torch_device
from album.inference.taggers import PHOTO_TAGS, ZeroShotTagger, read_vocabulary
from album.inference.weights import require
from album.inference.words import caption_tags

TAG_VECTORS_DIR = "tag_vectors"
"""Below the cache of weights: the vectors of a vocabulary, which are computed once per encoder."""


class VectorTagger(Protocol):
    """Image vectors to tags."""

    def tag(self, vectors: FloatArray) -> list[tuple[Tag, ...]]:
        """The tags of each row of ``(N, D) float32``, L2 norm 1."""
        ...


class EmbeddingAnalyzer:
    """The stage ``embed``: a vector for the search, and tags from that same vector; satisfies Analyzer."""

    def __init__(self, encoder: Encoder, tagger: VectorTagger, weights: WeightsRef, micro_batch: int) -> None:
        self.weights, self.micro_batch = weights, micro_batch
        self._encoder, self._tagger = encoder, tagger

    def analyze(self, frames: Sequence[Frame]) -> list[Analysis]:
        vectors = self._encoder.embed_images([frame.pixels for frame in frames])
        tags = self._tagger.tag(vectors)
        return [Analysis(tags=tags[row], embedding=vectors[row]) for row in range(len(frames))]

    def cancel(self) -> None:
        self._encoder.cancel()

    def close(self) -> None:
        self._encoder.close()


class CaptionAnalyzer:
    """The stage ``caption``: a sentence, and the things it names as tags; satisfies Analyzer."""

    def __init__(self, captioner: Captioner, weights: WeightsRef, micro_batch: int) -> None:
        self.weights, self.micro_batch = weights, micro_batch
        self._captioner = captioner

    def analyze(self, frames: Sequence[Frame]) -> list[Analysis]:
        captions = self._captioner.caption([frame.pixels for frame in frames])
        return [Analysis(caption.text, caption.score, caption_tags(caption)) for caption in captions]

    def cancel(self) -> None:
        self._captioner.cancel()

    def close(self) -> None:
        self._captioner.close()


def open_analyzer(plan: StagePlan, profile: Profile, cache_dir: Path) -> Analyzer:
    """The analyzer of a planned stage, its networks loaded.

    Raises WeightsMissing and WeightsCorrupt, naming the command that mends it, and NotEnoughMemory.
    """
    folder = require(plan.entry, cache_dir)
    if plan.entry.task == "encoder":
        encoder = _open_encoder(plan, profile, folder)
        try:
            vocabulary = folder / "vocabulary.txt"
            words = read_vocabulary(vocabulary if vocabulary.is_file() else PHOTO_TAGS)
            tagger = ZeroShotTagger(encoder, words, cache_dir=cache_dir / TAG_VECTORS_DIR, weights=plan.weights)
            encoder.release_texts()  # needed only while the vectors of the vocabulary were made
        except BaseException:
            encoder.close()
            raise
        return EmbeddingAnalyzer(encoder, tagger, plan.weights, plan.micro_batch)
    if plan.entry.task == "captioner":
        return CaptionAnalyzer(_open_captioner(plan, profile, folder), plan.weights, plan.micro_batch)
    analyzer: LightAnalyzer | BuiltinAnalyzer
    analyzer = _open_light(plan, profile, cache_dir) if plan.entry.task == "detector" else BuiltinAnalyzer()
    analyzer.micro_batch = plan.micro_batch
    return analyzer


def _open_encoder(plan: StagePlan, profile: Profile, folder: Path) -> Encoder:
    if plan.entry.runtime == "torch":
        return TorchDualEncoder(folder, dtype=_torch_type(), batch=plan.micro_batch)
    return OnnxDualEncoder(folder, threads=profile.threads)


def _open_captioner(plan: StagePlan, profile: Profile, folder: Path) -> Captioner:
    if plan.entry.runtime == "torch":
        return TorchBlip(folder, dtype=_torch_type(), batch=plan.micro_batch)
    kind = OnnxVisionGpt2 if plan.entry.family == "vision-gpt2" else OnnxBlip
    return kind(folder, threads=profile.threads, decode_batch=plan.micro_batch)


def _open_light(plan: StagePlan, profile: Profile, cache_dir: Path) -> LightAnalyzer:
    classifier = None
    if plan.companion:
        classifier = OnnxImageNetClassifier(_only_file(plan.companion, cache_dir), threads=profile.threads)
    detector = OnnxYoloX(_only_file(plan.entry, cache_dir), threads=profile.threads)
    return LightAnalyzer(detector, classifier, plan.weights)


def _only_file(entry: Entry, cache_dir: Path) -> Path:
    return require(entry, cache_dir) / entry.files[0].path


def _torch_type() -> str:
    """Half the bytes on a GPU, where they are also faster; full precision on a CPU, where they are not."""
    return "bf16" if torch_device().type == "cuda" else "fp32"
