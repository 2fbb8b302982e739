"""Running a batch as a child process, so that its memory is the system's again when it ends."""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import subprocess
import sys

from celery.exceptions import SoftTimeLimitExceeded
from django.conf import settings
from django.db import connections

from album.batches.hosts import this_host
from album.batches.ledger import abandon
from album.batches.nights import MAX_RESTARTS
from album.batches.options import StopReason
from album.batches.run_state import State, end_run, take_run, write_run
from album.models import BatchRun
from album.models.media import Kind

logger = logging.getLogger(__name__)
PR_SET_PDEATHSIG = 1
"""Source: prctl(2)."""
COMMANDS = {Kind.PHOTO: "analyze_photos", Kind.VIDEO: "analyze_videos"}
STOP_GRACE_S = 120


def run_in_child(run: BatchRun) -> BatchRun:
    """The run, ended, after a child process has worked through it; untouched where another worker has it.

    A child that died (killed for its memory, crashed in native code, left by its watchdog) is started again
    up to ``MAX_RESTARTS`` times, each time with half the micro-batch; what it held goes back to the queue first.
    """
    if not take_run(run):
        return run
    while True:
        status = _wait(_start(run))
        connections.close_all()
        run.refresh_from_db()
        if run.state not in (State.QUEUED, State.RUNNING) or run.host != this_host():
            return run  # ended, or, after this machine was away for long, taken up by another
        abandon(run)
        words = f"the process was killed by signal {-status}" if status < 0 else f"the process ended with {status}"
        logger.error("batch %s: %s", run.pk, words, extra={"batch_run": run.pk})
        if status == -signal.SIGTERM:  # asked to end before it could listen: the service is being stopped
            end_run(run, State.INTERRUPTED, StopReason.TERMINATED, words)
            return run
        if run.restarts >= MAX_RESTARTS or run.is_stop_requested:
            end_run(run, State.INTERRUPTED, StopReason.KILLED, f"{words}; see the log of the worker")
            return run
        run.restarts, run.pid = run.restarts + 1, os.getpid()
        write_run(run, "restarts", "pid")


def _start(run: BatchRun) -> subprocess.Popen[bytes]:
    command = [sys.executable, str(settings.BASE_DIR / "manage.py"), COMMANDS[Kind(run.kind)]]
    command += ["--run", str(run.pk), "--no-progress"]
    parent = os.getpid()
    libc = ctypes.CDLL(None, use_errno=True)

    def die_with_parent() -> None:
        # SIGTERM, not SIGKILL: the child then gives its items back. Its own watchdog bounds the time it takes.
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            os._exit(1)

    # A session of its own: Ctrl-C in a terminal reaches the worker, which then asks its batch to end, once.
    return subprocess.Popen(
        command,
        cwd=settings.BASE_DIR,
        env={**os.environ, "BATCH_RUN": str(run.pk)},  # the first lines of its log, too, belong to the run
        preexec_fn=die_with_parent,  # noqa: PLW1509 - Celery's pool processes have one thread
        start_new_session=True,
    )


def _wait(child: subprocess.Popen[bytes]) -> int:
    try:
        return child.wait()
    except (SoftTimeLimitExceeded, KeyboardInterrupt):
        child.terminate()
        try:
            child.wait(STOP_GRACE_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        raise
