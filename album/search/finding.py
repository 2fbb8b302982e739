"""A piece of what a search finds, the same for pages and programs."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from django.utils.translation import gettext as _

from album.queries import BadPosition, Cursor, GridRow, Viewer, cut
from album.queries.pages import rows_of
from album.search.filters import found_by
from album.search.parse import MAX_CHARACTERS, Query, parse
from album.search.ranking import MOST, Ranking, newest, rank, rank_similar
from album.search.reasons import explain

PLACE = re.compile(r"([0-9]{1,6})((?:-[0-9a-f]{1,15})*)")
TOLD = 20
"""Ids of the last items of a piece that stand in the place after it."""
BEST, NEWEST = "best", "newest"


@dataclass(frozen=True, slots=True)
class Found:
    """A piece of what a search finds. ``count`` is None where only the piece itself is known."""

    rows: list[GridRow]
    after: str | None
    notes: dict[int, str] = field(default_factory=dict)
    count: int | None = None
    is_capped: bool = False
    problem: str = ""


def clean_search(text: str) -> str:
    """``text`` as ``parse`` wants it."""
    return " ".join(text.replace("\x00", "").split())[:MAX_CHARACTERS]


def order_of(text: str, wanted: str) -> str:
    """How a search for ``text`` is sorted: without words nothing is better than anything else."""
    return NEWEST if wanted == NEWEST or not parse(text).free else BEST


def find(query: Query, user: Viewer, *, sort: str, before: str, limit: int) -> Found:
    """At most ``limit`` items that ``query`` finds from the place ``before`` on.

    Raises:
        BadPosition: ``before`` is not a place that an earlier piece told.
    """
    if sort == NEWEST:
        return _find_newest(query, user, before, limit)
    ranking = rank(query, user)
    rows, after = _piece(ranking, user, before, limit)
    notes = explain([row.pk for row in rows], query, ranking.similarities)
    return Found(rows, after, notes, len(ranking.ids), ranking.is_capped, ranking.problem)


def count_found(found: Found, query: Query, user: Viewer) -> Found:
    """``found``, the first piece, with the number of all that the query finds, up to ``MOST``."""
    if found.count is not None:
        return found
    count = len(found.rows) if not found.after else found_by(query, user).order_by()[: MOST + 1].count()
    return replace(found, count=min(count, MOST), is_capped=count > MOST)


def find_similar(item_id: int, user: Viewer, *, before: str, limit: int) -> Found:
    """At most ``limit`` items that look like this one, the most alike first.

    Raises:
        BadPosition: ``before`` is not a place that an earlier piece told.
        MediaItem.DoesNotExist: ``user`` may not see the item.
    """
    ranking = rank_similar(item_id, user)
    rows, after = _piece(ranking, user, before, limit)
    words = _("%(percent)d %% alike")
    told = {row.pk: words % {"percent": round(100 * ranking.similarities[row.pk])} for row in rows}
    return Found(rows, after, told, len(ranking.ids), ranking.is_capped, ranking.problem)


def _find_newest(query: Query, user: Viewer, before: str, limit: int) -> Found:
    ids = newest(query, user, limit + 1, Cursor.read(before) if before else None) if query.clauses else []
    rows, after = cut(rows_of(ids, user), limit)
    return Found(rows, str(after) if after else None, explain([row.pk for row in rows], query, {}))


def _piece(ranking: Ranking, user: Viewer, before: str, limit: int) -> tuple[list[GridRow], str | None]:
    """The rows from the place ``before`` on, and the place after them: how many were shown, the last of them."""
    start = _start(ranking.ids, before)
    ids = ranking.ids[start : start + limit]
    # The ranking holds only what the viewer may see.
    rows = rows_of(ids, user)
    if len(ranking.ids) <= start + limit:
        return rows, None
    return rows, "-".join([str(start + limit), *(f"{pk:x}" for pk in ids[-TOLD:])])


def _start(ids: list[int], before: str) -> int:
    """Where ``ids`` go on: behind the last one shown that is still found, for others may be in the trash now.

    Where none of them is, from the beginning: what comes once more is better than what never does.
    """
    match = PLACE.fullmatch(before or "0")
    if match is None:
        raise BadPosition(_("This place in the list is not known. Open the list again from its beginning."))
    shown = [int(pk, 16) for pk in match[2].split("-")[1:]]
    places = {pk: place for place, pk in enumerate(ids, start=1)}
    still_found = (places[pk] for pk in reversed(shown) if pk in places)
    return next(still_found, 0 if shown else int(match[1]))
