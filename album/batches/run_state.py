"""The life of a run in its row: begun, ended, or found dead. Light: the worker imports it."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import psutil
from django.conf import settings
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from album.batches.hosts import this_host
from album.batches.ledger import abandon, items_in_scope
from album.batches.options import BatchOptions, StopReason
from album.models import BatchRun, MediaItem, StageResult, Status

logger = logging.getLogger(__name__)
State = BatchRun.State
TROUBLES = {
    *(StopReason.KILLED, StopReason.ERROR),
    *(StopReason.STORAGE, StopReason.WEIGHTS, StopReason.MEMORY),
}
"""Ends that want somebody to look."""

BEGUN = (
    *("state", "stop_reason", "message", "profile", "host", "pid"),
    *("started_at", "heartbeat_at", "finished_at", "items_completed", "items_failed"),
)
"""The columns that a beginning sets."""


@dataclass(frozen=True, slots=True)
class BatchTotals:
    """What a run did. ``remaining`` counts the items of its scope that still wait."""

    run_id: int
    completed: int
    failed: int
    remaining: int
    stop_reason: str
    message: str


def write_run(run: BatchRun, *fields: str) -> None:
    """Writes these columns, and nothing when the row was deleted meanwhile, or taken up by another machine."""
    BatchRun.objects.filter(pk=run.pk, host=run.host).update(**{field: getattr(run, field) for field in fields})


def take_run(run: BatchRun) -> bool:
    """True for exactly one caller: from now on the run is this process's. Ringing twice is so made harmless."""
    run.state, run.host, run.pid = State.RUNNING, this_host(), os.getpid()
    run.heartbeat_at = timezone.now()
    values = {field: getattr(run, field) for field in ("state", "host", "pid", "heartbeat_at")}
    return bool(BatchRun.objects.filter(pk=run.pk, state=State.QUEUED).update(**values))


def begin_run(run: BatchRun) -> None:
    """Marks the run as running in this process."""
    run.state, run.stop_reason, run.message = State.RUNNING, "", ""
    run.host, run.pid = this_host(), os.getpid()
    run.started_at = run.started_at or timezone.now()
    run.heartbeat_at, run.finished_at = timezone.now(), None
    if run.pk is not None:  # taken up again: its dead process may not have written its last counts
        done = MediaItem.objects.filter(stage_results__run=run)
        run.items_completed = done.filter(processing_status=Status.COMPLETED).distinct().count()
        run.items_failed = done.filter(processing_status=Status.FAILED).distinct().count()
    # Of an old row no more than that: its Stop button may have been pressed since it was read.
    run.save(update_fields=BEGUN if run.pk else None)


def end_run(run: BatchRun, state: BatchRun.State, reason: StopReason, message: str) -> None:
    """Stores how and why the run ended."""
    run.state, run.stop_reason, run.message = state, reason, message
    run.finished_at, run.current_stage = timezone.now(), ""
    write_run(run, "state", "stop_reason", "message", "finished_at", "current_stage")
    words = f"{StopReason(reason).label}. {message}".rstrip()
    level = logging.ERROR if reason in TROUBLES else logging.INFO
    tell(run, "ended: %d described, %d failed. %s", run.items_completed, run.items_failed, words, level=level)


def tell(run: BatchRun, words: str, *args: object, level: int = logging.INFO) -> None:
    """Logs a line of the run's story. At a terminal the command tells it in its own words."""
    level = logging.DEBUG if run.trigger == BatchRun.Trigger.COMMAND else level
    logger.log(level, f"batch %s {words}", run.pk, *args, extra={"batch_run": run.pk})


def totals_of(run: BatchRun, options: BatchOptions) -> BatchTotals:
    """The totals of a run that has ended."""
    remaining = items_in_scope(options).filter(processing_status=Status.PENDING).count()
    return BatchTotals(run.pk, run.items_completed, run.items_failed, remaining, str(run.stop_reason), run.message)


def reap_dead_runs(is_alive: Callable[[BatchRun], bool] | None = None) -> list[BatchRun]:
    """Runs that say ``running`` although nobody works on them: marked, their leases ended.

    Here that is so when the process is gone. Of another machine only silence can be heard: a run there is given up
    once it was silent for a lease, and all its leases have ended.
    """
    alive = is_alive or _is_alive
    running = BatchRun.objects.filter(state=State.RUNNING)
    dead = [run for run in running.filter(host=this_host()) if not alive(run)]
    dead += _silent(running.exclude(host=this_host()))
    for run in dead:
        held = abandon(run)
        words = f"the process {run.pid} ended without a word; {held} items went back to the queue"
        end_run(run, State.INTERRUPTED, StopReason.KILLED, words)
    return dead


def _silent(runs: QuerySet[BatchRun]) -> QuerySet[BatchRun]:
    leases = StageResult.objects.filter(run=OuterRef("pk"), state=Status.PROCESSING)
    held = leases.filter(lease_expires_at__gte=timezone.now())
    return runs.filter(~Exists(held), heartbeat_at__lt=_silent_since())


def _silent_since() -> datetime:
    return timezone.now() - timedelta(seconds=settings.AI_LEASE_SECONDS)


def _is_alive(run: BatchRun) -> bool:
    if run.pid is None:
        return False
    try:
        process = psutil.Process(run.pid)
        started = run.heartbeat_at or run.created_at
        return process.status() != psutil.STATUS_ZOMBIE and process.create_time() <= started.timestamp() + 1
    except psutil.NoSuchProcess:
        return _is_hidden(run.pid) and (run.heartbeat_at or run.created_at) > _silent_since()


def _is_hidden(pid: int) -> bool:
    """True for a process of another user where /proc shows only one's own (``ProtectProc=``, ``hidepid``)."""
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except ProcessLookupError:
        pass
    return False
