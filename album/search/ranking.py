"""What a search finds, in the order in which it is worth looking at."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from django.db.models import QuerySet

from album.models import MediaItem
from album.queries import Viewer, visible_to
from album.search import semantic
from album.search.filters import passing
from album.search.fulltext import NAMING, among, is_indexed, latest
from album.search.parse import Query

MOST = 1000
"""Items that are put in order. Who wants to see more sorts by date, or says more of what is looked for."""
FEW = 200
"""With fewer than this many left for the viewer, what lies beyond the first ``MOST`` is asked for as well."""
MOST_OF_ALL = 200_000
_RANK_OFFSET = 60
"""Source: Cormack, Clarke, Büttcher 2009, Reciprocal Rank Fusion: k = 60."""


@dataclass(frozen=True, slots=True)
class Ranking:
    """Ids of items that the viewer may see, the best first.

    ``similarities`` says of those that look like it how much; ``is_capped`` that there are more; ``problem`` why
    nothing was compared by looks, in a word (see ``semantic.Lookalikes``).
    """

    ids: list[int]
    similarities: dict[int, float] = field(default_factory=dict)
    is_capped: bool = False
    problem: str = ""


def rank(query: Query, user: Viewer) -> Ranking:
    """What ``user`` may see and ``query`` finds by words, by looks, or both, which comes first.

    Lists are fused by reciprocal ranks: items whose words match, those among them that are named so by title, tag,
    person or place (both newest first), and those that look like it (the most alike first).
    """
    visible = visible_to(user)
    worded = _by_words(query, user, visible)
    looks = semantic.Lookalikes()
    if describes_looks(query):
        looks = semantic.like_text(query.sentence, most=MOST)
    alike = _visible_alike(query, user, visible, looks)
    if looks.more and len(alike) < FEW:
        looks = semantic.like_text(query.sentence, most=MOST_OF_ALL)
        alike = _visible_alike(query, user, visible, looks)
    plain = [clause for clause in query.free if is_indexed(clause)]
    named = set(latest(plain, MOST, NAMING)) if worded and alike and plain else set()
    lists = [worded, [pk for pk in worded if pk in named], alike[:MOST]]
    similarities = {pk: looks.similarities[pk] for pk in alike}
    return Ranking(fuse(lists), similarities, len(worded) >= MOST or looks.more, looks.problem)


def rank_similar(item_id: int, user: Viewer) -> Ranking:
    """What looks like this picture, of all that ``user`` may see."""
    looks = semantic.like_picture(item_id, most=MOST)
    alike = _visible_alike(Query(), user, visible_to(user), looks)
    return Ranking(alike, looks.similarities, looks.more, looks.problem)


def fuse(lists: Iterable[list[int]]) -> list[int]:
    """All that stands in ``lists``, by the sum of its reciprocal ranks; of equals, what is named first."""
    scores: dict[int, float] = {}
    for ranked in lists:
        for place, pk in enumerate(ranked, start=_RANK_OFFSET + 1):
            scores[pk] = scores.get(pk, 0.0) + 1 / place
    return sorted(scores, key=scores.__getitem__, reverse=True)


def describes_looks(query: Query) -> bool:
    """True if the words may describe a picture: who quotes wants these words; a number or IMG_1234 is a name."""
    terms = [term for clause in query.free for term in clause]
    if any('"' in term.source for term in terms):
        return False
    return any(word.isalpha() for term in terms for word in term.words)


def _by_words(query: Query, user: Viewer, visible: QuerySet[MediaItem]) -> list[int]:
    """Ids of what the query finds, newest first: all, or ``MOST``, or of many those that came in last."""
    indexed = [clause for clause in query.clauses if is_indexed(clause)]
    others = [clause for clause in query.clauses if clause not in indexed]
    if any(clause in query.free for clause in indexed):
        found = latest(indexed, MOST)
        if len(found) < MOST or not others:
            items = passing(visible, others, user).filter(among(found))
            ids = list(items.order_by("-timeline_at", "-pk").values_list("pk", flat=True)) if found else []
            if len(found) < MOST or len(ids) >= FEW:
                return ids
    # Most of what came in last is not for this viewer: the whole list is looked through.
    newest = passing(visible, query.clauses, user).order_by("-timeline_at", "-pk")
    return list(newest.values_list("pk", flat=True)[:MOST])


def _visible_alike(
    query: Query, user: Viewer, visible: QuerySet[MediaItem], looks: semantic.Lookalikes
) -> list[int]:
    if not looks.similarities:
        return []
    items = passing(visible.filter(among(looks.similarities)), query.filters, user)
    found = set(items.order_by().values_list("pk", flat=True))
    return [pk for pk in looks.similarities if pk in found]
