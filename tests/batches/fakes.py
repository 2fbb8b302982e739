"""A hand-written analyzer: deterministic, and told what to do wrong."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from album.batches.stage_loop import StageWork
from album.exceptions import InferenceError, InferenceOutOfMemory
from album.inference.results import Analysis, Analyzer, Frame, Tag, TagSource, WeightsRef
from album.models import MediaItem, Stage

FAKE_WEIGHTS = WeightsRef("fake", "1")


def mean_color(frame: Frame) -> int:
    return round(float(frame.pixels.mean()))


@dataclass
class FakeAnalyzer:
    """Satisfies ``Analyzer``; a picture is known by its mean gray value, which its description repeats."""

    stage: Stage = Stage.CAPTION
    weights: WeightsRef = FAKE_WEIGHTS
    micro_batch: int = 4
    fails_on: frozenset[int] = frozenset()
    hangs_on: frozenset[int] = frozenset()
    frames_that_fit: int = 1000
    on_analyze: Callable[[int], None] = lambda _: None
    analyzed: list[list[int]] = field(default_factory=list)
    is_closed: bool = False

    def analyze(self, frames: Sequence[Frame]) -> list[Analysis]:
        grays = [mean_color(frame) for frame in frames]
        self.analyzed.append(grays)
        self.on_analyze(len(self.analyzed))
        if len(frames) > self.frames_that_fit:
            raise InferenceOutOfMemory(f"{len(frames)} frames do not fit")
        if self.fails_on & set(grays):
            raise InferenceError("this picture breaks the network")
        if self.hangs_on & set(grays):
            time.sleep(60)
        return [self._analysis(gray) for gray in grays]

    def _analysis(self, gray: int) -> Analysis:
        if self.stage == Stage.EMBED:
            vector = np.zeros(8, np.float32)
            vector[gray % 8] = 1
            return Analysis(embedding=vector, tags=(Tag(f"gray {gray}", 0.9, TagSource.ZERO_SHOT),))
        tags = (Tag(f"shade {gray}", 0.8, TagSource.CAPTION), Tag("picture of gray", 0.5, TagSource.CAPTION))
        return Analysis(description=f"a picture of gray {gray}", description_score=0.9, tags=tags)

    def cancel(self) -> None:
        pass

    def close(self) -> None:
        self.is_closed = True


def work_of(*analyzers: FakeAnalyzer, opened: list[str] | None = None) -> StageWork:
    """The work of a stage with these analyzers, best first; ``opened`` notes each load."""

    def opener(analyzer: FakeAnalyzer) -> Callable[[], Analyzer]:
        def open_analyzer() -> Analyzer:
            if opened is not None:
                opened.append(analyzer.weights.id)
            return analyzer

        return open_analyzer

    return StageWork(analyzers[0].stage, tuple((one.weights, opener(one)) for one in analyzers))


@dataclass
class Notebook:
    """Satisfies ``Listener`` and remembers."""

    notes: list[str] = field(default_factory=list)
    outcomes: dict[int, Analysis | str] = field(default_factory=dict)

    def stage_started(self, stage: Stage, total: int, weights: str) -> None:
        self.notes.append(f"{stage} {total} {weights}")

    def item_done(self, item: MediaItem, stage: Stage, outcome: Analysis | str) -> None:
        self.outcomes[item.pk] = outcome

    def note(self, message: str) -> None:
        self.notes.append(message)
