"""Search text becomes clauses of terms, whatever is typed."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from album.search.filters import search_media
from album.search.parse import FIELDS, MAX_TERMS, Problem, forms, parse, singular
from tests.cast import make_cast


def told(text: str) -> str:
    """The clauses of ``text`` in short: terms of a clause joined by ``|``, words by ``_``, ``*``: open end."""
    clauses = [
        "|".join(
            "-" * term.is_excluded + (term.field and term.field + ":") + "_".join(term.words) + "*" * term.is_prefix
            for term in clause
        )
        for clause in parse(text).clauses
    ]
    return " ".join(clauses)


@pytest.mark.parametrize(
    ("text", "clauses"),
    [
        ("", ""),
        ("Red  circles", "red circles*"),
        ('"red circles" sea', "red_circles sea"),
        ("-blue", "-blue"),
        ('-"blue background"', "-blue_background"),
        ("tag:Circle", "tag:circle"),
        ('TAG:"red circle" -tag:ring', "tag:red_circle -tag:ring"),
        ('"open quote', "open_quote"),
        ('- -- "" tag: \'', "tag"),
        ("ice-cream", "ice_cream*"),
        ("ŻUBR", "zubr*"),
        ("dog OR cat beach", "dog|cat beach*"),
        ("OR dog OR", "dog"),
        ("dog or cat", "dog or cat"),
        ("is:video OR -tag:dog", "is:video|-tag:dog"),
        ("https://example.org/a", "https_example_org_a"),
        ("rating:>=4 before:2020-02-29", "rating:4 before:2020_02_29"),
        ("The dog on a beach", "dog beach*"),
        ("mit dem Hund am Meer", "hund meer*"),
        ('dog "on the" beach', "dog on_the beach*"),
        ("the -a on OR cat -dog", "-a on|cat -dog"),
        ("The", "the"),
        ("from before:2020", "from before:2020"),
        ("dog 2008", "dog 2008|on:2008"),
        ("2008-02-30 1799", "2008_02_30 1799*"),
        ('-2008 "2009" x2010', "-2008 2009 x2010*"),
        ("Oktober 2008 dog OR 2009", "oktober_2008|on:2008_10 dog|2009*"),
        ("marzo de 2008", "marzo_2008|on:2008_3"),
        ("2008 october", "2008|on:2008 october*"),
    ],
)
def test_text_becomes_clauses(text: str, clauses: str) -> None:
    assert told(text) == clauses


def test_a_network_gets_the_words_as_they_were_typed() -> None:
    assert parse("a dog on The beach after:2020 -cat October 2008").sentence == "a dog on The beach"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("colour:red sea", Problem("name", "colour", "red")),
        ("before:yesterday sea", Problem("value", "before", "yesterday")),
        ("before:2021-02-29 sea", Problem("value", "before", "2021-02-29")),
        ("year:2020-2019 sea", Problem("value", "year", "2020-2019")),
        ("rating:>9 sea", Problem("value", "rating", ">9")),
        ("kind:audio sea", Problem("value", "kind", "audio")),
        ("is:lost sea", Problem("value", "is", "lost")),
    ],
)
def test_a_filter_that_makes_no_sense_is_named_and_the_rest_is_searched(text: str, problem: Problem) -> None:
    query = parse(text)
    assert query.problems == (problem,)
    assert query.sentence == "sea"


def test_the_number_of_terms_is_bounded() -> None:
    query = parse("a " * 1000)
    assert len(query.clauses) == MAX_TERMS
    assert query.problems == (Problem("length", "", str(MAX_TERMS)),)


@pytest.mark.parametrize(
    ("plural", "one"),
    [
        ("circles", "circle"),
        ("boxes", "box"),
        ("cities", "city"),
        ("crosses", "cross"),
        ("glass", "glass"),
        ("bus", "bus"),
    ],
)
def test_english_plurals_lose_their_ending(plural: str, one: str) -> None:
    assert singular(plural) == one
    assert plural in forms(one)


PIECES = [
    *(f"{name}:" for name in FIELDS), '"', "-", " ", "OR", "*", "'", "(", ")", "%", "\x00", "AND", "NOT", "NEAR(",
    "2020", "2020-13-99", ">=", "title:", "^", "{", "}", ";--", "\\", "黑猫", "ß", "ﬁ", "é", "\u202e", "²",
]  # fmt: skip
typed = st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=5)), max_size=20).map("".join)


def test_no_term_holds_what_postgresql_refuses() -> None:
    clauses = parse('tag:a\x00b album:"x\x00y" \x00').clauses
    assert [(term.field, term.value) for (term,) in clauses] == [("tag", "a"), ("", "b"), ("album", "x y")]


class Hostile(TestCase):
    @settings(max_examples=300, deadline=None)
    @given(typed)
    def test_no_text_breaks_a_search(self, text: str) -> None:
        if not hasattr(self, "cast"):
            self.cast = make_cast()
        assert list(search_media(self.cast.alice, text)) == []
