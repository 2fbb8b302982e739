"""The queue alone: ``python -m tests.benchmarks.ledger [MEETING]`` works through all photos that wait.

Nothing is decoded and no network runs: the loader gives one constant frame, the analyzer one constant result with
five tags and a description. What remains is claiming, the loop, and one durable transaction per item.
Prints the seconds of the whole run; of claiming, renewing and recording alone, their CPU, and their wall clock with
each call counted as the median of its kind, which a disk that is busy now and then does not move; and the ids.
With MEETING, a folder, two processes begin together.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
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


def no_finding(item: MediaItem, **_: object) -> Path:
    """Where nothing is looked for."""
    return Path()


def no_decoding(item: MediaItem, *_: object, **__: object) -> list[Frame]:
    """The constant frame, in place of the file's."""
    return [FRAME]


def clock(owner: type, name: str) -> list[tuple[float, float]]:
    """Seconds of each call of a method from now on: wall clock, and CPU of the calling thread."""
    method, times = getattr(owner, name), list[tuple[float, float]]()

    def timed(*arguments: Any, **options: Any) -> Any:
        wall_s, cpu_s = time.monotonic(), time.thread_time()
        try:
            return method(*arguments, **options)
        finally:
            times.append((time.monotonic() - wall_s, time.thread_time() - cpu_s))

    setattr(owner, name, timed)
    return times


def meet(folder: Path, count: int) -> None:
    """Returns once ``count`` processes have come to the folder, so that none is done before the next begins."""
    folder.joinpath(str(os.getpid())).touch()
    until = time.monotonic() + 60
    while len(list(folder.iterdir())) < count:
        if time.monotonic() > until:
            raise TimeoutError(f"fewer than {count} processes came to {folder}")
        time.sleep(0.01)


def main(meeting: str | None = None) -> None:
    if meeting is not None:
        meet(Path(meeting), 2)
    calls = [clock(Claimer, "claim"), clock(Claimer, "renew"), clock(Recorder, "completed")]
    for name, instead in (("find_source", no_finding), ("load_frames", no_decoding)):
        setattr(batch, name, instead)  # the name is imported there, not exported
    touched, analyzer = Touched(), Constant()
    work = StageWork(Stage.CAPTION, ((analyzer.weights, lambda: analyzer),))
    run = BatchRun(kind=Kind.PHOTO, trigger=BatchRun.Trigger.COMMAND)
    started = time.monotonic()
    totals = batch.run_batch(run, BatchOptions(kind=Kind.PHOTO), [work], touched)
    wall_s = time.monotonic() - started
    times = {
        "run_s": wall_s,
        "queue_s": sum(wall for kind in calls for wall, _ in kind),
        "queue_cpu_s": sum(cpu for kind in calls for _, cpu in kind),
        "queue_by_medians_s": sum(len(kind) * median(wall for wall, _ in kind) for kind in calls if kind),
    }
    print(json.dumps({**times, "failed": totals.failed, "ids": touched.ids}))


if __name__ == "__main__":
    main(*sys.argv[1:])
