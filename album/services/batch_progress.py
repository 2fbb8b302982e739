"""How far a run is, told from rows alone: a page in another process, or on another host, can say it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from django.db.models import Count, QuerySet
from django.utils import timezone

from album.models import BatchRun, MediaItem, Stage, StageResult, Status
from album.models.media import Kind
from album.queries import Viewer, visible_to
from album.services.batch_requests import ACTIVE, State, runs_of
from album.services.forecasts import measured_seconds

SILENT_AFTER = timedelta(minutes=5)
WAITS_LONG_AFTER = timedelta(seconds=10)
"""A free worker takes a run within a second."""


@dataclass(frozen=True, slots=True)
class RunProgress:
    """A run as a page shows it. ``done`` of ``total`` items of step ``step`` of ``steps`` are through."""

    run: BatchRun
    step: int = 1
    steps: int = 1
    done: int = 0
    total: int = 0
    weights: str = ""
    left_s: float | None = None
    """Seconds to its end; None where nothing was measured yet."""

    @property
    def is_active(self) -> bool:
        return self.run.state in ACTIVE

    @property
    def percent(self) -> int:
        """Of the whole run, 0 to 100; it never goes back."""
        if self.run.state == State.QUEUED or not self.total:
            return 0
        return min(100, int(100 * (self.step - 1 + min(1, self.done / self.total)) / self.steps))

    @property
    def is_silent(self) -> bool:
        """True when a run that should be working has not been heard of for minutes."""
        heard_at = self.run.heartbeat_at or self.run.created_at
        return self.run.state == State.RUNNING and timezone.now() - heard_at > SILENT_AFTER

    @property
    def waits_long(self) -> bool:
        """True when no worker took it at once: none is there, or it has other work."""
        return self.run.state == State.QUEUED and timezone.now() - self.run.created_at > WAITS_LONG_AFTER


def latest_run(user: Viewer, kind: Kind) -> BatchRun | None:
    """The run to show: one that works, else one that waits, else the last one. Single items do not count."""
    runs = runs_of(user).filter(kind=kind, item=None).select_related("album", "requested_by")
    active = runs.filter(state__in=ACTIVE).order_by("-state", "pk").first()
    return active or runs.order_by("-pk").first()


def progress_of(run: BatchRun) -> RunProgress:
    """How far ``run`` is. Its steps are its stages in their order; the last one is always the description."""
    if run.state != State.RUNNING or not run.current_stage:
        return RunProgress(run, total=run.items_total)
    stage, order = Stage(run.current_stage), list(Stage)
    ended = StageResult.objects.filter(run=run, state__in=(Status.COMPLETED, Status.FAILED))
    counts = dict(ended.order_by().values_list("stage").annotate(Count("pk")))
    steps = [each for each in order if each in counts or order.index(each) >= order.index(stage)]
    done, total = counts.get(stage, 0), run.items_total
    weights = ended.filter(stage=stage).exclude(weights="").values_list("weights", flat=True).first()
    left_s = (total - done) / run.items_per_second if run.items_per_second else None
    for later in steps[steps.index(stage) + 1 :]:
        each_s = measured_seconds(Kind(run.kind), later)
        left_s = None if left_s is None or each_s is None else left_s + total * each_s
    return RunProgress(run, steps.index(stage) + 1, len(steps), done, total, weights or "", left_s)


def results_of(run: BatchRun, user: Viewer) -> QuerySet[MediaItem]:
    """What ``run`` has described and ``user`` may see, newest first."""
    described = StageResult.objects.filter(run=run, stage=Stage.CAPTION, state=Status.COMPLETED)
    return visible_to(user).filter(pk__in=described.order_by().values("item")).order_by("-pk")
