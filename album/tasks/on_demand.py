"""What people ask for on a page: the row first, then the bell, which may get lost."""

from __future__ import annotations

import subprocess
import sys
from functools import partial

from celery import current_app, shared_task
from django.conf import settings
from django.contrib.auth.models import User
from django.core.cache import caches
from django.db import transaction
from kombu.exceptions import OperationalError as BrokerError

from album.batches.run_state import reap_dead_runs
from album.models import Album, BatchRun
from album.models.media import Kind
from album.services.batch_requests import request_batch
from album.services.downloads import close_download, request_download
from album.tasks.ai import QUEUE_AI, process_pending_photos_batch, process_pending_videos_batch
from album.tasks.bell import ring_bell

DOWNLOAD_LIMIT_S = 12 * 3600
ASK_WORKERS_S = 1.0
REMEMBER_WORKERS_S = 15


def start_batch(
    *, user: User, kind: Kind, album: Album | None = None, limit: int | None = None, is_forced: bool = False
) -> BatchRun:
    """The queued run, of which a worker is told. Raises BatchRefused as ``request_batch`` does.

    A run whose process is gone does not stand in the way. Should the message get lost, the quarter-hourly check
    sends it again.
    """
    reap_dead_runs()
    run = request_batch(user=user, kind=kind, album=album, limit=limit, is_forced=is_forced)
    task = process_pending_photos_batch if kind == Kind.PHOTO else process_pending_videos_batch
    transaction.on_commit(partial(ring_bell, task, False, run.pk))
    return run


def start_download(*, name: str, accepts_licence: bool) -> None:
    """Asks a worker for these weights. Raises WeightsMissing and BatchRefused as ``request_download`` does."""
    request_download(name=name, accepts_licence=accepts_licence)
    transaction.on_commit(partial(ring_bell, download_weights, name))


@shared_task(
    name="album.tasks.download_weights",
    soft_time_limit=DOWNLOAD_LIMIT_S,
    time_limit=DOWNLOAD_LIMIT_S + 60,
)
def download_weights(name: str) -> dict[str, str]:
    """Fetches the weights that a page asked for, in a process that ends: the hub's library is large."""
    command = [sys.executable, str(settings.BASE_DIR / "manage.py"), "download_models", "--asked-for", name]
    status = subprocess.run(command, cwd=settings.BASE_DIR, check=False).returncode
    return {"weights": name, "state": close_download(name, status)}


def is_worker_there() -> bool:
    """True when a worker that takes batches answers within a second; remembered for a quarter of a minute."""
    memory = caches["memory"]
    known = memory.get("ai-worker")
    if known is None:
        known = _ask_workers()
        memory.set("ai-worker", known, REMEMBER_WORKERS_S)
    return bool(known)


def _ask_workers() -> bool:
    try:
        answers = current_app.control.broadcast("active_queues", reply=True, timeout=ASK_WORKERS_S, limit=2)
    except (BrokerError, OSError):
        return False
    queues = [queue for answer in answers or () for found in answer.values() for queue in found]
    return any(queue.get("name") == QUEUE_AI for queue in queues if isinstance(queue, dict))
