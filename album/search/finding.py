"""A piece of what a search finds, the same for pages and programs."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from django.utils.translation import gettext as _

from album.queries import BadPosition, Cursor, GridRow, Viewer, cut
from album.queries.pages import rows_of
from album.search.filters import found_by
from album.search.parse import MAX_CHARACTERS, Query, parse
from album.search.ranking import MOST, Ranking, newest, rank, rank_similar
from album.search.reasons import explain

OFFSET_DIGITS = 6
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
    offset = _offset(before)
    ranking = rank(query, user)
    rows, after = _piece(ranking, user, offset, limit)
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
    offset = _offset(before)
    ranking = rank_similar(item_id, user)
    rows, after = _piece(ranking, user, offset, limit)
    words = _("%(percent)d %% alike")
    told = {row.pk: words % {"percent": round(100 * ranking.similarities[row.pk])} for row in rows}
    return Found(rows, after, told, len(ranking.ids), ranking.is_capped, ranking.problem)


def _find_newest(query: Query, user: Viewer, before: str, limit: int) -> Found:
    ids = newest(query, user, limit + 1, Cursor.read(before) if before else None) if query.clauses else []
    rows, after = cut(rows_of(ids, user), limit)
    return Found(rows, str(after) if after else None, explain([row.pk for row in rows], query, {}))


def _piece(ranking: Ranking, user: Viewer, offset: int, limit: int) -> tuple[list[GridRow], str | None]:
    ids = ranking.ids[offset : offset + limit]
    # The ranking holds only what the viewer may see.
    rows = rows_of(ids, user)
    after = str(offset + limit) if len(ranking.ids) > offset + limit else None
    return rows, after


def _offset(before: str) -> int:
    before = before or "0"
    if not before.isascii() or not before.isdecimal() or len(before) > OFFSET_DIGITS:
        raise BadPosition(_("This place in the list is not known. Open the list again from its beginning."))
    return int(before)
