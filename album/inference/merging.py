"""One analysis of a video from the analyses of its frames."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from album.inference.results import Analysis, FloatArray, Tag

SAME_SENTENCE_JACCARD = 0.6
MAX_SENTENCES = 3
SURE_SCORE = 0.8
"""A tag seen in a single frame of several is kept only when the network was this sure."""
# fmt: off
_OPENING_WORDS = frozenset((
    "a", "an", "the", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
    "many", "several", "some",
))
# fmt: on
"""Only these begin in lower case after the first sentence: any other capital may be that of a name."""


def merge_analyses(frames: Sequence[Analysis]) -> Analysis:
    """The whole from its parts, in order of time. One frame comes back as it is.

    The embedding is the normalized mean; sentences that say nearly the same are said once, at most three;
    a tag stays when two frames agree or one is sure. Where networks described some frames, what the built-in
    analyzer said of the others is left out.
    """
    if len(frames) == 1:
        return frames[0]
    embeddings = [frame.embedding for frame in frames if frame.embedding is not None]
    frames = [frame for frame in frames if frame.description_score is not None] or frames
    sentences = _distinct([frame.description for frame in frames if frame.description])[:MAX_SENTENCES]
    scores = [frame.description_score for frame in frames if frame.description_score is not None]
    return Analysis(
        description=_join(sentences) or None,
        description_score=float(np.mean(scores)) if scores else None,
        tags=_agreed([frame.tags for frame in frames]),
        embedding=_mean(embeddings),
    )


def _join(sentences: list[str]) -> str:
    """``A red car, then two dogs``: an article or number at the start of a later one is no name."""
    if not sentences:
        return ""
    *earlier, last = [sentences[0], *map(_continued, sentences[1:])]
    return ", then ".join([*(sentence.rstrip(".") for sentence in earlier), last])


def _continued(sentence: str) -> str:
    is_plain = sentence.partition(" ")[0].lower() in _OPENING_WORDS
    return sentence[:1].lower() + sentence[1:] if is_plain else sentence


def _distinct(sentences: list[str]) -> list[str]:
    kept: list[str] = []
    for sentence in sentences:
        words = set(sentence.lower().split())
        others = [set(other.lower().split()) for other in kept]
        if all(len(words & other) / len(words | other) <= SAME_SENTENCE_JACCARD for other in others):
            kept.append(sentence)
    return kept


def _agreed(tags_of_frames: list[tuple[Tag, ...]]) -> tuple[Tag, ...]:
    seen: dict[tuple[str, str], list[Tag]] = {}
    for tags in tags_of_frames:
        for tag in tags:
            seen.setdefault((tag.name, tag.source), []).append(tag)
    best = [(len(found), max(found, key=lambda tag: tag.score)) for found in seen.values()]
    kept = [tag for count, tag in best if count >= 2 or tag.score >= SURE_SCORE]
    return tuple(sorted(kept, key=lambda tag: -tag.score))


def _mean(embeddings: list[FloatArray]) -> FloatArray | None:
    if not embeddings:
        return None
    mean: FloatArray = np.stack(embeddings).mean(axis=0).astype(np.float32)
    norm = np.float32(np.linalg.norm(mean))
    return mean / norm if norm > 0 else embeddings[0]
