"""What a person typed into the search box, as clauses of terms. No database here."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, replace
from functools import cache

from django.conf import settings
from django.utils.dates import MONTHS
from django.utils.translation import override

from album.models.media import Status

MAX_TERMS = 20
"""More words than anyone types; it bounds the work of one request."""
MAX_CHARACTERS = 300
SHORT_WORD = 3
"""Up to this length the last word is compared whole: "cat" is no category, while "butter" may find a butterfly."""

FIELDS = (
    "tag", "person", "place", "camera", "album", "before", "after", "on", "year",
    "kind", "is", "rating", "owner",
)  # fmt: skip
"""What may stand before a colon."""
KINDS = ("photo", "video")
STATES = (*KINDS, "favourite", "archived", *Status.values)
_FILLERS = """
    a an the and of on in at by to from with my our your his her their its some
    der die das den dem des ein eine einen einem einer und von vom am auf im mit bei beim zu zum zur aus vor
    mein meine meinen meinem meiner unser unsere unseren unserem unserer
    el la los las un una unos unas y de del en con al por mi mis nuestro nuestra nuestros nuestras su sus
    le les l une d du et au aux dans sur avec chez mon ma mes notre nos sa ses
"""
"""Words that say nothing of a picture, folded, in the languages of the album.

Who asks for "dog on the beach" wants "a dog runs along a beach" as well. French "son" is missing: it is a child.
"""
_SAY_NOTHING = frozenset(_FILLERS.split())
_OTHER_SPELLINGS = {"favorite": "favourite"}

TOKEN = re.compile(
    r'(?P<minus>-?)(?:(?P<name>[^\W\d_]+):)?(?:"(?P<quoted>(?:[^"]|"")*)"?|(?P<bare>[^\s"]+))|(?P<minus2>-)'
)
_WORD = re.compile(r"[^\W_]+")
_DATE = re.compile(r"(\d{4})(?:-(\d{1,2})(?:-(\d{1,2}))?)?")
_BARE_DATE = re.compile(r"(?:1[89]|20)[0-9]{2}(?:-[0-9]{1,2}){0,2}")
_YEARS = re.compile(r"(\d{4})(?:-(\d{4}))?")
_RATING = re.compile(r"(>=|<=|=|>|<)?([0-5])")
_MARKS = re.compile("[\u0300-\u036f]")


@dataclass(frozen=True, slots=True)
class Term:
    """One thing that may or, if ``is_excluded``, must not be true of an item.

    ``field`` is one of ``FIELDS``, or empty where the ``words`` may stand anywhere. ``value`` is what was typed;
    ``words`` are lower case without accents. Of a term that ``is_prefix`` the last word may go on.
    """

    value: str
    words: tuple[str, ...] = ()
    field: str = ""
    is_excluded: bool = False
    is_prefix: bool = False
    source: str = ""
    """The term as it was typed."""


Clause = tuple[Term, ...]


@dataclass(frozen=True, slots=True)
class Query:
    """Of each clause at least one term must hold. ``problems`` are parts that made no sense and were left out.

    ``sentence``: the words looked for as one text, fillers included, as a network wants it.
    """

    clauses: tuple[Clause, ...] = ()
    problems: tuple[Problem, ...] = ()
    sentence: str = ""

    @property
    def filters(self) -> tuple[Clause, ...]:
        """The clauses that do more than name words."""
        return tuple(clause for clause in self.clauses if not _is_free(clause))

    @property
    def free(self) -> tuple[Clause, ...]:
        """The clauses that only name words: what the person looks for."""
        return tuple(clause for clause in self.clauses if _is_free(clause))


@dataclass(frozen=True, slots=True)
class Problem:
    """A filter that cannot be used: ``kind`` is ``name`` (no such filter), ``value``, or ``length`` (too many)."""

    kind: str
    name: str
    value: str = ""


def parse(text: str) -> Query:
    """The clauses of ``word "quoted phrase" -excluded this OR that tag:name before:2020-05 rating:>=4``.

    Never fails: an open quote ends with the text, and what holds no letter or digit is left out. A quote inside
    quotes is written twice. OR joins its two neighbors before all clauses are taken together.
    """
    clauses: list[Clause] = []
    problems: list[Problem] = []
    joins = False
    for token in TOKEN.finditer(text[:MAX_CHARACTERS].replace("\x00", " ")):  # PostgreSQL takes no such text
        if token[0] == "OR":
            joins = bool(clauses)
            continue
        term = _term(token)
        if isinstance(term, Problem):
            problems.append(term)
        if not isinstance(term, Term):
            continue
        if sum(map(len, clauses)) == MAX_TERMS:
            problems.append(Problem("length", "", str(MAX_TERMS)))
            break
        clauses[-1:] = [(*clauses[-1], term)] if joins else [*clauses[-1:], (term,)]
        joins = False
    clauses = _with_dates(clauses)
    sentence = " ".join(term.value for clause in clauses if _is_free(clause) for term in clause)
    return Query(_with_open_end(_without_fillers(clauses)), tuple(dict.fromkeys(problems)), sentence)


def _is_free(clause: Clause) -> bool:
    return not any(term.field or term.is_excluded for term in clause)


def _without_fillers(clauses: list[Clause]) -> tuple[Clause, ...]:
    """``clauses`` but for single words that are fillers, unless nothing else is looked for."""
    said = [clause for clause in clauses if not (_is_free(clause) and _is_filler(clause))]
    return tuple(said if any(map(_is_free, said)) else clauses)


def _with_dates(clauses: list[Clause]) -> list[Clause]:
    """``clauses`` in which 2008, 2008-10-17 or October 2008 may stand anywhere, or say when it was taken."""
    told: list[Clause] = []
    for clause in clauses:
        date = clause[0].source if len(clause) == 1 and _BARE_DATE.fullmatch(clause[0].source) else ""
        if not date or not date_of(date):
            told.append(clause)
            continue
        if month_of(told[-2:-1]) and _is_filler(told[-1]):
            told.pop()  # octubre de 2008
        if date.isdecimal() and (month := month_of(told[-1:])):
            (name,) = told.pop()
            source = f"{name.source} {date}"
            told.append((Term(source, (*name.words, date), source=source), _taken(f"{date}-{month}")))
        else:
            told.append((clause[0], _taken(date)))
    return told


def _taken(date: str) -> Term:
    return Term(date, words_of(date), "on")


def month_of(clauses: list[Clause]) -> int:
    """The number of the month that these clauses name, in a language of the album; 0 where they name none."""
    if len(clauses) != 1 or len(clauses[0]) != 1 or clauses[0][0].field or clauses[0][0].is_excluded:
        return 0
    return _months().get(fold(clauses[0][0].source), 0)


@cache
def _months() -> dict[str, int]:
    names: dict[str, int] = {}
    for language, _name in settings.LANGUAGES:
        with override(language):
            names |= {fold(str(name)): number for number, name in MONTHS.items()}
    return names


def _is_filler(clause: Clause) -> bool:
    return len(clause) == 1 and '"' not in clause[0].source and _SAY_NOTHING.issuperset(clause[0].words)


def value_of(token: re.Match[str]) -> str:
    """What a ``TOKEN`` names, without its quotes."""
    return (token["quoted"] or "").replace('""', '"') or token["bare"] or ""


def _term(token: re.Match[str]) -> Term | Problem | None:
    name, is_quoted = (token["name"] or "").lower(), token["quoted"] is not None
    value = value_of(token)
    words = words_of(value)
    if name and name not in FIELDS:
        if is_quoted or not value.startswith("//"):  # an address is text like any other
            return Problem("name", name, value)
        name, words = "", words_of(f"{name}:{value}")
    if not words:
        return None
    term = Term(value.strip(), words, name, token["minus"] == "-", source=token[0])
    if not name:
        return term
    value = _OTHER_SPELLINGS.get(value.strip().lower(), value.strip())
    goes_on = name in ("camera", "place") and not is_quoted and len(words[-1]) > SHORT_WORD
    return (
        replace(term, value=value, is_prefix=goes_on)
        if _makes_sense(name, value)
        else Problem("value", name, value)
    )


def _makes_sense(name: str, value: str) -> bool:
    match name:
        case "before" | "after" | "on":
            return (date_of(value) or (9999,))[0] < 9999
        case "year":
            return years_of(value) is not None
        case "rating":
            return rating_of(value) is not None
        case "kind":
            return value.lower() in KINDS
        case "is":
            return value.lower() in STATES
    return True


def _with_open_end(clauses: tuple[Clause, ...]) -> tuple[Clause, ...]:
    """The last word of all may go on, unless it was quoted, excluded or is short."""
    last = clauses[-1][-1] if clauses else None
    if last is None or last.field or last.is_excluded or '"' in last.source:
        return clauses
    if len(last.words[-1]) <= SHORT_WORD:
        return clauses
    return (*clauses[:-1], (*clauses[-1][:-1], replace(last, is_prefix=True)))


def date_of(text: str) -> tuple[int, int, int] | None:
    """Year, month and day at which ``2020``, ``2020-05`` or ``2020-05-17`` begins; None where it is no date."""
    from datetime import date

    match = _DATE.fullmatch(text)
    if match is None:
        return None
    year, month, day = (int(part or 1) for part in match.groups())
    try:
        date(year, month, day)
    except ValueError:
        return None
    return year, month, day


def years_of(text: str) -> tuple[int, int] | None:
    """The first and the last year of ``2020`` or ``2018-2020``; None where it is neither."""
    match = _YEARS.fullmatch(text)
    if match is None:
        return None
    first, last = int(match[1]), int(match[2] or match[1])
    return (first, last) if 1 <= first <= last < 9999 else None


def rating_of(text: str) -> tuple[str, int] | None:
    """How to compare and with how many stars: ``>=4``, ``3``; None where it is no rating."""
    match = _RATING.fullmatch(text.replace(" ", ""))
    return (match[1] or "=", int(match[2])) if match else None


def fold(text: str) -> str:
    """``text`` in lower case, without accents: what both databases compare."""
    if text.isascii():
        return text.lower()
    return _MARKS.sub("", unicodedata.normalize("NFKD", text)).lower()


def words_of(text: str) -> tuple[str, ...]:
    """The words of ``text``, folded; what is no letter or digit stands between them."""
    return tuple(_WORD.findall(fold(text)))


def singular(word: str) -> str:
    """``word`` without the ending of an English plural: circles, boxes, cities become circle, box, city."""
    if len(word) <= 3 or word.endswith(("ss", "us", "is")):
        return word
    if word.endswith("ies"):
        return word[:-3] + "y"
    if word.endswith(("ches", "shes", "sses", "xes", "zzes")):
        return word[:-2]
    return word.removesuffix("s")


def forms(word: str) -> tuple[str, ...]:
    """``word`` and what it is in the English singular and plural, as far as that is regular."""
    one = singular(word)
    if not one.isascii() or not one.isalpha():
        return tuple(dict.fromkeys((word, one)))
    if re.search("[^aeiou]y$", one):
        many = one[:-1] + "ies"
    else:
        many = one + ("es" if one.endswith(("s", "x", "z", "ch", "sh")) else "s")
    return tuple(dict.fromkeys((word, one, many)))
