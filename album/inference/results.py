"""What networks take and give: frozen dataclasses, Protocols and, once and for all, the array conventions.

Arrays:
    images        ``(H, W, 3) uint8 RGB`` of the upright original, any size; ``Pixels`` below
    pixel tensors ``(N, 3, S, S) float32``, normalized, made by ``preprocess.py`` from images
    embeddings    ``(N, D) float32``, each row of L2 norm 1
    boxes         ``x1, y1, x2, y2`` in pixels of the upright original, x right, y down
    scores        0 to 1, a network's confidence; a similarity is a dot product and grows with nearness
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
FloatArray = NDArray[np.float32]


class TagSource(StrEnum):
    """Where a machine tag comes from. A tag of a person has no source here: people's words are kept apart."""

    CAPTION = "caption"
    ZERO_SHOT = "zero-shot"
    DETECTOR = "detector"
    CLASSIFIER = "classifier"
    BUILT_IN = "built-in"


@dataclass(frozen=True, slots=True)
class Tag:
    """A normalized name (lower case, singular, US spelling) with the confidence of its source."""

    name: str
    score: float
    source: TagSource


@dataclass(frozen=True, slots=True)
class Caption:
    """One description. ``score`` is exp(mean token log probability), 0 to 1."""

    text: str
    score: float
    token_count: int


@dataclass(frozen=True, slots=True)
class Detection:
    """One found object: ``box`` is x1, y1, x2, y2 in pixels of the upright original."""

    name: str
    score: float
    box: tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class PhotoFacts:
    """What the file itself tells, for analyzers that use more than pixels. Unknown facts are None or empty."""

    taken_at_local: datetime | None = None
    latitude_deg: float | None = None
    longitude_deg: float | None = None
    place_names: tuple[str, ...] = ()
    person_names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture to analyze: a photo, or one frame of a video."""

    pixels: Pixels
    facts: PhotoFacts = field(default_factory=PhotoFacts)


@dataclass(frozen=True, slots=True)
class Analysis:
    """What one analyzer says about one picture. A part that the analyzer does not make is None or empty."""

    description: str | None = None
    description_score: float | None = None
    tags: tuple[Tag, ...] = ()
    embedding: FloatArray | None = None


@dataclass(frozen=True, slots=True)
class WeightsRef:
    """Which weights made a result: the catalogue id (or ``built-in``) and the pinned revision."""

    id: str
    revision: str


class Captioner(Protocol):
    """Pictures to sentences."""

    def caption(self, images: Sequence[Pixels]) -> list[Caption]:
        """One caption per image. Raises InferenceOutOfMemory, InferenceCancelled, InferenceError."""
        ...

    def cancel(self) -> None:
        """Ends a running ``caption`` soon, from another thread."""
        ...

    def close(self) -> None:
        """Gives the memory back. The captioner cannot be used afterwards."""
        ...


class Encoder(Protocol):
    """Pictures and texts to unit vectors of one space. The text side is loaded at its first use."""

    dimension: int
    logit_scale: float
    logit_bias: float | None

    def embed_images(self, images: Sequence[Pixels]) -> FloatArray:
        """``(N, D)``, L2 norm 1."""
        ...

    def embed_texts(self, texts: Sequence[str]) -> FloatArray:
        """``(N, D)``, L2 norm 1."""
        ...

    def release_texts(self) -> None:
        """Gives back the memory of the text side; the next ``embed_texts`` loads it again."""
        ...

    def cancel(self) -> None: ...

    def close(self) -> None: ...


class Detector(Protocol):
    """Pictures to boxes."""

    def detect(self, images: Sequence[Pixels]) -> list[list[Detection]]: ...

    def cancel(self) -> None: ...

    def close(self) -> None: ...


class Classifier(Protocol):
    """Pictures to named classes, best first."""

    def classify(self, images: Sequence[Pixels]) -> list[list[tuple[str, float]]]: ...

    def cancel(self) -> None: ...

    def close(self) -> None: ...


class Analyzer(Protocol):
    """What a stage of the batch runs: loaded once, fed micro-batches, closed at the end of the stage."""

    weights: WeightsRef
    micro_batch: int
    """The largest number of frames to pass at once; the batch may lower it after running out of memory."""

    def analyze(self, frames: Sequence[Frame]) -> list[Analysis]:
        """One analysis per frame, in order. Raises InferenceOutOfMemory, InferenceCancelled, InferenceError."""
        ...

    def cancel(self) -> None: ...

    def close(self) -> None: ...
