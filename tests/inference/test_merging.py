"""A video is described by what its frames have in common, in one sentence."""

from __future__ import annotations

import numpy as np
import pytest

from album.inference.merging import merge_analyses
from album.inference.results import Analysis, Tag, TagSource


def said(description: str, *tags: str, score: float | None = 0.9, tag_score: float = 0.5) -> Analysis:
    source = TagSource.BUILT_IN if score is None else TagSource.DETECTOR
    return Analysis(description, score, tuple(Tag(name, tag_score, source) for name in tags))


@pytest.mark.parametrize(
    ("sentences", "whole"),
    [
        (("A dog", "Two people and a car"), "A dog, then two people and a car"),
        (("a red ring", "a red ring", "An apple"), "a red ring, then an apple"),
        (("A dog", "Paris at night", "TVs"), "A dog, then Paris at night, then TVs"),
        (("A bright picture.", "A dark square, mostly red."), "A bright picture, then a dark square, mostly red."),
    ],
)
def test_sentences_are_joined_in_order_and_names_keep_their_capital(sentences: tuple[str, ...], whole: str) -> None:
    assert merge_analyses([said(sentence) for sentence in sentences]).description == whole


def test_built_in_words_count_only_where_no_network_described_a_frame() -> None:
    dim, dog = said("A dark picture", "dark", score=None, tag_score=1.0), said("A dog", "dog")
    mixed = merge_analyses([dim, dog, dog])
    assert (mixed.description, [tag.name for tag in mixed.tags]) == ("A dog", ["dog"])
    assert merge_analyses([dim, dim]).description == "A dark picture"


def test_a_tag_of_one_unsure_frame_is_dropped() -> None:
    whole = merge_analyses([said("A dog", "dog", "cat"), said("A dog", "dog")])
    assert [tag.name for tag in whole.tags] == ["dog"]


def test_vectors_are_averaged_to_length_one() -> None:
    frames = [Analysis(embedding=np.array(vector, np.float32)) for vector in ((1, 0), (0, 1))]
    assert merge_analyses(frames).embedding == pytest.approx([0.7071, 0.7071], abs=1e-4)
