"""From a network's next-token scores to sentences: greedy and beam search, in numpy, shared by all ONNX captioners.

The rules are those of transformers' ``generate`` (no sampling, ``early_stopping=False``), so that a network gives
the same tokens through either runtime.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from album.inference.results import FloatArray

Ids = NDArray[np.int64]

_NEVER = np.float32(-1e9)


@dataclass(frozen=True, slots=True)
class Sentence:
    """Token ids without start and end, and exp(mean log probability) of all that was produced, the end included."""

    ids: tuple[int, ...]
    score: float


@dataclass(frozen=True, slots=True)
class DecodingRules:
    """Where a sentence starts and ends, and what is liked in it. Lengths count new tokens, the end included."""

    start_id: int
    end_id: int
    max_tokens: int = 20
    min_tokens: int = 0
    beams: int = 1
    repetition_penalty: float = 1.0
    length_penalty: float = 1.0

    @property
    def is_plain_greedy(self) -> bool:
        """True if the most probable token is always the one taken."""
        return self.beams == 1 and self.repetition_penalty == 1 and self.min_tokens == 0

    def sentence(self, ids: Sequence[int], gains: Sequence[float]) -> Sentence:
        """New tokens, each with its log probability, up to the end; what follows the end is padding."""
        length = ids.index(self.end_id) + 1 if self.end_id in ids else len(ids)
        score = math.exp(min(0.0, sum(gains[:length]) / max(1, length)))
        return Sentence(tuple(token for token in ids[:length] if token != self.end_id), score)


class Steps(Protocol):
    """A decoder in the middle of N sentences with B beams each; it holds the cache of what was said so far."""

    def best(self, ids: Ids) -> tuple[Ids, FloatArray]:
        """The most probable next tokens and their log probabilities, both ``(N, B)``, after the tokens ``ids``."""
        ...

    def logits(self, ids: Ids) -> FloatArray:
        """Scores of all next tokens ``(N, B, V)`` after the tokens ``ids (N, B)``."""
        ...

    def keep(self, rows: Sequence[int]) -> None:
        """Go on with these sentences only, in this order; row k of ``rows`` is k or comes after the kept ones."""
        ...

    def reorder(self, parents: Ids) -> None:
        """Beam b of sentence n continues what beam ``parents[n, b]`` has said."""
        ...


def decode(steps: Steps, count: int, rules: DecodingRules) -> list[Sentence]:
    """One sentence for each of ``count`` pictures."""
    return _search_beams(steps, count, rules) if rules.beams > 1 else _decode_greedily(steps, count, rules)


def _decode_greedily(steps: Steps, count: int, rules: DecodingRules) -> list[Sentence]:
    said: list[list[int]] = [[rules.start_id] for _ in range(count)]
    gained: list[list[float]] = [[] for _ in range(count)]
    active = list(range(count))
    for _ in range(rules.max_tokens):
        ids = np.array([[said[picture][-1]] for picture in active], np.int64)
        chosen, gains = _choose(steps, ids, [said[picture] for picture in active], rules)
        for picture, token, gain in zip(active, chosen, gains, strict=True):
            said[picture].append(int(token))
            gained[picture].append(float(gain))
        rows = _fill_gaps([row for row, picture in enumerate(active) if said[picture][-1] != rules.end_id])
        if not rows:
            break
        if len(rows) < len(active):
            steps.keep(rows)
            active = [active[row] for row in rows]
    return [rules.sentence(ids[1:], gains) for ids, gains in zip(said, gained, strict=True)]


def _choose(steps: Steps, ids: Ids, said: list[list[int]], rules: DecodingRules) -> tuple[Ids, FloatArray]:
    """The next token of each row and its log probability by the network's own scores, both ``(N,)``."""
    if rules.is_plain_greedy:
        chosen, gains = steps.best(ids)
        return chosen[:, 0], gains[:, 0]
    logits = steps.logits(ids)[:, 0]
    chosen = np.argmax([_apply(rules, row, before) for row, before in zip(logits, said, strict=True)], axis=-1)
    return chosen, np.take_along_axis(log_softmax(logits), chosen[:, None], axis=-1)[:, 0]


