"""Search, what completes a search while it is typed, and what looks like a picture."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe

from album import queries
from album.exceptions import AlbumError
from album.models import MediaItem
from album.search.finding import BEST, NEWEST, Found, clean_search, count_found, find, find_similar, order_of
from album.search.parse import FIELDS, KINDS, STATES, Problem, Query, parse
from album.search.suggest import suggest
from album.web.album_grid import FIRST_ROWS
from album.web.requests import MemberRequest
from album.web.rows import Grid, grid_answer, grid_row, read_limit

DATE_HINT = gettext_lazy("Write a date like 2020, 2020-05 or 2020-05-17.")
VALUE_HINTS: dict[str, str | Promise] = {
    **dict.fromkeys(("before", "after", "on"), DATE_HINT),
    "year": gettext_lazy("Write a year like 2020, or 2018-2020."),
    "rating": gettext_lazy("Write stars like 4, >=4 or <3."),
    "kind": ", ".join(KINDS),
    "is": ", ".join(STATES),
}
LOOKS_PROBLEMS = {
    "starting": gettext_lazy("Only words were compared: looking at the pictures themselves is being prepared."),
    "weights": gettext_lazy("Only words were compared: the weights that look at pictures are not installed."),
}
EXAMPLES = (
    ("beach sunset", gettext_lazy("both words, anywhere, or pictures that look like it")),
    ('"red car"', gettext_lazy("exactly these words, one after the other")),
    ("dog OR cat", gettext_lazy("one of them")),
    ("beach -people", gettext_lazy("without a word")),
    ('tag:"hot air balloon"', gettext_lazy("a tag; in the same way person:, place:, camera: and album:")),
    ("October 2008", gettext_lazy("taken then; in the same way 2008, 2008-10 and 2008-10-17")),
    ("after:2020-06 before:2020-09", gettext_lazy("from a date on, and before a date; also year:2019")),
    ("is:favourite is:video rating:>=4", gettext_lazy("favorites, videos, stars; also is:photo and is:archived")),
)


@require_safe
@login_required
def search(request: MemberRequest) -> HttpResponse:
    """The page of ``?q=``, sorted by ``?sort=``, from the place ``?before=`` on."""
    text, sort = _asked(request)
    query = parse(text)
    context: dict[str, Any] = {"text": text, "sort": sort, "examples": EXAMPLES, "has_words": bool(query.free)}
    context |= {"problems": [_words_of(problem) for problem in query.problems], "chips": _chips(query, sort)}
    if not query.clauses:
        return render(request, "album/search.html", context)
    holder = request.grants.holder
    try:
        found = _find(request, query, sort, FIRST_ROWS)
        if "before" not in request.GET:
            found = count_found(found, query, request.user)
    except AlbumError as error:
        return render(request, "album/search.html", context | {"refused": str(error)}, status=400)
    if found.problem in LOOKS_PROBLEMS:
        context["looks_problem"] = LOOKS_PROBLEMS[found.problem]
    choice = urlencode({"q": text, "sort": sort})
    context |= {
        "found": found,
        "sorts": [(name, f"?{urlencode({'q': text, 'sort': name})}") for name in (BEST, NEWEST)],
    }
    context["grid"] = Grid(
        source=f"{reverse('album:search_items')}?{choice}",
        rows=_told(found, holder),
        after=found.after,
        has_days=sort == NEWEST,
    )
    return render(request, "album/search.html", context)


@require_safe
@login_required
def search_items(request: MemberRequest) -> HttpResponse:
    """A piece of what ``?q=`` finds as JSON, from the place ``?before=`` on."""
    text, sort = _asked(request)
    holder = request.grants.holder
    try:
        found = _find(request, parse(text), sort, read_limit(request.GET.get("limit")))
    except AlbumError as error:
        return JsonResponse({"error": str(error)}, status=400)
    return grid_answer(_told(found, holder), found.after)


@require_safe
@login_required
def suggestions(request: MemberRequest) -> HttpResponse:
    """What completes ``?q=``: ``{"suggestions": [{"kind", "label", "text", "count"}, …]}``."""
    found = suggest(request.user, request.GET.get("q", "").replace("\x00", ""))
    told = [{"kind": str(one.kind), "label": one.label, "text": one.text, "count": one.count} for one in found]
    return JsonResponse({"suggestions": told}, headers={"Cache-Control": "private, max-age=60"})


@require_safe
@login_required
def similar(request: MemberRequest, pk: int) -> HttpResponse:
    """The page of what looks like the picture of an item, the most alike first."""
    item = get_object_or_404(queries.visible_to(request.user), pk=pk)
    holder = request.grants.holder
    context: dict[str, Any] = {"item": item}
    try:
        found = _find_similar(request, pk, FIRST_ROWS)
    except AlbumError as error:
        return render(request, "album/similar.html", context | {"refused": str(error)}, status=400)
    context |= {"found": found, "looks_problem": _similar_problem(found.problem)}
    context["grid"] = Grid(
        source=reverse("album:similar_items", args=(pk,)),
        rows=_told(found, holder),
        after=found.after,
        has_days=False,
    )
    return render(request, "album/similar.html", context)


@require_safe
@login_required
def similar_items(request: MemberRequest, pk: int) -> HttpResponse:
    """A piece of what looks like the picture of an item as JSON, from the place ``?before=`` on."""
    holder = request.grants.holder
    try:
        found = _find_similar(request, pk, read_limit(request.GET.get("limit")))
    except AlbumError as error:
        return JsonResponse({"error": str(error)}, status=400)
    return grid_answer(_told(found, holder), found.after)


def _asked(request: MemberRequest) -> tuple[str, str]:
    text = clean_search(request.GET.get("q", ""))
    return text, order_of(text, request.GET.get("sort", ""))


def _find(request: MemberRequest, query: Query, sort: str, limit: int) -> Found:
    """Raises BadPosition."""
    return find(query, request.user, sort=sort, before=request.GET.get("before", ""), limit=limit)


def _find_similar(request: MemberRequest, pk: int, limit: int) -> Found:
    """Raises BadPosition, and Http404: nobody shows this item to whoever asks."""
    try:
        return find_similar(pk, request.user, before=request.GET.get("before", ""), limit=limit)
    except MediaItem.DoesNotExist as error:
        raise Http404 from error


def _told(found: Found, holder: Any) -> list[dict[str, Any]]:
    return [
        grid_row(row, holder) | ({"note": note} if (note := found.notes.get(row.pk)) else {}) for row in found.rows
    ]


def _chips(query: Query, sort: str) -> list[tuple[str, str]]:
    """Each filter as it was typed, with the address of the search without it."""
    terms = [" OR ".join(term.source for term in clause if term.source) for clause in query.clauses]
    chips = []
    for place, (clause, words) in enumerate(zip(query.clauses, terms, strict=True)):
        if clause in query.filters:
            rest = " ".join(terms[:place] + terms[place + 1 :])
            chips.append((words, f"?{urlencode({'q': rest, 'sort': sort})}"))
    return chips


def _words_of(problem: Problem) -> str:
    if problem.kind == "name":
        known = ", ".join(f"{name}:" for name in FIELDS)
        return _("There is no filter “%(name)s:”. There are %(known)s.") % {"name": problem.name, "known": known}
    if problem.kind == "length":
        return _("Only the first %(count)s words were looked for.") % {"count": problem.value}
    return _("“%(name)s:%(value)s” makes no sense, so it was left out. Possible: %(hint)s") % {
        "name": problem.name,
        "value": problem.value,
        "hint": VALUE_HINTS[problem.name],
    }


def _similar_problem(problem: str) -> str:
    match problem:
        case "":
            return ""
        case "starting":
            return _("Comparing pictures is being prepared. Open this page again in a moment.")
        case "none":
            return _(
                "This picture has not been compared with others so far. "
                "The next batch does, if the weights for it are installed."
            )
    return _("Pictures cannot be compared: the weights that look at them are not installed.")
