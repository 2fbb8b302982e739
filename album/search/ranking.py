"""What a search finds, in the order in which it is worth looking at."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from django.db.models import QuerySet

from album.models import MediaItem
from album.queries import Viewer, visible_to
from album.search import semantic
from album.search.filters import passing
from album.search.fulltext import NAMING, among, is_unspaced, latest, matching
from album.search.parse import Query

MOST = 2000
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
    items = passing(query.filters, user)
    worded = _by_words(query, items)
    looks = semantic.Lookalikes()
    if describes_looks(query):
        looks = semantic.like_text(query.sentence, most=MOST)
    alike = _visible_alike(items, looks)
    if looks.more and len(alike) < FEW:
        looks = semantic.like_text(query.sentence, most=MOST_OF_ALL)
        alike = _visible_alike(items, looks)
    named = set(latest(query.free, MOST, NAMING)) if worded and alike else set()
    lists = [worded, [pk for pk in worded if pk in named], alike[:MOST]]
    similarities = {pk: looks.similarities[pk] for pk in alike}
    return Ranking(fuse(lists), similarities, len(worded) >= MOST or looks.more, looks.problem)


def rank_similar(item_id: int, user: Viewer) -> Ranking:
    """What looks like this picture, of all that ``user`` may see."""
    looks = semantic.like_picture(item_id, most=MOST)
    alike = _visible_alike(visible_to(user), looks)
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


def _by_words(query: Query, items: QuerySet[MediaItem]) -> list[int]:
    """Ids whose words match, newest first: all, or the newest ``MOST``, or of very many those that came in last."""
    is_plain = not any(is_unspaced(term) for clause in query.free for term in clause)
    found = latest(query.free, MOST) if is_plain else []
    newest = items.order_by("-timeline_at", "-pk").values_list("pk", flat=True)
    if is_plain and (len(found) < MOST or not query.filters):
        ids = list(newest.filter(among(found))) if found else []
        if len(found) < MOST or len(ids) >= FEW:
            return ids
    # Most of what came in last is not for this viewer: the whole list is looked through.
    return list(newest.filter(matching(query.free))[:MOST])


def _visible_alike(items: QuerySet[MediaItem], looks: semantic.Lookalikes) -> list[int]:
    if not looks.similarities:
        return []
    visible = set(items.filter(among(looks.similarities)).order_by().values_list("pk", flat=True))
    return [pk for pk in looks.similarities if pk in visible]
