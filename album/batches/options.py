"""What a batch is asked to do, when it has to end, and why it ended."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from datetime import time as time_of_day
from enum import Enum
from types import FrameType

from django.utils import timezone

from album.models import BatchRun, Stage
from album.models.media import Kind

StopReason = BatchRun.StopReason


class Redo(Enum):
    """Which finished items a run takes again."""

    NOTHING = "pending items, and failed ones that have attempts left"
    OUTDATED = "every item without a result of the current weights"
    EVERYTHING = "every item"


@dataclass(frozen=True, slots=True)
class BatchOptions:
    """The scope and the bounds of a run. ``stages`` None means all that the profile plans."""

    kind: Kind
    album_id: int | None = None
    item_ids: tuple[int, ...] = ()
    limit: int | None = None
    max_minutes: float | None = None
    until: time_of_day | None = None
    stages: tuple[Stage, ...] | None = None
    redo: Redo = Redo.NOTHING
    item_timeout_s: float = 60.0
    video_frames: int = 6


def next_local(moment: time_of_day, now: datetime) -> datetime:
    """The first time after ``now`` at which local clocks show ``moment``; in autumn one hour comes twice."""
    local = timezone.localtime(now)
    for days, fold in ((0, 0), (0, 1), (1, 0)):
        date = local.date() + timedelta(days=days)
        candidate = datetime.combine(date, moment.replace(fold=fold), tzinfo=local.tzinfo).astimezone(UTC)
        if candidate > now:  # in UTC: two times of one zone are compared as clocks show them
            return candidate
    raise AssertionError("tomorrow lies after today")


@dataclass(slots=True)
class Budget:
    """Says, between two micro-batches, whether the run has to end. Durations use the monotonic clock."""

    deadline_s: float | None = None
    window_s: float | None = None
    signalled: list[int] = field(default_factory=list)
    is_stop_requested: bool = False

    @classmethod
    def of(cls, options: BatchOptions) -> Budget:
        now = time.monotonic()
        budget = cls()
        if options.max_minutes is not None:
            budget.deadline_s = now + options.max_minutes * 60
        if options.until is not None:
            wall = timezone.now()
            budget.window_s = now + (next_local(options.until, wall) - wall).total_seconds()
        return budget

    def stop_reason(self) -> StopReason | None:
        """Why the run has to end now, or None."""
        now = time.monotonic()
        if self.signalled:
            return StopReason.TERMINATED
        if self.is_stop_requested:
            return StopReason.REQUESTED
        if self.deadline_s is not None and now >= self.deadline_s:
            return StopReason.MINUTES
        if self.window_s is not None and now >= self.window_s:
            return StopReason.WINDOW
        return None

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Within the block SIGTERM and SIGINT end the run at the next item boundary; a second one at once."""

        def note(number: int, _: FrameType | None) -> None:
            if self.signalled:
                raise KeyboardInterrupt
            self.signalled.append(number)

        previous = {number: signal.signal(number, note) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)
