"""Terms as database conditions, and which items they leave."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from django.db.models import Exists, OuterRef, Q, QuerySet

from album.models import Favourite, ItemTag, MediaItem
from album.models.media import Kind
from album.queries import Viewer, in_albums, visible_albums, visible_to
from album.search.fulltext import FIELD_COLUMNS, Span, matching
from album.search.parse import Clause, Query, Term, date_of, parse, rating_of, singular, years_of

_COMPARE = {"=": "", ">": "__gt", ">=": "__gte", "<": "__lt", "<=": "__lte"}


def search_media(user: Viewer, text: str) -> QuerySet[MediaItem]:
    """The items that ``user`` may see and for which ``text`` holds, in no particular order.

    Blank text leaves nothing out; text without a letter or digit finds nothing.
    """
    return found_by(parse(text), user) if text.strip() else visible_to(user)


def found_by(query: Query, user: Viewer) -> QuerySet[MediaItem]:
    """The items that ``user`` may see and for which every clause of ``query`` holds; nothing without a clause."""
    visible = visible_to(user)
    return passing(visible, query.clauses, user) if query.clauses else visible.none()


def passing(
    items: QuerySet[MediaItem], clauses: Iterable[Clause], user: Viewer, within: Span | None = None
) -> QuerySet[MediaItem]:
    """Those of ``items`` for which all ``clauses`` hold, as ``user`` means them. ``within``: see ``matching``."""
    clauses = list(clauses)
    worded = [clause for clause in clauses if all(term.field in FIELD_COLUMNS for term in clause)]
    if worded:
        items = items.filter(matching(worded, within))
    for clause in clauses:
        if clause not in worded:
            either = Q()
            for term in clause:
                condition = _condition(term, user)
                either |= ~condition if term.is_excluded else condition
            items = items.filter(either)
    return items


def earliest(clauses: Iterable[Clause]) -> datetime | None:
    """The moment before which no item passes ``clauses``, as far as one of them says so."""
    moments = [_time_of(clause[0])[0] for clause in clauses if len(clause) == 1 and not clause[0].is_excluded]
    return max(filter(None, moments), default=None)


def _time_of(term: Term) -> tuple[datetime | None, datetime | None]:
    """From which moment on, and up to which, a term about dates lets items pass."""
    if term.field == "year" and (years := years_of(term.value)):
        return datetime(years[0], 1, 1, tzinfo=UTC), datetime(years[1] + 1, 1, 1, tzinfo=UTC)
    if term.field == "on" and (date := date_of(term.value)):
        first = datetime(*date, tzinfo=UTC)
        match term.value.count("-"):
            case 0:
                return first, first.replace(year=first.year + 1)
            case 1:
                return first, (first + timedelta(days=31)).replace(day=1)
        return first, first + timedelta(days=1)
    if term.field in ("before", "after") and (date := date_of(term.value)):
        moment = datetime(*date, tzinfo=UTC)
        return (None, moment) if term.field == "before" else (moment, None)
    return None, None


def _condition(term: Term, user: Viewer) -> Q:
    if term.field in FIELD_COLUMNS:
        return matching([(replace(term, is_excluded=False),)])
    make = _CONDITIONS.get(term.field)
    return make(term, user) if make else _measured(term)


def _owned_by(term: Term, user: Viewer) -> Q:
    name = user.get_username() if term.value.lower() == "me" else term.value
    return Q(owner__username__iexact=name)


def _measured(term: Term) -> Q:
    """The condition of a term about dates or stars, which ``parse`` has checked."""
    if term.field == "rating" and (rating := rating_of(term.value)):
        return Q(**{f"rating{_COMPARE[rating[0]]}": rating[1]})
    first, end = _time_of(term)
    if first and end:
        return Q(timeline_at__gte=first, timeline_at__lt=end)
    if first:
        return Q(timeline_at__gte=first)
    if end:
        return Q(timeline_at__lt=end)
    raise ValueError(f"no condition for {term}")


def _tagged(term: Term, user: Viewer) -> Q:
    *first, last = term.value.lower().split() or [""]
    names = {" ".join((*first, last)), " ".join((*first, singular(last)))}
    named = ItemTag.objects.filter(tag__name__in=names)
    removed = ItemTag.objects.filter(item=OuterRef("item"), tag=OuterRef("tag"), source=ItemTag.Source.REMOVED)
    # By subquery: a join would repeat an item for each of its tags, and an exclusion would test each apart.
    return Q(pk__in=named.filter(~Exists(removed)).values("item"))


def _state(term: Term, user: Viewer) -> Q:
    state = term.value.lower()
    if state in Kind:
        return Q(kind=state)
    if state == "favourite":
        return Q(pk__in=Favourite.objects.filter(user=user.pk).values("item"))
    if state == "archived":
        return Q(archived_at__isnull=False)
    return Q(processing_status=state)


_CONDITIONS: dict[str, Callable[[Term, Viewer], Q]] = {
    "tag": _tagged,
    "album": lambda term, user: in_albums(visible_albums(user).filter(title__icontains=term.value)),
    "owner": _owned_by,
    "kind": _state,
    "is": _state,
}
