"""A whole run: the ledger opened, stage after stage worked through, the reason of its end stored."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial

from album.batches.decoding import DecodeAhead, find_source, load_frames
from album.batches.ledger import Claimer, abandon, claimable, open_ledger
from album.batches.options import BatchOptions, Budget, Redo, StopReason
from album.batches.progress import Listener, Progress
from album.batches.run_state import BatchTotals, State, begin_run, end_run, reap_dead_runs, tell, totals_of
from album.batches.stage_loop import OutOfChoices, StageLoop, StageWork, weights_of
from album.exceptions import WeightsError
from album.log_fields import log_fields
from album.models import BatchRun, Stage, StageResult
from album.preparation.boxes import make_box


def run_batch(
    run: BatchRun,
    options: BatchOptions,
    works: Sequence[StageWork],
    listener: Listener,
    needed: Sequence[Stage] | None = None,
) -> BatchTotals:
    """Works through the stages in order and returns the totals; must be called in the main thread.

    Args:
        needed: all stages without which an item is not complete; None: those of ``works``.

    Raises:
        WeightsError: weights are missing or wrong. All items stay pending; the run says why.
    """
    reap_dead_runs()
    budget = Budget.of(options)
    progress = Progress(run, budget, listener)
    if run.started_at is not None:  # its first process has already reopened what was to be done again
        options = replace(options, redo=Redo.NOTHING)
    try:
        with budget.listening():
            begin_run(run)
            tell(run, "begins: %ss, %s, profile %s", run.kind, run.get_trigger_display(), run.profile or "unknown")
            open_ledger(options, weights_of(works), needed)
            reason = _run_stages(options, works, progress)
    except WeightsError as error:
        end_run(run, State.REFUSED, StopReason.WEIGHTS, str(error))
        raise
    except KeyboardInterrupt:
        end_run(run, State.INTERRUPTED, StopReason.TERMINATED, "asked twice to end")
        raise
    except BaseException as error:
        abandon(run)
        end_run(run, State.INTERRUPTED, StopReason.ERROR, f"the run broke off: {error!r}")
        raise
    progress.beat(force=True)
    # What the system ended is taken up again; every other reason is an end.
    state = State.INTERRUPTED if reason == StopReason.TERMINATED else State.FINISHED
    end_run(run, state, reason, run.message)
    return totals_of(run, options)


def _run_stages(options: BatchOptions, works: Sequence[StageWork], progress: Progress) -> StopReason:
    run = progress.run
    if not works:
        run.message = "no stage can run: its weights do not fit into the memory that is free now"
        return StopReason.MEMORY
    options = replace(options, stages=tuple(work.stage for work in works))
    run.items_total = _waiting(options, [work.stage for work in works], run)
    touched = set(StageResult.objects.filter(run=run).values_list("item_id", flat=True))
    for work in works:
        total = claimable(options, [work.stage], run).count()
        if total == 0:
            continue
        bounded = total if options.limit is None else min(total, options.limit)
        with log_fields(batch_run=run.pk, stage=work.stage):
            reason = _run_stage(work, Claimer(run, options, work.stage, touched), progress, bounded)
        if reason is not None:
            return reason
    is_limited = options.limit is not None and len(touched) >= options.limit
    return StopReason.LIMIT if is_limited else StopReason.DONE


def _run_stage(work: StageWork, claimer: Claimer, progress: Progress, total: int) -> StopReason | None:
    """Why the run has to end, or None when the stage has nothing left to do."""
    run, options = claimer.run, claimer.options
    try:
        loop = StageLoop(work, options, claimer, progress)
    except OutOfChoices as error:
        run.message = str(error)
        return StopReason.MEMORY
    progress.stage_started(work.stage, total, loop.analyzer.weights.id)
    tell(run, "%s: %d %ss wait, by %s", work.stage, total, run.kind, loop.analyzer.weights.id)
    try:
        with make_box(work.decode_threads, at_least_s=options.item_timeout_s) as box:
            load = partial(load_frames, box=box, min_side_px=work.min_side_px, video_frames=options.video_frames)
            with closing(DecodeAhead(partial(find_source, box=box), load, work.decode_threads)) as decoder:
                return loop.run(decoder, budget=progress.budget)
    finally:
        loop.close()
        tell(run, "%s", progress.status_line())


def _waiting(options: BatchOptions, stages: Sequence[Stage], run: BatchRun) -> int:
    """How many items of the scope have at least one stage to do, within the limit."""
    # Distinct rows of one flat join: nested "in" conditions became a nested loop on PostgreSQL, minutes long.
    count = claimable(options, stages, run).values("item").distinct().count()
    return count if options.limit is None else min(count, options.limit)
