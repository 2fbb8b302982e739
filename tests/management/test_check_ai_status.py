"""The command on a real installation, with real Redis, worker and beat: its words and its exit status."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.faults.installation import Installation, wait_until
from tests.faults.servers import Redis, free_port

NO_PROBLEM_OF_THIS_TEST = {"web", "models", "backup", "memory", "load", "disk_originals"}


def ask(installation: Installation) -> dict[str, Any]:
    process = installation.start_manage("check_ai_status", "--json")
    output, _ = process.communicate(timeout=120)
    told = json.loads(output)
    assert process.returncode == ["ok", "warning", "problem"].index(told["state"])
    return {line["name"]: line for line in told["lines"]}


@pytest.fixture
def running(installation: Installation, redis: Redis) -> Installation:
    installation.env["CELERY_BROKER_URL"] = redis.url
    installation.manage("setup_beat_schedule")
    return installation


def test_worker_and_broker_are_told_of_while_they_come_and_go(running: Installation, redis: Redis) -> None:
    assert ask(running)["worker"]["state"] == "problem"
    running.python(
        "from album.tasks import prepare_media\nprepare_media.apply_async(args=(1,), ignore_result=True)"
    )
    lines = ask(running)
    assert "media: 1, ai: 0" in lines["broker"]["words"]
    running.start(
        "-m", "celery", "-A", "photo_album", "worker", "--queues", "ai", "--pool", "solo", "-n", "ai@here"
    )
    wait_until(lambda: "ai@here: ai" in ask(running)["worker"]["words"], 60, "worker answers")
    half = ask(running)["worker"]
    assert (half["state"], "Nobody takes the queue media." in half["words"]) == ("problem", True)
    assert {figure["queue"]: figure["value"] for figure in half["figures"]} == {"media": 0, "ai": 1}
    running.start(
        "-m", "celery", "-A", "photo_album", "worker", "--queues", "media", "--pool", "solo", "-n", "m@here"
    )
    wait_until(lambda: ask(running)["worker"]["state"] == "ok", 60, "both answer")
    troubles = {name for name, line in ask(running).items() if line["state"] != "ok"}
    assert troubles <= NO_PROBLEM_OF_THIS_TEST
    redis.stop()
    lines = ask(running)
    assert (lines["broker"]["state"], lines["worker"]["state"]) == ("problem", "warning")


def test_the_table_is_for_people_and_names_the_next_step(installation_on_each_database: Installation) -> None:
    installation = installation_on_each_database
    installation.env["CELERY_BROKER_URL"] = f"redis://127.0.0.1:{free_port()}/0"
    process = installation.start_manage("check_ai_status", "--no-color")
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 2
    assert re.search(r"^problem  Broker .* does not answer", output, re.MULTILINE)
    assert "Next step: ./scripts/run" in output
    assert re.search(r"^ok       Database +(SQLite|PostgreSQL), [\d.]+.[KM]B$", output, re.MULTILINE)


def test_a_database_that_was_never_migrated_is_told_of(installation: Installation, tmp_path) -> None:
    installation.env["DATABASE_URL"] = f"sqlite:///{tmp_path / 'empty.sqlite3'}"
    lines = ask(installation)
    assert (lines["version"]["state"], lines["version"]["next_step"]) == ("problem", "manage.py migrate")
