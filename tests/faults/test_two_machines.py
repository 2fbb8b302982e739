"""Two machines on one database, one Redis, one storage: whatever becomes of one, each photo is described once."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from copy import copy
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest
from django.utils import timezone
from pytest_django import Settings

from album.batches import hosts
from album.batches.run_state import _is_alive, end_run, reap_dead_runs
from album.models import BatchRun, StageResult
from tests.cast import Cast, make_rows
from tests.faults.installation import REPOSITORY, Installation, wait_until
from tests.faults.servers import Redis, postgresql

ITEMS = 800
OTHER_MACHINE = ("unshare", "--uts", "--pid", "--mount-proc", "--fork", "--kill-child", "--")
NAMED = ("sh", "-c", 'hostname gpu && exec "$@"', "gpu")
WORKER = ("-m", "photo_album.celery_worker")
ANALYZE = ("analyze_photos", "--weights", "built-in", "--no-progress")
A_NIGHT_IS_DUE = """
    from datetime import timedelta
    from django.utils import timezone
    from album.models import AIProcessingSettings
    AIProcessingSettings.load()
    AIProcessingSettings.objects.update(
        schedule_changed_at=timezone.now() - timedelta(days=9), batch_size=10_000, processing_timeout=5)
    from album.tasks import process_pending_photos_batch as t
    t.delay(scheduled=True)
"""
AN_HOUR_PASSES = """
    from datetime import timedelta
    from django.db.models import F
    from album.models import BatchRun, StageResult
    of_the_other = BatchRun.objects.filter(host__startswith="gpu")
    StageResult.objects.filter(run__in=of_the_other).update(
        lease_expires_at=F("lease_expires_at") - timedelta(hours=1))
    of_the_other.update(
        heartbeat_at=F("heartbeat_at") - timedelta(hours=1), created_at=F("created_at") - timedelta(hours=1))
"""
CATCH_UP = """
    from album.tasks import start_missed_nights
    start_missed_nights()
