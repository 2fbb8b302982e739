"""The doorbell, with a real Redis, a real worker and a real beat."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from datetime import datetime, timedelta

import psutil

from tests.faults.installation import Installation, wait_until

WORKER = (
    "-m",
    "celery",
    "-A",
    "photo_album",
    "worker",
    "-c",
    "1",
    "--without-gossip",
    "--without-mingle",
    "-l",
    "info",
)
BEAT = (
    "-m",
    "celery",
    "-A",
    "photo_album",
    "beat",
    "-l",
    "info",
    "--pidfile=",
)
ALL_AT_ONCE = """
    from album.models import AIProcessingSettings
    from album.tasks import process_pending_photos_batch
    AIProcessingSettings.load()
    AIProcessingSettings.objects.update(batch_size=10_000)
    process_pending_photos_batch.delay()
"""
"""A batch by hand is as long as a night, which the profile limits."""


def call(installation: Installation, task: str, *arguments: int) -> dict[str, object]:
    """What the guide tells people to type into a shell."""
    code = f"""
        import json
        from album.tasks import {task}
        print(json.dumps({task}.delay{arguments!r}.get(timeout=60)))
    """
    return dict(json.loads(installation.python(code).strip().splitlines()[-1]))


def batch_of(worker: subprocess.Popen[str]) -> list[psutil.Process]:
    """The batch processes below a worker."""
    return [
        child
        for child in psutil.Process(worker.pid).children(recursive=True)
        if any("analyze_" in word for word in child.cmdline())
    ]


def test_the_shell_lines_of_the_guide_work(installation) -> None:
    installation.make_photos(5)
    installation.start(*WORKER)
    first = installation.ask("Photo.objects.filter(processing_status='pending').first().pk")
    assert call(installation, "process_photo_ai", first)["completed"] == 1
    assert call(installation, "process_photo_ai", first) == {"skipped": f"photo {first} is completed"}
    assert call(installation, "process_photo_ai", 999) == {"skipped": "there is no photo 999"}
    totals = call(installation, "process_pending_photos_batch")
    assert (totals["completed"], totals["failed"], totals["stop_reason"]) == (4, 0, "done")
    assert call(installation, "process_pending_videos_batch")["completed"] == 0
    assert installation.statuses() == {"completed": 5}


def test_previews_do_not_wait_behind_a_night(installation) -> None:
    installation.make_rows(400)
    workers = installation.start("-m", "photo_album.celery_worker")
    try:
        installation.python("from album.tasks import process_pending_photos_batch as t; t.delay()")
        wait_until(lambda: bool(batch_of(workers)), 40, "batch started")
        batch_of(workers)[0].suspend()
        pk = installation.ask("MediaItem.objects.last().pk")
        assert call(installation, "prepare_media", pk)["preview"] == "ready"
    finally:
        for process in [*psutil.Process(workers.pid).children(recursive=True), psutil.Process(workers.pid)]:
            process.kill()
        workers.wait()


def test_delivering_a_task_twice_does_the_work_once(installation) -> None:
    installation.make_photos(1)
    pk = installation.ask("Photo.objects.get().pk")
    installation.python(f"from album.tasks import process_photo_ai as t\nt.delay({pk}); t.delay({pk})")
    installation.start(*WORKER)
    wait_until(lambda: installation.statuses() == {"completed": 1}, 30, "photo described")
    assert installation.ask("list(StageResult.objects.values_list('attempts', flat=True))") == [1]


def test_a_new_hour_takes_effect_without_restart_and_runs_once(installation) -> None:
    installation.make_photos(3)
    installation.start(*WORKER)
    installation.start(*BEAT)
    wait_until(
        lambda: (
            installation.ask("__import__('django_celery_beat.models').models.PeriodicTask.objects.count()") >= 3
        ),
        20,
        "beat has its entries",
    )
    soon = datetime.now().astimezone().astimezone(tz=None) + timedelta(seconds=75)
    installation.python(
        """
        from datetime import datetime, timedelta, UTC
        from album.models import AIProcessingSettings
        from album.services.ai_settings import save_ai_settings
        soon = datetime.now(UTC) + timedelta(seconds=20)
        soon += timedelta(minutes=1) * (soon.second > 0)
        row = AIProcessingSettings.load()
        row.schedule_hour, row.schedule_minute = soon.hour, soon.minute
        save_ai_settings(row)
        """
    )
    wait_until(lambda: installation.statuses() == {"completed": 3}, 110, f"night run before {soon}")
    runs = installation.ask("list(BatchRun.objects.filter(kind='photo').values_list('trigger', 'state'))")
    assert runs == [["schedule", "finished"]]
    missed = installation.python("from album.tasks import start_missed_nights; print(start_missed_nights())")
    assert "{'started': []}" in missed, "the night is not started again"


def test_redis_lost_in_the_middle_the_batch_ends_its_work_and_the_worker_lives(installation, redis) -> None:
    installation.make_rows(400)
    worker = installation.start(*WORKER)
    installation.python("from album.tasks import process_pending_photos_batch as t; t.delay()")
    wait_until(lambda: bool(batch_of(worker)), 30, "batch started")
    (batch,) = batch_of(worker)
    batch.suspend()
    redis.stop()
    batch.resume()
    wait_until(lambda: installation.statuses() == {"completed": 400}, 60, "batch ended its work without Redis")
    redis.start()
    installation.make_photos(3)
    wait_until(lambda: worker.poll() is None and call_ok(installation), 90, "the same worker takes the next task")


def call_ok(installation: Installation) -> bool:
    try:
        return call(installation, "process_pending_photos_batch")["stop_reason"] == "done"
    except AssertionError:
        return False


def test_flushed_redis_loses_no_night(installation, redis) -> None:
    installation.make_photos(3)
    installation.python(
        """
        from datetime import timedelta
        from django.utils import timezone
        from album.models import AIProcessingSettings
        AIProcessingSettings.load()
        AIProcessingSettings.objects.update(schedule_changed_at=timezone.now() - timedelta(days=9))
        from album.tasks import process_pending_photos_batch as t
        t.delay(scheduled=True)
        """
    )
    redis.flush()
    installation.start(*WORKER)
    installation.python("from album.tasks import start_missed_nights as t; t.delay()")
    wait_until(lambda: installation.statuses() == {"completed": 3}, 40, "missed night caught up")
    runs = installation.ask("list(BatchRun.objects.filter(kind='photo').values_list('trigger', 'state'))")
    assert runs == [["schedule", "finished"]]


def test_the_batch_ends_when_its_worker_is_killed_and_gives_its_items_back(installation) -> None:
    installation.make_rows(3000)
    worker = installation.start(*WORKER)
    installation.python(ALL_AT_ONCE)
    wait_until(lambda: bool(batch_of(worker)), 30, "batch started")
    (batch,) = batch_of(worker)
    wait_until(lambda: installation.statuses().get("completed", 0) > 0, 30, "batch under way")
    os.kill(batch.ppid(), signal.SIGKILL)
    wait_until(lambda: not batch.is_running(), 20, "batch ended after its parent")
    statuses = installation.statuses()
    assert statuses.get("processing", 0) == 0
    assert 0 < statuses["completed"] < 3000
    assert installation.ask("list(BatchRun.objects.values_list('state', 'stop_reason'))") == [
        ["interrupted", "terminated"]
    ]


def test_a_stopping_worker_ends_its_batch_at_an_item(installation) -> None:
    installation.make_rows(3000)
    worker = installation.start(*WORKER)
    installation.python(ALL_AT_ONCE)
    wait_until(lambda: installation.statuses().get("completed", 0) > 0, 40, "batch under way")
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(30) == 0
    statuses = installation.statuses()
    assert statuses.get("processing", 0) == 0
    assert statuses["pending"] > 0


def test_a_batch_killed_for_its_memory_is_started_again(installation) -> None:
    installation.make_rows(1500)
    worker = installation.start(*WORKER)
    installation.python(ALL_AT_ONCE)
    wait_until(lambda: installation.statuses().get("completed", 0) > 0, 40, "batch under way")
    (batch,) = batch_of(worker)
    batch.kill()
    wait_until(lambda: installation.statuses() == {"completed": 1500}, 90, "a second process ended the work")
    assert installation.ask("list(BatchRun.objects.values_list('state', 'restarts', 'items_completed'))") == [
        ["finished", 1, 1500]
    ]


def test_worker_and_beat_are_small_at_rest(installation) -> None:
    worker, beat = installation.start(*WORKER), installation.start(*BEAT)
    wait_until(lambda: len(psutil.Process(worker.pid).children()) == 1, 20, "worker has its child")
    wait_until(
        lambda: (
            installation.ask("__import__('django_celery_beat.models').models.PeriodicTask.objects.count()") >= 3
        ),
        20,
        "beat runs",
    )

    def pss_mb(process: subprocess.Popen[str]) -> float:
        family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
        return sum(member.memory_full_info().pss for member in family) / 2**20

    # Measured: beat 67 MiB, 7 more than before there were accounts: their rows are loaded everywhere.
    assert pss_mb(worker) <= 90
    assert pss_mb(beat) <= 70
