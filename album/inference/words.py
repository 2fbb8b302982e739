"""One vocabulary for all machine tags: their normal form, and the noun phrases of a caption.

Captions are short and plain, so closed word lists and the pattern ``[adjective]* noun+`` suffice; everything that
is not listed is taken for a noun. The lists are data: ``vocabulary/english.toml``.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

from album.inference.results import Caption, Tag, TagSource

VOCABULARY_DIR = Path(__file__).parent / "vocabulary"
MAX_TAG_LENGTH = 80
MAX_CAPTION_TAGS = 12
_MAX_PHRASE_WORDS = 3
_MIN_PLURAL_LENGTH = 4
_TOKEN = re.compile(r"[a-z0-9]+(?:[-'][a-z0-9]+)*|[.,;:!?()]")
_OPENERS = ("article", "number", "plain_adjective")
_MONOCHROME = re.compile(r"\bblack and white (?:photo|picture|image|shot|view|snapshot)")
_EDGES = " \t\r\n.,;:!?\"'()[]{}<>-_/\\|*#"


@lru_cache(maxsize=1)
def _lists() -> dict[str, frozenset[str]]:
    raw: dict[str, str] = tomllib.loads((VOCABULARY_DIR / "english.toml").read_text(encoding="utf-8"))
    return {name: frozenset(words.split()) for name, words in raw.items()}


@lru_cache(maxsize=4)
def _pairs(name: str) -> dict[str, str]:
    """A list of ``left:right`` entries as a dictionary."""
    entries = (entry.partition(":") for entry in _lists()[name])
    return {left: right for left, _, right in entries}


@lru_cache(maxsize=1)
def _plurals() -> Any:
    import inflect

    return inflect.engine()


@lru_cache(maxsize=4096)
def _singular(word: str) -> str:
    """The singular of one lower-case word; a word that is no plural as it is."""
    if word in _lists()["invariant"] or word in _pairs("irregular"):
        return _pairs("irregular").get(word, word)
    if not word.endswith("s") or word.endswith(("ss", "us", "is", "'s")) or len(word) < _MIN_PLURAL_LENGTH:
        return word
    if not word.isascii() or not word.isalpha():
        return word
    singular = _plurals().singular_noun(word)
    return str(singular) if singular and len(singular) < len(word) else word


def _normalize_once(text: str) -> str:
    text = " ".join(unicodedata.normalize("NFKC", text).lower().split())
    words = text[:MAX_TAG_LENGTH].strip(_EDGES).split(" ")
    words[-1] = _singular(words[-1])
    spelling = _pairs("american")
    return " ".join(spelling.get(word, word) for word in words)


def normalize_tag(text: str) -> str:
    """The tag in its one form: lower case, singular, US spelling, at most 80 characters; may be empty.

    A tag in its one form is left alone: ``normalize_tag(normalize_tag(x)) == normalize_tag(x)``.
    """
    while (normal := _normalize_once(text)) != text:
        text = normal
    return normal


class _Kind(StrEnum):
    NOUN = "noun"
    ADJECTIVE = "adjective"
    OPENER = "opener"
    """Ends a phrase and begins the next: articles, numbers, adjectives that are not kept, participles."""
    BREAK = "break"


@dataclass(slots=True)
class _Phrase:
    """A noun phrase while it is being read. Open: after an opener, ``ride`` is a noun, not a verb."""

    is_open: bool = False
    adjectives: list[str] = field(default_factory=list)
    nouns: list[str] = field(default_factory=list)

    def names(self) -> list[str]:
        """The tags of this phrase: with its adjectives, without them, and its last noun alone."""
        if not self.nouns and self.adjectives and self.adjectives[-1] in _lists()["adjective_or_noun"]:
            self.nouns.append(self.adjectives.pop())
        if not self.nouns:
            return []
        words = [*self.adjectives, *self.nouns]
        full, compound, head = (normalize_tag(" ".join(part)) for part in (words, self.nouns, words[-1:]))
        described = [full] if self.adjectives and len(words) <= _MAX_PHRASE_WORDS else []
        if head in _lists()["not_a_tag"] or words[-1] in _lists()["not_a_tag"]:
            return described if head == "background" else []
        if "_".join(normalize_tag(" ".join(words[-2:])).split()) in _lists()["idiom"]:
            return [normalize_tag(" ".join(words[-2:]))]
        return [*described, *([compound] if len(self.nouns) <= _MAX_PHRASE_WORDS else []), head]


def _kind(word: str, following: str, phrase: _Phrase) -> _Kind:
    """What a word of a caption is, from itself, the next word and what was read of the present phrase."""
    lists = _lists()
    is_named_thing = _singular(following) in _pairs("ing_compounds").get(word, "").split(",")
    if is_named_thing or "_".join([*phrase.nouns[-1:], _singular(word)]) in lists["idiom"]:
        return _Kind.NOUN
    if word in lists["color"] or word in lists["adjective"]:
        return _Kind.ADJECTIVE
    if word in lists["verb_or_noun"] and phrase.is_open and not phrase.nouns:
        return _Kind.NOUN
    is_adverb = word.endswith("ly") and word not in lists["ly_nouns"]
    if not word[0].isalnum() or is_adverb or word in lists["function"] or word in lists["verb"]:
        return _Kind.BREAK
    is_participle = any(word.endswith(end) and word not in lists[f"{end}_nouns"] for end in ("ing", "ed"))
    if is_participle or word.isdigit() or any(word in lists[name] for name in _OPENERS):
        return _Kind.OPENER
    return _Kind.NOUN


def noun_phrases(caption: str) -> list[str]:
    """The things that a short English sentence names, as tags, in the order in which they are named.

    ``two red circles on a blue background`` gives ``red circle``, ``circle``, ``blue background``.
    """
    text = _joined_colors().sub(" a ", caption.lower())
    tokens = _TOKEN.findall(text)
    names: list[str] = ["black and white"] if _MONOCHROME.search(caption.lower()) else []
    phrase = _Phrase()
    for token, following in pairwise([*tokens, "."]):
        word = token.removesuffix("'s")
        kind = _kind(word, following, phrase)
        if kind is _Kind.NOUN:
            phrase.nouns.append(word)
        elif kind is _Kind.ADJECTIVE and not phrase.nouns:
            phrase.adjectives.append(word)
        if kind in {_Kind.OPENER, _Kind.BREAK} or word != token or (kind is _Kind.ADJECTIVE and phrase.nouns):
            names += phrase.names()
            phrase = _Phrase(kind is _Kind.OPENER, [word] if kind is _Kind.ADJECTIVE else [])
    return list(dict.fromkeys(name for name in [*names, *phrase.names()] if name))


@lru_cache(maxsize=1)
def _joined_colors() -> re.Pattern[str]:
    """Two colors joined by "and", which belong to the next noun together and to no tag."""
    color = f"(?:{'|'.join(sorted(_lists()['color']))})"
    return re.compile(rf"\b{color}(?:, {color})* and {color}\b")


def caption_tags(caption: Caption) -> tuple[Tag, ...]:
    """The tags of a caption, first named first; each has the caption's own score."""
    names = noun_phrases(caption.text)[:MAX_CAPTION_TAGS]
    return tuple(Tag(name, caption.score, TagSource.CAPTION) for name in names)
