"""kill -9 at every step: the item comes back after its lease and ends up with exactly one result."""

from __future__ import annotations

import signal

import pytest

from tests.faults.installation import Installation

COMMAND = ("analyze_photos", "--weights", "built-in", "--no-progress")


@pytest.mark.parametrize("step", ["claim:2", "decode:5", "model:2", "write:20", "commit:20"])
def test_a_batch_killed_at(step: str, installation: Installation) -> None:
    installation.make_photos(50)
    killed = installation.start_manage(*COMMAND, PHOTO_ALBUM_FAILPOINT=step)
    output, _ = killed.communicate(timeout=60)
    assert killed.returncode == -signal.SIGKILL, output
    before = installation.statuses()
    assert before["processing"] > 0, "the killed run held items"
    installation.manage(*COMMAND)
    assert installation.statuses() == {"completed": 50}
    results = installation.ask("list(StageResult.objects.values_list('item', 'state'))")
    assert sorted(state for _, state in results) == ["completed"] * 50
    assert len({item for item, _ in results}) == 50, "exactly one result each"
    attempts = installation.ask("list(StageResult.objects.values_list('attempts', flat=True))")
    assert max(attempts) == 2, "what was begun counts as begun"
    runs = installation.ask("list(BatchRun.objects.order_by('pk').values_list('state', 'items_completed'))")
    assert [state for state, _ in runs] == ["interrupted", "finished"]
    tags = installation.ask(
        "ItemTag.objects.values('item', 'tag', 'source').annotate(n=Count('pk')).filter(n__gt=1).count()"
    )
    assert tags == 0


def test_the_lease_of_another_host_ends_by_itself(installation: Installation) -> None:
    installation.make_photos(3)
    killed = installation.start_manage(*COMMAND, PHOTO_ALBUM_FAILPOINT="model")
    killed.communicate(timeout=60)
    installation.python("from album.models import BatchRun; BatchRun.objects.update(host='elsewhere')")
    installation.manage(*COMMAND)
    assert installation.statuses() == {"processing": 3}, "its lease lives: nobody may touch its items"
    installation.python(
        """
        from datetime import timedelta
        from django.db.models import F
        from album.models import StageResult
        StageResult.objects.update(lease_expires_at=F("lease_expires_at") - timedelta(days=1))
        """
    )
    installation.manage(*COMMAND)
    assert installation.statuses() == {"completed": 3}


def test_an_item_that_kills_every_run_is_quarantined_and_the_rest_completes(installation: Installation) -> None:
    installation.make_photos(6)
    for _ in range(3):
        # Each process dies at its first model call after the others are done: the abandoned items come singly.
        killed = installation.start_manage(*COMMAND, PHOTO_ALBUM_FAILPOINT="model", AI_MAX_ATTEMPTS="3")
        killed.communicate(timeout=60)
        assert killed.returncode == -signal.SIGKILL
    installation.manage(*COMMAND)
    assert installation.statuses() == {"completed": 5, "failed": 1}
    errors = installation.ask("list(StageResult.objects.filter(state='failed').values_list('error', flat=True))")
    assert errors == ["the analysis ended abruptly at this item 3 times"]