"""


def can_be_two_machines() -> bool:
    """True where this user may give processes a host name and process numbers of their own."""
    if shutil.which("unshare") is None:
        return False
    return subprocess.run([*OTHER_MACHINE, *NAMED, "true"], capture_output=True, check=False).returncode == 0


def family_of(process: subprocess.Popen[str]) -> list[psutil.Process]:
    if process.poll() is not None:
        return []
    parent = psutil.Process(process.pid)
    return [parent, *parent.children(recursive=True)]


@dataclass
class Facts:
    """What the database says, asked without a process for each question."""

    connection: psycopg.Connection

    def value(self, what: str, where: str = "true", table: str = "album_stageresult") -> Any:
        row = self.connection.execute(f"SELECT {what} FROM {table} WHERE {where}").fetchone()
        return row[0] if row else None

    def night(self, column: str) -> str:
        return str(self.value(column, "trigger = 'schedule' AND kind = 'photo'", "album_batchrun"))

    def done(self, trigger: str) -> int:
        runs = f"SELECT id FROM album_batchrun WHERE trigger = '{trigger}'"
        return int(self.value("count(*)", f"state = 'completed' AND run_id IN ({runs})"))

    def statuses(self) -> dict[str, int]:
        counts = "SELECT processing_status, count(*) FROM album_mediaitem GROUP BY 1"
        return {str(status): int(count) for status, count in self.connection.execute(counts)}

    def assert_each_was_described_once(self) -> None:
        assert self.statuses() == {"completed": ITEMS}
        assert self.value("count(*)") == self.value("count(DISTINCT item_id)") == ITEMS
        assert self.value("count(*)", "state <> 'completed'") == 0
        assert self.value("max(attempts)") <= 2


@dataclass
class Machines:
    """The appliance, and a helper that knows it by its database, its Redis and its storage only."""

    album: Installation
    helper: Installation
    facts: Facts

    def start_night_on_helper(self) -> subprocess.Popen[str]:
        """The worker of the helper, once it has done a part of the night."""
        worker = self.helper.start(*WORKER, WORKER_QUEUES="ai")
        self.album.python(A_NIGHT_IS_DUE)
        wait_until(lambda: self.facts.done("schedule") > 0, 120, "the helper works")
        assert re.fullmatch(r"gpu(-[0-9a-f]{8})?", self.facts.night("host"))
        return worker

    def give_up_the_silent(self) -> None:
        """The quarter-hourly check, an hour later."""
        self.album.python(AN_HOUR_PASSES + CATCH_UP)
        assert self.facts.night("state") == "queued", "rung for again"

    def is_taken_up_after_another_hour(self) -> bool:
        """Redis may hand the message to the frozen consumer: the checks ring until one is heard elsewhere."""
        if self.facts.night("host").startswith("gpu"):
            self.album.python(AN_HOUR_PASSES + CATCH_UP)
        return not self.facts.night("host").startswith("gpu")


@pytest.fixture
def machines(tmp_path: Path, redis: Redis) -> Iterator[Machines]:
    if not can_be_two_machines():
        pytest.skip("needs root and unshare(1) of util-linux, to be two machines")
    with postgresql() as url:
        shared = {
            "DATABASE_URL": f"{url}?options=-c%20idle_in_transaction_session_timeout%3D2000",
            "CELERY_BROKER_URL": redis.url,
            "MEDIA_ROOT": str(tmp_path / "storage"),
        }
        album = Installation(tmp_path / "album", shared)
        helper = copy(album)
        helper.prefix, helper.processes = (*OTHER_MACHINE, *NAMED), []
        helper.env = {**album.env, "PHOTO_ALBUM_VAR_DIR": str(tmp_path / "helper" / "var")}
        album.make_rows(ITEMS)
        with psycopg.connect(url, autocommit=True) as connection:
            yield Machines(album, helper, Facts(connection))
        for process in (*album.processes, *helper.processes):
            for member in family_of(process):
                with suppress(psutil.NoSuchProcess):
                    member.kill()
        album.end()
        helper.end()


def test_a_helper_that_loses_its_power_leaves_its_work_to_the_other(machines: Machines) -> None:
    album, facts = machines.album, machines.facts
    worker = machines.start_night_on_helper()
    by_hand = album.start_manage(*ANALYZE)
    wait_until(lambda: facts.done("command") > 0, 120, "both work")
    worker.kill()
    output, _ = by_hand.communicate(timeout=240)
    assert by_hand.returncode == 0, output

    held = facts.statuses()["processing"]
    assert facts.statuses() == {"processing": held, "completed": ITEMS - held}, "its lease lives: nobody took them"
    album.python(CATCH_UP)
    assert facts.night("state") == "running", "no process of that number here says nothing of there"

    machines.give_up_the_silent()
    album.start(*WORKER, WORKER_QUEUES="media,ai")
    wait_until(lambda: facts.night("state") == "finished", 120, "the album ends the night")
    facts.assert_each_was_described_once()
    assert not facts.night("host").startswith("gpu")


@pytest.mark.timeout(600)
def test_a_helper_that_comes_back_finds_its_night_taken_and_does_no_harm(machines: Machines) -> None:
    album, facts = machines.album, machines.facts
    away = family_of(machines.start_night_on_helper())
    for member in away:
        member.suspend()
    machines.give_up_the_silent()
    album.start(*WORKER, WORKER_QUEUES="media,ai")
    # Frozen within a transaction it keeps its locks until idle_in_transaction_session_timeout, 120 s, ends that.
    wait_until(machines.is_taken_up_after_another_hour, 240, "the album takes the night up")
    for member in away:
        member.resume()
    wait_until(lambda: facts.night("state") == "finished", 120, "the night ends")
    wait_until(lambda: facts.statuses() == {"completed": ITEMS}, 30, "all are described")
    facts.assert_each_was_described_once()
    assert not facts.night("host").startswith("gpu"), "the one that was away wrote nothing over it"


@pytest.mark.parametrize(
    ("silent_for", "lease_ended_for", "is_given_up"), [(700, 1, True), (700, -1, False), (500, 1, False)]
)
def test_a_run_elsewhere_is_given_up_when_it_is_silent_and_its_leases_have_ended(
    silent_for: int, lease_ended_for: int, is_given_up: bool, cast: Cast, settings: Settings
) -> None:
    settings.AI_LEASE_SECONDS = 600
    now = timezone.now()
    run = BatchRun.objects.create(
        kind="photo", state="running", host="elsewhere", pid=1, heartbeat_at=now - timedelta(seconds=silent_for)
    )
    ended_at = now - timedelta(seconds=60 * lease_ended_for)
    (item,) = make_rows(cast.alice, 1)
    StageResult.objects.create(
        item=item, stage="embed", state="processing", run=run, attempts=1, lease_expires_at=ended_at
    )
    assert [dead.pk for dead in reap_dead_runs()] == [run.pk] * is_given_up


def test_what_a_machine_writes_whose_run_was_taken_up_elsewhere_is_dropped(db: None) -> None:
    ours = BatchRun.objects.create(kind="photo", state="running", host="here", pid=1)
    BatchRun.objects.update(host="elsewhere", pid=2)
    end_run(ours, BatchRun.State.FINISHED, BatchRun.StopReason.DONE, "")
    assert BatchRun.objects.get().state == "running"


def test_two_machines_of_one_name_are_two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = set()
    for machine_id in ("3d1219c7c4c5404aaa1f6d2a48adfda4\n", "9f2219c7c4c5404aaa1f6d2a48adfda4\n"):
        (tmp_path / "machine-id").write_text(machine_id)
        monkeypatch.setattr(hosts, "MACHINE_ID", tmp_path / "machine-id")
        names.add(hosts.this_host.__wrapped__())
        assert machine_id.strip()[:8] not in "".join(names), "the id itself is nobody's business"
    monkeypatch.setattr(hosts, "MACHINE_ID", tmp_path / "none")
    names.add(hosts.this_host.__wrapped__())
    assert len(names) == 3


def test_the_database_soon_forgets_a_machine_that_vanished_in_a_transaction() -> None:
    with postgresql() as url:
        code = "from photo_album.settings import DATABASES; print(json.dumps(DATABASES['default']['OPTIONS']))"
        words = [sys.executable, "-c", f"import json; {code}"]
        environment = {**os.environ, "DATABASE_URL": url, "PHOTO_ALBUM_ENV_FILE": "/dev/null"}
        said = subprocess.run(words, cwd=REPOSITORY, env=environment, capture_output=True, check=True)
        with psycopg.connect(url, **json.loads(said.stdout)) as connection:
            for name, value in {"idle_in_transaction_session_timeout": "2min", "tcp_keepalives_idle": "30"}.items():
                assert connection.execute(f"SHOW {name}").fetchone() == (value,)


def test_a_process_of_another_user_that_is_not_shown_here_is_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    now = timezone.now()
    run = BatchRun(pid=4711, heartbeat_at=now, created_at=now)

    def not_shown(_pid: int) -> None:
        raise psutil.NoSuchProcess(4711)

    def not_ours(_pid: int, _signal: int) -> None:
        raise PermissionError

    monkeypatch.setattr(psutil, "Process", not_shown)
    monkeypatch.setattr(os, "kill", not_ours)
    assert _is_alive(run)
    run.heartbeat_at = now - timedelta(days=1)
    assert not _is_alive(run), "another process has got its number"
