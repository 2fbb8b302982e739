"""What a person may mean who has typed so far: tags, people, places, cameras and albums, with how often."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any

from django.db.models import Count, QuerySet
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy

from album.models import ItemPerson, ItemTag, MediaItem
from album.queries import Viewer, visible_albums
from album.queries.access import among, visible_one_by_one
from album.search.fulltext import latest
from album.search.parse import MAX_CHARACTERS, TOKEN, Term, value_of, words_of

MOST_OF_A_KIND = 4
LOOKED_AT = 1000
"""Items in which names are counted: the latest that hold what was typed."""
LEAST_CHARACTERS = 2


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A name that fits what is typed, and what the search text would be with it."""

    field: str
    kind: str | Promise
    label: str
    text: str
    count: int | None = None


def _tags(ids: QuerySet[MediaItem]) -> Counter[str]:
    shown = ItemTag.objects.filter(item__in=ids).exclude(source=ItemTag.Source.REMOVED)
    # Counted by the database: a thousand items have some four thousand tags. More than one source may name one.
    return Counter(dict(shown.values_list("tag__name").annotate(count=Count("item_id", distinct=True))))


def _people(ids: QuerySet[MediaItem]) -> Iterable[str]:
    named = ItemPerson.objects.filter(item__in=ids).exclude(source=ItemPerson.Source.REMOVED)
    return named.values_list("person__name", flat=True)


def _places(ids: QuerySet[MediaItem]) -> Iterable[str]:
    return chain.from_iterable(dict.fromkeys(row) for row in ids.values_list("city", "region", "country"))


def _cameras(ids: QuerySet[MediaItem]) -> Iterable[str]:
    return ids.values_list("camera", flat=True)


_KINDS: dict[str, tuple[str, Promise, Callable[[Any], Iterable[str]]]] = {
    "person": ("people", gettext_lazy("Person"), _people),
    "tag": ("tags", gettext_lazy("Tag"), _tags),
    "place": ("place", gettext_lazy("Place"), _places),
    "camera": ("camera", gettext_lazy("Camera"), _cameras),
}


def suggest(user: Viewer, text: str) -> list[Suggestion]:
    """Names that complete the last word of ``text``, from what ``user`` may see; after ``tag:`` only tags."""
    text = text[:MAX_CHARACTERS]
    *_before, last = (None, *TOKEN.finditer(text))
    if last is None or last.end() < len(text) or 0 <= last.end("quoted") < len(text):  # a blank or a quote ended it
        return []
    typed = value_of(last)
    words = words_of(typed)
    if len("".join(words)) < LEAST_CHARACTERS:
        return []
    before, wanted = text[: last.start()] + (last["minus"] or ""), (last["name"] or "").lower()
    term, visible = Term(typed, words, is_prefix=True), visible_one_by_one(user).order_by()
    found = []
    for name, (column, kind, names_in) in _KINDS.items():
        if wanted in ("", name) and (ids := latest([(term,)], LOOKED_AT, (column,))):
            counts = Counter(names_in(visible.filter(among(ids)))).most_common()
            fitting = (one for one in counts if _fits(words, one[0]))
            for label, count in islice(fitting, MOST_OF_A_KIND):
                found.append(Suggestion(name, kind, label, f"{before}{name}:{_quoted(label)} ", count))
    if wanted in ("", "album"):
        for title in (
            visible_albums(user).filter(title__icontains=typed).values_list("title", flat=True)[:MOST_OF_A_KIND]
        ):
            found.append(Suggestion("album", gettext_lazy("Album"), title, f"{before}album:{_quoted(title)} "))
    return found


def _fits(words: tuple[str, ...], label: str) -> bool:
    """True if ``label`` holds ``words`` one after the other, of the last at least the beginning."""
    return f" {' '.join(words)}" in f" {' '.join(words_of(label))}"


def _quoted(label: str) -> str:
    return label if re.fullmatch(r'[^\s"]+', label) else '"' + label.replace('"', '""') + '"'
