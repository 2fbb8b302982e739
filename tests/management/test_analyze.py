"""What ``analyze_photos`` says at a terminal, and what it leaves behind."""

from __future__ import annotations

import pytest
from django.core.management import call_command
from django.utils import timezone

from album.models import BatchRun
from album.services.status import library
from tests.cast import Cast, make_photo, scene_bytes

pytestmark = pytest.mark.django_db
WEIGHTS = {"weights": ["built-in"]}


def test_of_commands_that_found_nothing_to_do_the_last_stays(
    cast: Cast, capsys: pytest.CaptureFixture[str]
) -> None:
    make_photo(cast.alice)
    call_command("analyze_photos", **WEIGHTS)
    run = BatchRun.objects.get()
    assert f"Batch {run.pk}: 1 photo described" in capsys.readouterr().out
    ended = {"started_at": timezone.now(), "finished_at": timezone.now()}
    killed = BatchRun.objects.create(kind="photo", state="interrupted", stop_reason="killed", **ended)
    night = BatchRun.objects.create(kind="photo", trigger="schedule", state="finished", stop_reason="done", **ended)
    video = BatchRun.objects.create(kind="video", trigger="command", state="finished", stop_reason="done", **ended)
    for _ in range(2):
        call_command("analyze_photos", **WEIGHTS)
    idle = BatchRun.objects.latest("pk")
    sentence = f"Batch {idle.pk}: 0 photos described, 0 failed, 0 still pending. Nothing left to do."
    assert capsys.readouterr().out.splitlines()[-1] == sentence
    assert list(BatchRun.objects.order_by("pk")) == [run, killed, night, video, idle]
    assert {line.name: line.state for line in library.check()}["last_photo_run"] == "ok", "the failure is over"


@pytest.mark.parametrize("no_progress", [False, True])
def test_a_failed_photo_is_told_once(
    cast: Cast, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture, *, no_progress: bool
) -> None:
    item = make_photo(cast.alice, content=scene_bytes()[:400], original_name="torn.jpg")
    caplog.clear()
    call_command("analyze_photos", no_progress=no_progress, **WEIGHTS)
    logged = [record.getMessage() for record in caplog.records if "failed in" in record.getMessage()]
    told = [line for line in capsys.readouterr().out.splitlines() if "torn.jpg: failed: " in line]
    assert (len(told), len(logged)) == ((0, 1) if no_progress else (1, 0))
    assert all(line.startswith(f"item {item.pk} failed in") for line in logged)
