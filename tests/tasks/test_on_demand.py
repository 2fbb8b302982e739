"""What a page asks for, with a real Redis and a real worker."""

from __future__ import annotations

import json
import time

import pytest
from pytest_django import Settings

from album.inference.profiles import PROFILES
from album.tasks import process_pending_photos_batch
from tests.faults.installation import Installation, wait_until
from tests.faults.servers import Redis

WORKER = ("-m", "celery", "-A", "photo_album", "worker", "-c", "1", "--without-gossip", "--without-mingle", "-Q")
START = """
    from django.contrib.auth.models import User
    from album.models.media import Kind
    from album.tasks import start_batch
    user, _ = User.objects.get_or_create(username="root", is_superuser=True)
    print(start_batch(user=user, kind=Kind.PHOTO{more}).pk)
"""

STOP_SOON = """
    import time
    from album.models import BatchRun
    from album.services.batch_requests import request_stop
    while not BatchRun.objects.get().items_completed:
        time.sleep(0.1)
    request_stop(run=BatchRun.objects.get())
"""
"""One process: to start another takes as long as a fast machine needs for all the photos."""


def is_worker_there(installation: Installation) -> bool:
    code = "import json\nfrom album.tasks import is_worker_there\nprint(json.dumps(is_worker_there()))"
    return bool(json.loads(installation.python(code).strip().splitlines()[-1]))


def run_of(installation: Installation) -> dict[str, object]:
    return dict(installation.ask("BatchRun.objects.values('state', 'stop_reason', 'items_completed').get()"))


def test_a_batch_that_was_asked_for_runs_within_its_limit(installation: Installation) -> None:
    installation.make_photos(4)
    installation.start(*WORKER, "ai")
    installation.python(START.format(more=", limit=3"))
    wait_until(lambda: run_of(installation)["state"] == "finished", 60, "batch ended")
    assert run_of(installation) == {"state": "finished", "stop_reason": "limit", "items_completed": 3}


def test_stop_ends_it_at_an_item_boundary(installation: Installation) -> None:
    installation.make_rows(600)
    installation.start(*WORKER, "ai")
    installation.python(START.format(more=""))
    installation.python(STOP_SOON)
    wait_until(lambda: run_of(installation)["state"] == "finished", 30, "batch ended")
    ended = run_of(installation)
    assert ended["stop_reason"] == "requested"
    assert installation.statuses() == {
        "completed": ended["items_completed"],
        "pending": 600 - int(str(ended["items_completed"])),
    }


def test_only_a_worker_of_the_right_queue_counts(installation: Installation, redis: Redis) -> None:
    assert not is_worker_there(installation)
    installation.start(*WORKER, "media")
    time.sleep(3)
    assert not is_worker_there(installation)
    installation.start(*WORKER, "ai", "--hostname", "ai@%h")
    wait_until(lambda: is_worker_there(installation), 30, "worker answers")
    redis.stop()
    started_at = time.monotonic()
    assert not is_worker_there(installation)
    assert time.monotonic() - started_at < 15


def test_without_a_broker_the_run_waits_for_the_check(installation: Installation, redis: Redis) -> None:
    redis.stop()
    installation.python(START.format(more=""))
    assert run_of(installation)["state"] == "queued"


def test_a_download_ends_in_its_row(installation: Installation) -> None:
    installation.env |= {"HF_HUB_OFFLINE": "1"}
    installation.start(*WORKER, "ai")
    installation.python(
        "from album.tasks import start_download\nstart_download(name='yolox-nano', accepts_licence=False)"
    )
    wait_until(lambda: installation.ask("WeightsDownload.objects.get().state") == "failed", 60, "download ended")
    assert "forbids to fetch it" in installation.ask("WeightsDownload.objects.get().error")


@pytest.mark.django_db
def test_a_batch_by_hand_takes_as_many_as_the_profile_advises(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.AI_PROFILE = "raspberry-pi"
    monkeypatch.setattr("album.tasks.ai.run_in_child", lambda run: run)
    monkeypatch.setattr("album.tasks.ai._totals", lambda run: {"limit": run.item_limit})
    assert process_pending_photos_batch() == {"limit": PROFILES["raspberry-pi"].batch_size}
