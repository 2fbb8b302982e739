"""The queue alone: ``python -m tests.benchmarks.ledger`` works through all pending photos of an installation.

Nothing is decoded and no network runs: the loader gives one constant frame, the analyzer one constant result with
five tags and a description. What remains is claiming, the loop, and one durable transaction per item.
Prints the seconds of the whole run and of claiming, renewing and recording alone, and the ids of the items that
this process recorded.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from typing import Any

import django
import numpy as np

os.environ["DJANGO_SETTINGS_MODULE"] = "photo_album.settings"
django.setup()

from album.batches import run as batch  # noqa: E402
from album.batches.ledger import Claimer  # noqa: E402
from album.batches.options import BatchOptions  # noqa: E402
from album.batches.recording import Recorder  # noqa: E402
from album.batches.stage_loop import StageWork  # noqa: E402
from album.inference.results import Analysis, Frame, Tag, TagSource, WeightsRef  # noqa: E402
from album.models import BatchRun, MediaItem, Stage  # noqa: E402
from album.models.media import Kind  # noqa: E402

FRAME = Frame(np.zeros((8, 8, 3), np.uint8))
TAGS = tuple(Tag(f"tag {number}", 0.5, TagSource.CAPTION) for number in range(5))
ANALYSIS = Analysis(description="a dog on a beach", description_score=0.5, tags=TAGS)


class Constant:
    """Satisfies ``Analyzer`` and costs nothing."""

    weights = WeightsRef("constant", "1")
    micro_batch = 8

    def analyze(self, frames: Sequence[Frame]) -> list[Analysis]:
        return [ANALYSIS] * len(frames)

    def cancel(self) -> None: ...

    def close(self) -> None: ...


class Touched:
    """Satisfies ``Listener`` and remembers which items were recorded."""

    def __init__(self) -> None:
        self.ids: list[int] = []

    def stage_started(self, stage: Stage, total: int, weights: str) -> None: ...

    def item_done(self, item: MediaItem, stage: Stage, outcome: Analysis | str) -> None:
        self.ids.append(item.pk)

    def note(self, message: str) -> None: ...


def no_decoding(item: MediaItem, *, min_side_px: int, video_frames: int) -> list[Frame]:
    """The constant frame, in place of the file's."""
    return [FRAME]


class Stopwatch:
    """Adds up the wall clock of methods."""

    def __init__(self) -> None:
        self.total_s = 0.0

    def watch(self, owner: type, name: str) -> None:
        method = getattr(owner, name)

        def timed(*arguments: Any, **options: Any) -> Any:
            started = time.monotonic()
            try:
                return method(*arguments, **options)
            finally:
                self.total_s += time.monotonic() - started

        setattr(owner, name, timed)


def main() -> None:
    stopwatch = Stopwatch()
    for owner, name in ((Claimer, "claim"), (Claimer, "renew"), (Recorder, "completed")):
        stopwatch.watch(owner, name)
    setattr(batch, "load_frames", no_decoding)  # noqa: B010 - the name is imported there, not exported
    touched, analyzer = Touched(), Constant()
    work = StageWork(Stage.CAPTION, ((analyzer.weights, lambda: analyzer),))
    run = BatchRun(kind=Kind.PHOTO, trigger=BatchRun.Trigger.COMMAND)
    wall_s, cpu_s = time.monotonic(), time.process_time()
    totals = batch.run_batch(run, BatchOptions(kind=Kind.PHOTO), [work], touched)
    wall_s, cpu_s = time.monotonic() - wall_s, time.process_time() - cpu_s
    times = {"wall_s": wall_s, "cpu_s": cpu_s, "queue_s": stopwatch.total_s}
    print(json.dumps({**times, "failed": totals.failed, "ids": touched.ids}))


if __name__ == "__main__":
    main()
