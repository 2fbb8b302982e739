"""The benchmark itself: verdicts, the exit status, and the part of it that is cheap enough for every test run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import pytest

from tests.benchmarks import batch, parts
from tests.benchmarks.measuring import Figure, in_turns, median_ratio, run_child


def test_a_figure_is_missed_on_the_wrong_side_of_its_target_only() -> None:
    assert not Figure("speed", 4.5, least=4.5).is_missed
    assert Figure("speed", 4.49, least=4.5).is_missed
    assert not Figure("memory", 0.5, most=0.5).is_missed
    assert Figure("memory", 0.51, most=0.5).is_missed
    assert not Figure("told only", 1e9).is_missed


def test_a_line_says_verdict_number_target_and_reason() -> None:
    line = str(Figure("peak", 643.1, "MB", most=700, note="two stages"))
    assert line.split() == ["PASS", "643.1", "MB", "≤", "700", "peak", "(two", "stages)"]
    assert "MISS" in str(Figure("twice", 1, most=0))


def test_ways_are_measured_in_turns_and_compared_round_by_round() -> None:
    order: list[str] = []

    def way(name: str, seconds: float) -> float:
        order.append(name)
        return seconds * len(order)

    first, second = in_turns(3, lambda: way("a", 2.0), lambda: way("b", 1.0))
    assert order == ["a", "b"] * 3
    assert median_ratio(first, second) == 6 / 4


def test_the_status_is_1_where_one_target_is_missed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def figures(_: parts.Size) -> Iterator[Figure]:
        yield Figure("good", 1, most=2)
        yield Figure("bad", 3, most=2)

    monkeypatch.setitem(batch.PARTS, "ledger", ("Made up", figures))
    assert batch.main(["--quick", "--only", "ledger"]) == 1
    assert capsys.readouterr().out.endswith("1 missed: bad\n")


def test_the_output_of_a_broken_child_is_shown() -> None:
    with pytest.raises(RuntimeError, match="ended with 3:\nwhy"):
        run_child("-c", "import sys; print('why'); sys.exit(3)")


def test_the_cost_of_a_child_is_its_own() -> None:
    spent = run_child("-c", "import time\nwhile time.process_time() < 0.3: pass\nprint('{\"ok\": 1}')")
    assert spent.answer == {"ok": 1}
    assert 0.3 <= spent.cpu_s <= spent.wall_s + 0.3


def test_the_queue_is_measured_on_rows_that_really_change(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(parts, "FOLDER", tmp_path)
    monkeypatch.setattr(parts, "SHARED_ROWS", 60)
    cpu, wall, twice, recorded = parts.ledger(parts.Size(rounds=1, photos=0, rows=40))
    assert 0 < cpu.value < 1000 and 0 < wall.value < 1000
    assert (twice.value, recorded.value) == (0, 60)


def test_the_peak_stays_after_the_memory_is_given_back() -> None:
    code = """
        import json
        from tests.benchmarks.measuring import peak_mb
        before = peak_mb()
        block = b"x" * 100_000_000
        del block
        print(json.dumps({"grown_mb": peak_mb() - before}))
    """
    assert 90 < run_child("-c", dedent(code)).answer["grown_mb"] < 130
