"""Several runs over the same rows: no item twice, none forgotten, the sums are right."""

from __future__ import annotations

import re

from tests.faults.installation import Installation

COMMAND = ("analyze_photos", "--weights", "built-in", "--no-progress")


def test_two_batches_and_one_on_demand_share_two_thousand_photos(
    installation_on_each_database: Installation,
) -> None:
    installation = installation_on_each_database
    installation.make_rows(2000)
    runs = [installation.start_manage(*COMMAND) for _ in range(2)]
    runs.append(installation.start_manage(*COMMAND, "--limit", "50"))
    outputs = [run.communicate(timeout=240)[0] for run in runs]
    assert [run.returncode for run in runs] == [0, 0, 0], outputs
    described = [int(re.findall(r"(\d+) photos described", output)[0]) for output in outputs]
    assert installation.statuses() == {"completed": 2000}
    assert sum(described) == 2000
    assert described[2] == 50
    assert min(described) >= 50, "every run got its share"
    assert installation.ask("StageResult.objects.count()") == 2000
    assert set(installation.ask("list(StageResult.objects.values_list('attempts', flat=True))")) == {1}
    by_run = installation.ask(
        "sorted(StageResult.objects.values_list('run').annotate(n=Count('pk')).values_list('n', flat=True))"
    )
    assert by_run == sorted(described)
