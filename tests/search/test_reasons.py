"""What is quickly looked for in a text stands in each form of the word that may be there."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from album.search.parse import Term, forms, words_of
from album.search.reasons import _pattern, _stem


@given(st.text(max_size=12))
def test_the_stem_stands_in_each_form_of_any_word(text: str) -> None:
    for word in words_of(text):
        assert all(_stem(Term(word, (word,))) in form for form in forms(word))


@pytest.mark.parametrize(
    "word", ["cities", "city", "boxes", "box", "dogs", "y", "ies", "boys", "glass", "IMG_4711"]
)
def test_the_stem_stands_wherever_the_words_are_found(word: str) -> None:
    term = Term(word, words_of(word))
    for form in forms(term.words[-1]):
        text = " ".join([*term.words[:-1], form])
        assert _pattern(term).search(text)
        assert _stem(term) in text