def _fill_gaps(rows: list[int]) -> list[int]:
    """The same rows, each in its own place if it can: the last ones fill the gaps, so that few must move."""
    kept = [row for row in rows if row < len(rows)]
    spare = [row for row in rows if row >= len(rows)]
    return [row if row in kept else spare.pop() for row in range(len(rows))]


def log_softmax(logits: FloatArray) -> FloatArray:
    """Log probabilities over the last axis."""
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True)), np.float32)


def _apply(rules: DecodingRules, scores: FloatArray, said: Sequence[int]) -> FloatArray:
    """``(V,)`` scores after the wishes: less for what was said already, no end before the minimum."""
    scores = scores.copy()
    if rules.repetition_penalty != 1:
        old = np.unique(said)
        weaker = np.where(
            scores[old] < 0, scores[old] * rules.repetition_penalty, scores[old] / rules.repetition_penalty
        )
        scores[old] = weaker
    if len(said) - 1 < rules.min_tokens:
        scores[rules.end_id] = -np.inf
    return scores


@dataclass(slots=True)
class _Beam:
    """A beginning: what was said, its score in the search, and the network's own log probability of each token."""

    said: list[int]
    score: np.float32
    gains: list[float]


@dataclass(slots=True)
class _Search:
    """The beam search of one picture."""

    rules: DecodingRules
    running: list[_Beam]
    finished: list[_Beam] = field(default_factory=list)
    is_open: bool = True

    def advance(self, logits: FloatArray) -> list[int]:
        """The parent of each new beam, after one more token with ``logits (B, V)``."""
        plain = log_softmax(logits)
        wished = np.stack(
            [_apply(self.rules, row, beam.said) for row, beam in zip(plain, self.running, strict=True)]
        )
        total = (wished + np.array([[beam.score] for beam in self.running], np.float32)).ravel()
        beams, length = len(self.running), len(self.running[0].said)
        top = np.argpartition(-total, 2 * beams - 1)[: 2 * beams]
        next_beams: list[_Beam] = []
        parents: list[int] = []
        for rank, index in enumerate(top[np.argsort(-total[top], kind="stable")]):
            parent, token = divmod(int(index), logits.shape[-1])
            before = self.running[parent]
            beam = _Beam([*before.said, token], total[index], [*before.gains, float(plain[parent, token])])
            is_end = token == self.rules.end_id or length == self.rules.max_tokens
            if is_end and rank < beams:
                self.finished.append(beam)
            elif not is_end and len(next_beams) < beams:
                next_beams.append(beam)
                parents.append(parent)
        self._close_if_settled(next_beams, length)
        self.running = next_beams
        return parents

    def value(self, beam: _Beam) -> float:
        """What finished beams are compared by."""
        return float(beam.score) / float((len(beam.said) - 1) ** self.rules.length_penalty)

    def _close_if_settled(self, next_beams: list[_Beam], length: int) -> None:
        """A search ends when no beginning, at its present length, is better than the worst of B finished ones."""
        self.finished = sorted(self.finished, key=self.value, reverse=True)[: self.rules.beams]
        is_full = len(self.finished) == self.rules.beams
        best = float(next_beams[0].score) / float(length**self.rules.length_penalty) if next_beams else -math.inf
        self.is_open = bool(next_beams) and not (is_full and best <= self.value(self.finished[-1]))


def _search_beams(steps: Steps, count: int, rules: DecodingRules) -> list[Sentence]:
    searches = [
        _Search(
            rules,
            [_Beam([rules.start_id], _NEVER if beam else np.float32(0), []) for beam in range(rules.beams)],
        )
        for _ in range(count)
    ]
    active = searches
    while active:
        ids = np.array([[beam.said[-1] for beam in search.running] for search in active], np.int64)
        logits = steps.logits(ids)
        parents = [search.advance(scores) for search, scores in zip(active, logits, strict=True)]
        rows = _fill_gaps([row for row, search in enumerate(active) if search.is_open])
        if rows and len(rows) < len(active):
            steps.keep(rows)
        if rows:
            steps.reorder(np.array([parents[row] for row in rows], np.int64))
        active = [active[row] for row in rows]
    best = [search.finished[0] for search in searches]
    return [rules.sentence(beam.said[1:], beam.gains) for beam in best]
