"""Search text becomes terms, whatever is typed."""

import pytest

from album.search.parse import MAX_TERMS, Kind, Term, parse, singular


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("", ()),
        ("Red  circles", (Term(("red",)), Term(("circles",)))),
        ('"red circles" sea', (Term(("red", "circles")), Term(("sea",)))),
        ("-blue", (Term(("blue",), is_excluded=True),)),
        ('-"blue background"', (Term(("blue", "background"), is_excluded=True),)),
        ("tag:Circle", (Term(("circle",), Kind.TAG),)),
        ('TAG:"red circle" -tag:ring', (Term(("red", "circle"), Kind.TAG), Term(("ring",), Kind.TAG, True))),
        ('"open quote', (Term(("open", "quote")),)),
        ('- -- "" tag: \'', (Term(("tag",)),)),
        ("ice-cream", (Term(("ice", "cream")),)),
        ("ŻUBR", (Term(("żubr",)),)),
    ],
)
def test_text_becomes_terms(text: str, terms: tuple[Term, ...]) -> None:
    assert parse(text) == terms


def test_the_number_of_terms_is_bounded() -> None:
    assert len(parse("word " * 1000)) == MAX_TERMS


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
