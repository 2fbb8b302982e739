"""Doors to the batch: nights, runs on demand, single items."""

from __future__ import annotations

import os
import signal
from typing import Any

import psutil
from celery import shared_task, signals
from django.conf import settings
from django.utils import timezone

from album.batches.children import run_in_child
from album.batches.hosts import this_host
from album.batches.nights import open_night, runs_to_take_up
from album.batches.run_state import State, end_run, reap_dead_runs
from album.models import AIProcessingSettings, BatchRun, MediaItem, Status
from album.models.media import Kind
from album.services.schedule import write_beat_schedule, write_housekeeping

BATCH_SOFT_LIMIT_S = 23 * 3600
"""A night never reaches into the next one; its own budget normally ends it long before."""
BATCH_LIMITS: dict[str, Any] = {"soft_time_limit": BATCH_SOFT_LIMIT_S, "time_limit": BATCH_SOFT_LIMIT_S + 300}
QUEUE_AI = "ai"


@shared_task(name="album.tasks.process_pending_photos_batch", **BATCH_LIMITS)
def process_pending_photos_batch(scheduled: bool = False, run_id: int | None = None) -> dict[str, Any]:
    """Describes pending photos, as many as the settings allow; with ``scheduled`` once per night."""
    return _process_batch(Kind.PHOTO, scheduled, run_id)


@shared_task(name="album.tasks.process_pending_videos_batch", **BATCH_LIMITS)
def process_pending_videos_batch(scheduled: bool = False, run_id: int | None = None) -> dict[str, Any]:
    """Describes pending videos, as many as the settings allow; with ``scheduled`` once per night."""
    return _process_batch(Kind.VIDEO, scheduled, run_id)


@shared_task(name="album.tasks.process_photo_ai", soft_time_limit=1800, time_limit=1860)
def process_photo_ai(photo_id: int) -> dict[str, Any]:
    """Describes one photo now. Calling it again, or for a photo that is done or taken, changes nothing."""
    return _process_item(Kind.PHOTO, photo_id)


@shared_task(name="album.tasks.process_video_ai", soft_time_limit=1800, time_limit=1860)
def process_video_ai(video_id: int) -> dict[str, Any]:
    """Describes one video now. Calling it again, or for a video that is done or taken, changes nothing."""
    return _process_item(Kind.VIDEO, video_id)


@shared_task(name="album.tasks.start_missed_nights")
def start_missed_nights() -> dict[str, list[int]]:
    """Starts the night that nobody started (host off, broker down, skipped hour) and takes up broken runs."""
    reap_dead_runs()
    now = timezone.now()
    runs = runs_to_take_up(now)
    runs += [run for kind in (Kind.PHOTO, Kind.VIDEO) if (run := open_night(kind, now)) is not None]
    for run in runs:
        ring(run)
    return {"started": [run.pk for run in runs]}


def ring(run: BatchRun) -> None:
    """Tells a worker about a run. Should the message get lost, the quarter-hourly check sends it again."""
    task = process_pending_photos_batch if run.kind == Kind.PHOTO else process_pending_videos_batch
    task.apply_async(kwargs={"run_id": run.pk}, queue=QUEUE_AI, retry=False, ignore_result=True)


def _process_batch(kind: Kind, scheduled: bool, run_id: int | None) -> dict[str, Any]:
    run = None if run_id is None else BatchRun.objects.filter(pk=run_id, kind=kind, state=State.QUEUED).first()
    if not AIProcessingSettings.load().processing_enabled:
        words = "AI processing is switched off in the settings"
        if run is not None:
            end_run(run, State.REFUSED, BatchRun.StopReason.REQUESTED, words)
        return {"skipped": words}
    if run_id is None and scheduled:
        run = open_night(kind, timezone.now())
    elif run_id is None:
        limit = AIProcessingSettings.load().batch_size or _advised_batch_size()
        run = BatchRun.objects.create(kind=kind, trigger=BatchRun.Trigger.ON_DEMAND, item_limit=limit)
    if run is None:
        return {"skipped": "this run is not due, or was started already"}
    return _totals(run_in_child(run))


def _advised_batch_size() -> int:
    from album.inference.hardware import detect_hardware  # by a worker that may never need them
    from album.inference.profiles import choose_profile

    profile, _reasons = choose_profile(detect_hardware(), settings.AI_PROFILE)
    return profile.batch_size


def _process_item(kind: Kind, item_id: int) -> dict[str, Any]:
    item = MediaItem.objects.filter(pk=item_id, kind=kind).first()
    if item is None:
        return {"skipped": f"there is no {kind} {item_id}"}
    if item.processing_status not in (Status.PENDING, Status.FAILED):
        return {"skipped": f"{kind} {item_id} is {item.processing_status}"}
    # Asked for by name: an item that was put aside gets new attempts.
    MediaItem.objects.filter(pk=item_id, processing_status=Status.FAILED).update(processing_status=Status.PENDING)
    run = BatchRun.objects.create(kind=kind, trigger=BatchRun.Trigger.UPLOAD, item=item)
    return _totals(run_in_child(run))


def _totals(run: BatchRun) -> dict[str, Any]:
    return {
        "run": run.pk,
        "state": run.state,
        "completed": run.items_completed,
        "failed": run.items_failed,
        "stop_reason": run.stop_reason,
        "message": run.message,
    }


@signals.beat_init.connect
def _announce_schedule(**_: object) -> None:
    """Beat never starts without its entries, whatever happened to them."""
    write_beat_schedule(AIProcessingSettings.load())
    write_housekeeping()


@signals.worker_shutting_down.connect
def _end_batches(**_: object) -> None:
    """A stopping worker waits for its tasks: its batches finish their item and give the rest back."""
    worker = psutil.Process(os.getpid())
    own = {child.pid for child in worker.children(recursive=True)}
    for run in BatchRun.objects.filter(state=State.RUNNING, host=this_host(), pid__in=own):
        if run.pid is not None:
            os.kill(run.pid, signal.SIGTERM)
