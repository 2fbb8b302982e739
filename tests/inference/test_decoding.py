"""Greedy and beam search over a hand-written decoder, whose next-token probabilities are a table."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest

from album.inference.decoding import DecodingRules, Ids, decode, log_softmax
from album.inference.results import FloatArray

START, END, A, B, C = range(5)
Table = dict[tuple[int, ...], dict[int, float]]


class TableSteps:
    """A decoder that looks the probabilities of the next token up by all tokens said so far, per picture."""

    def __init__(self, tables: Sequence[Table], beams: int = 1) -> None:
        self.tables = list(tables)
        self.said: list[list[tuple[int, ...]]] = [[()] * beams for _ in tables]
        self.kept: list[list[int]] = []
        self.rows_run = 0

    def logits(self, ids: Ids) -> FloatArray:
        self.rows_run += len(ids)
        assert ids.shape == (len(self.said), len(self.said[0]))
        self.said = [
            [(*said, int(token)) for said, token in zip(beams, row, strict=True)]
            for beams, row in zip(self.said, ids, strict=True)
        ]
        return np.array(
            [
                [self._row(table, said[1:]) for said in beams]
                for table, beams in zip(self.tables, self.said, strict=True)
            ]
        )

    def _row(self, table: Table, said: tuple[int, ...]) -> FloatArray:
        row = np.full(5, 1e-6, np.float32)
        for token, probability in table.get(said, {END: 1.0}).items():
            row[token] = probability
        return np.asarray(np.log(row), np.float32)

    def best(self, ids: Ids) -> tuple[Ids, FloatArray]:
        scores = log_softmax(self.logits(ids))
        return scores.argmax(-1), scores.max(-1)

    def keep(self, rows: Sequence[int]) -> None:
        self.kept.append(list(rows))
        self.tables = [self.tables[row] for row in rows]
        self.said = [self.said[row] for row in rows]

    def reorder(self, parents: Ids) -> None:
        self.said = [[said[beam] for beam in row] for said, row in zip(self.said, parents.tolist(), strict=True)]


def say(table: Table, **wishes: float) -> tuple[int, ...]:
    rules = DecodingRules(START, END, **wishes)  # type: ignore[arg-type]
    return decode(TableSteps([table], rules.beams), 1, rules)[0].ids


GARDEN_PATH: Table = {(): {A: 0.6, B: 0.4}, (A,): {C: 0.4, B: 0.3, END: 0.3}, (B,): {C: 1.0}, (A, C): {END: 1.0}}


def test_greedy_takes_the_most_probable_token_each_time() -> None:
    assert say(GARDEN_PATH) == (A, C)


def test_beams_find_the_sentence_that_is_more_probable_as_a_whole() -> None:
    assert say(GARDEN_PATH, beams=2) == (B, C)


def test_a_sentence_stops_at_the_longest_allowed_length_without_its_end() -> None:
    endless = {(A,) * length: {A: 1.0} for length in range(30)}
    assert say(endless, max_tokens=7) == (A,) * 7
    assert say(endless, max_tokens=7, beams=2)[:6] == (A,) * 6


@pytest.mark.parametrize("beams", [1, 2])
def test_a_minimum_length_keeps_the_end_away(beams: int) -> None:
    table: Table = {(): {END: 0.9, A: 0.1}, (A,): {END: 0.9, B: 0.1}, (A, B): {END: 0.9, C: 0.1}}
    assert say(table, beams=beams) == ()
    assert say(table, beams=beams, min_tokens=2) == (A, B)


def test_a_repetition_penalty_makes_the_second_best_word_win_over_the_same_word_again() -> None:
    table: Table = {(): {A: 0.9, B: 0.1}, (A,): {A: 0.5, B: 0.4}}
    assert say(table, max_tokens=2) == (A, A)
    assert say(table, max_tokens=2, repetition_penalty=2.0) == (A, B)


def test_a_length_penalty_decides_between_short_and_long() -> None:
    table: Table = {(): {A: 0.6, END: 0.4}, (A,): {B: 0.8, END: 0.2}, (A, B): {C: 0.8, END: 0.2}}
    assert say(table, beams=2, length_penalty=0.0) == ()
    assert say(table, beams=2, length_penalty=2.0) == (A, B, C)


@pytest.mark.parametrize(("beams", "penalty"), [(1, 1.0), (1, 1.3), (2, 1.0), (2, 1.3)])
def test_the_score_is_the_mean_probability_by_the_network_whatever_the_penalties(
    beams: int, penalty: float
) -> None:
    table: Table = {(): {A: 0.9, B: 0.1}, (A,): {B: 0.8, C: 0.2}, (A, B): {END: 1.0}}
    rules = DecodingRules(START, END, beams=beams, repetition_penalty=penalty)
    (sentence,) = decode(TableSteps([table], beams), 1, rules)
    assert sentence.ids == (A, B)
    assert sentence.score == pytest.approx(math.exp((math.log(0.9) + math.log(0.8)) / 3), rel=1e-3)


@pytest.mark.parametrize("beams", [1, 2])
def test_finished_sentences_are_dropped_and_the_last_one_fills_the_gap(beams: int) -> None:
    short: Table = {(): {A: 1.0}, (A,): {END: 1.0}}
    long: Table = {(B,) * length: {B: 1.0} for length in range(4)} | {(B,) * 4: {C: 1.0}}
    steps = TableSteps([short, long, short, long], beams)
    sentences = decode(steps, 4, DecodingRules(START, END, beams=beams, max_tokens=9, length_penalty=0.0))
    assert [sentence.ids for sentence in sentences] == [(A,), (B, B, B, B, C), (A,), (B, B, B, B, C)]
    assert steps.kept[0] == [3, 1]
    assert steps.rows_run < 4 * 6
