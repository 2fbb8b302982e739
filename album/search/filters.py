"""Terms as database conditions, and the search itself."""

from __future__ import annotations

import re

from django.db.models import Q, QuerySet

from album.models import ItemTag, MediaItem, Tag
from album.queries import Viewer, visible_to
from album.search.parse import Kind, Term, parse, singular

TEXT_COLUMNS = ("title", "description", "ai_description", "original_name")
SHORT_WORD = 3
"""Up to this length a word is compared whole: "cat" is no category, while "butter" may find a butterfly."""


def search_media(user: Viewer, text: str) -> QuerySet[MediaItem]:
    """The items that ``user`` may see and for which every term of ``text`` holds, in no particular order.

    Blank text leaves nothing out; text without a letter or digit finds nothing, as it does everywhere else.
    """
    terms, visible = parse(text), visible_to(user)
    return visible.filter(to_q(terms)) if terms or not text.strip() else visible.none()


def to_q(terms: tuple[Term, ...]) -> Q:
    """The condition that all ``terms`` hold; without terms it is always true."""
    condition = Q()
    for term in terms:
        matches = _tag_named(term.words) if term.kind is Kind.TAG else _words_somewhere(term.words)
        condition &= ~matches if term.is_excluded else matches
    return condition


def _tag_named(words: tuple[str, ...]) -> Q:
    names = {" ".join(words), " ".join((*words[:-1], singular(words[-1])))}
    return _with_tags(Tag.objects.filter(name__in=names))


def _words_somewhere(words: tuple[str, ...]) -> Q:
    pattern = words_pattern(words)
    condition = _with_tags(Tag.objects.filter(name__iregex=pattern))
    for column in TEXT_COLUMNS:
        condition |= Q(**{f"{column}__iregex": pattern})
    return condition


def _with_tags(tags: QuerySet[Tag]) -> Q:
    # By subquery: a join would repeat an item for each of its tags, and an exclusion would test each apart.
    return Q(pk__in=ItemTag.objects.filter(tag__in=tags.order_by().values("pk")).values("item"))


def words_pattern(words: tuple[str, ...]) -> str:
    """A regular expression, as SQLite (Python's) and PostgreSQL both read it, for ``words`` in that order.

    It ignores a plural ending on either side and lets the last word go on if it is long enough. Words begin
    after anything that is no letter or digit; scripts that write without spaces may begin anywhere.
    """
    stems = [_stem(word) for word in words]
    start = r"(^|\W|_)" if words[0].isascii() else ""
    gap = r"(\W|_)+"
    end = r"($|\W|_)" if len(words[-1]) <= SHORT_WORD and words[-1].isascii() else ""
    return start + gap.join(stems) + end


def _stem(word: str) -> str:
    stem = singular(word)
    if re.search("[^aeiou]y$", stem):
        return re.escape(stem[:-1]) + "(y|ies?)"
    return re.escape(stem) + "(e?s)?"
