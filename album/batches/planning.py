"""From settings, hardware and a run's row to what the run will do and with what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

from django.conf import settings
from django.db.models import Avg

from album.batches.ledger import claimable, items_to_redo, open_ledger
from album.batches.options import BatchOptions, Redo, next_local
from album.batches.stage_loop import StageWork, weights_of
from album.exceptions import AlbumError
from album.inference.analyzers import open_analyzer
from album.inference.hardware import detect_hardware
from album.inference.profiles import Plan, Profile, StagePlan, choose_profile, plan_stages
from album.models import AIProcessingSettings, BatchRun, Stage, StageResult, Status
from album.models.media import Kind
from album.models.processing import DELAYS


@dataclass(frozen=True, slots=True)
class Machine:
    """What this machine is and what a batch would use on it now."""

    profile: Profile
    plan: Plan
    is_by_name: bool = False
    """Weights were asked for by name, which says nothing about the other stages."""

    def works(self, stages: Sequence[Stage] | None) -> list[StageWork]:
        """The stages to run, in order of value. Raises AlbumError when a wanted stage cannot be done here."""
        works = [self._work(plan) for plan in self.plan.stages]
        if stages is None:
            return works
        wanted = [work for work in works if work.stage in stages]
        if not wanted:
            able = ", ".join(work.stage for work in works)
            reasons = " ".join(self.plan.reasons)
            raise AlbumError(f"this machine can do the stage {able} and not {', '.join(stages)}. {reasons}")
        return wanted

    @property
    def needed(self) -> list[Stage]:
        """All stages without which an item is not complete, also one whose weights do not fit just now."""
        return [Stage(name) for name in (*(plan.stage for plan in self.plan.stages), *self.plan.postponed)]

    @property
    def given_up(self) -> list[Stage]:
        """Stages that this machine cannot do with any installed weights, however much memory is free."""
        return [] if self.is_by_name else [stage for stage in Stage if stage not in self.needed]

    def _work(self, plan: StagePlan) -> StageWork:
        choices = tuple(
            (each.weights, partial(open_analyzer, each, self.profile, settings.MODELS_CACHE_DIR))
            for each in (plan, *plan.fallbacks)
        )
        # More than the network's input, so that the last, smooth resize has detail. Measured: 12 megapixels take
        # 47 ms for 1.5 times BLIP's input, where JPEG is decoded at a quarter, and 77 ms for twice.
        side = plan.entry.image_size_px * 3 // 2 or self.profile.image_size_px
        return StageWork(Stage(plan.stage), choices, self.profile.decode_threads, min(side, 1024))


def inspect_machine(only: Sequence[str] | None = None) -> Machine:
    """The profile and the plan of this machine. ``only`` names weights to use instead of the profile's."""
    hardware = detect_hardware()
    profile, _ = choose_profile(hardware, settings.AI_PROFILE)
    plan = plan_stages(profile, settings.MODELS_CACHE_DIR, hardware.available_bytes, only)
    return Machine(profile, plan, is_by_name=bool(only))


def options_of(run: BatchRun, profile: Profile, now: datetime) -> BatchOptions:
    """The bounds of a run that Celery or a page asked for: its row, then the settings, then the profile."""
    row = AIProcessingSettings.load()
    options = BatchOptions(
        kind=Kind(run.kind),
        album_id=run.album_id,
        item_ids=() if run.item_id is None else (run.item_id,),
        limit=run.item_limit,
        redo=Redo.EVERYTHING if run.is_forced else Redo.NOTHING,
    )
    options = with_item_costs(options, profile)
    if run.trigger != BatchRun.Trigger.SCHEDULE or run.scheduled_for is None:
        return options
    begun_at = run.started_at or now
    allowed = [] if row.max_minutes is None else [timedelta(minutes=row.max_minutes)]
    if row.window_end is not None:
        # From the photos' moment on: past the end already, videos would go on until that time of the next day.
        window_ends_at = next_local(row.window_end, run.scheduled_for - DELAYS[Kind(run.kind)])
        # A night that is caught up in the morning gets the length of the window instead of its end; one that was
        # there in time and waited behind another run does not.
        start = begun_at if run.created_at < window_ends_at else run.scheduled_for
        allowed.append(window_ends_at - start)
    # What a broken night has used up stays used up.
    minutes = [(each - (now - begun_at)) / timedelta(minutes=1) for each in allowed]
    limit = row.batch_size or profile.batch_size
    return replace(options, limit=limit, max_minutes=min(minutes, default=None))


def with_item_costs(options: BatchOptions, profile: Profile) -> BatchOptions:
    """The options with what one item may cost: as the settings row says, else the profile."""
    timeout_s = AIProcessingSettings.load().processing_timeout or profile.item_timeout_s
    return replace(options, item_timeout_s=float(timeout_s), video_frames=profile.video_frames)


@dataclass(frozen=True, slots=True)
class StageForecast:
    """What a stage would have to do. ``each_s`` is the mean of earlier items with the same weights, if any."""

    stage: Stage
    weights: str
    waiting: int
    each_s: float | None

    @property
    def total_s(self) -> float | None:
        return None if self.each_s is None else self.each_s * self.waiting


def forecast(options: BatchOptions, works: Sequence[StageWork]) -> list[StageForecast]:
    """What a run with these options would do now. Opens the ledger, touches no item."""
    wanted = weights_of(works)
    open_ledger(replace(options, redo=Redo.NOTHING), wanted)
    again = items_to_redo(options, wanted).count() if options.redo is not Redo.NOTHING else 0
    forecasts = []
    for work in works:
        done = StageResult.objects.filter(
            stage=work.stage, weights=work.weights.id, state=Status.COMPLETED, item__kind=options.kind
        )
        waiting = max(again, claimable(options, [work.stage]).count())
        bounded = waiting if options.limit is None else min(waiting, options.limit)
        each_s = done.aggregate(mean=Avg("duration_s"))["mean"]
        forecasts.append(StageForecast(work.stage, work.weights.id, bounded, each_s))
    return forecasts
