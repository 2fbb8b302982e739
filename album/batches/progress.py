"""Who hears how a run gets on: the run's row, systemd, and whoever sits at the terminal."""

from __future__ import annotations

import os
import time
from typing import Protocol

import psutil
import sdnotify
from django.utils import timezone

from album.batches.options import Budget
from album.batches.run_state import write_run
from album.inference.results import Analysis
from album.models import BatchRun, MediaItem, Stage, Status

ROW_INTERVAL_S = 1.0
PROGRESS_FIELDS = (
    "current_stage",
    "items_total",
    "items_completed",
    "items_failed",
    "items_per_second",
    "heartbeat_at",
    "peak_memory_bytes",
)

DONE: dict[str, str] = {Stage.EMBED: "looked at", Stage.CAPTION: "described"}
"""What has been done to an item of a stage."""


class Listener(Protocol):
    """The terminal's side of progress."""

    def stage_started(self, stage: Stage, total: int, weights: str) -> None: ...

    def item_done(self, item: MediaItem, stage: Stage, outcome: Analysis | str) -> None:
        """``outcome`` is the analysis, or the error in words."""
        ...

    def note(self, message: str) -> None: ...


class Progress:
    """Counts, and writes the counts to the row at most once a second.

    The same beat reads whether a person asked the run to stop, and keeps ``heartbeat_at`` fresh.
    """

    def __init__(self, run: BatchRun, budget: Budget, listener: Listener) -> None:
        self.run, self.budget, self.listener = run, budget, listener
        self._systemd = sdnotify.SystemdNotifier() if "NOTIFY_SOCKET" in os.environ else None
        self._written_at = 0.0
        self._stage_total = self._stage_done = 0
        self._stage_started_at = time.monotonic()
        self._failed: set[int] = set()

    def stage_started(self, stage: Stage, total: int, weights: str) -> None:
        self.run.current_stage = stage
        self._stage_total, self._stage_done, self._stage_started_at = total, 0, time.monotonic()
        self.listener.stage_started(stage, total, weights)
        self.beat(force=True)

    def item_done(self, item: MediaItem, status: Status | None, outcome: Analysis | str) -> None:
        self._stage_done += 1
        if status == Status.COMPLETED:
            self.run.items_completed += 1
        # An item that fails in two stages is one failed item; one that another run holds is none of ours.
        if isinstance(outcome, str) and status is not None and item.pk not in self._failed:
            self._failed.add(item.pk)
            self.run.items_failed += 1
        self.listener.item_done(item, Stage(self.run.current_stage), outcome)
        self.beat()

    def beat(self, *, force: bool = False) -> None:
        now = time.monotonic()
        if not force and now - self._written_at < ROW_INTERVAL_S:
            return
        self._written_at = now
        run = self.run
        elapsed_s = now - self._stage_started_at
        run.items_per_second = self._stage_done / elapsed_s if elapsed_s > 0 and self._stage_done else None
        run.heartbeat_at = timezone.now()
        run.peak_memory_bytes = max(run.peak_memory_bytes or 0, psutil.Process().memory_info().rss)
        write_run(run, *PROGRESS_FIELDS)
        row = BatchRun.objects.filter(pk=run.pk).values_list("is_stop_requested", "host").first()
        # A run that another machine has taken up, while this one was away, is no longer this process's.
        self.budget.is_stop_requested = row is not None and (row[0] or row[1] != run.host)
        if self._systemd is not None:
            self._systemd.notify(f"STATUS={self.status_line()}")

    def status_line(self) -> str:
        """Like ``described 17/500, 2.1 s each``."""
        each = f", {1 / self.run.items_per_second:.1f} s each" if self.run.items_per_second else ""
        return f"{DONE.get(self.run.current_stage, 'begun')} {self._stage_done}/{self._stage_total}{each}"
