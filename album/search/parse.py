"""What a person typed into the search box, as terms. No database here."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

MAX_TERMS = 20
"""More words than anyone types; it bounds the work of one request."""

_TOKEN = re.compile(r'(?P<minus>-?)(?P<tag>tag:)?(?:"(?P<quoted>[^"]*)"?|(?P<bare>[^\s"]+))', re.IGNORECASE)


class Kind(Enum):
    """How a term is compared: as words in order anywhere, or as the whole name of a tag."""

    WORDS = "words"
    TAG = "tag"


@dataclass(frozen=True, slots=True)
class Term:
    """One thing that must (or, if ``is_excluded``, must not) be true of an item. ``words`` are lower case."""

    words: tuple[str, ...]
    kind: Kind = Kind.WORDS
    is_excluded: bool = False


def parse(text: str) -> tuple[Term, ...]:
    """The terms of ``word "quoted phrase" -excluded tag:name tag:"two words"``, all of which must hold.

    Never fails: an open quote ends with the text, and what holds no letter or digit is left out.
    """
    terms = []
    for token in _TOKEN.finditer(text):
        words = tuple(re.findall(r"\w+", (token["quoted"] or token["bare"] or "").casefold()))
        if words:
            terms.append(Term(words, Kind.TAG if token["tag"] else Kind.WORDS, token["minus"] == "-"))
    return tuple(terms[:MAX_TERMS])


def singular(word: str) -> str:
    """``word`` without the ending of an English plural: circles, boxes, cities become circle, box, city."""
    if len(word) <= 3 or word.endswith(("ss", "us", "is")):
        return word
    if word.endswith("ies"):
        return word[:-3] + "y"
    if word.endswith(("ches", "shes", "sses", "xes", "zzes")):
        return word[:-2]
    return word.removesuffix("s")
