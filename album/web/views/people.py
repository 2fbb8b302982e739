"""People by name: whom a user knows, and the pictures they are in."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from album import queries
from album.models import MediaItem, Person
from album.queries.people import items_with, people_of, with_faces
from album.queries.places import countries
from album.services import people as service
from album.services.editing import EditRefused
from album.web.album_grid import answer_grid, months_answer, page_grid
from album.web.requests import MemberRequest

PAGE_SIZE = 60
CHOICES_MAX = 500


@require_safe
@login_required
def people(request: MemberRequest) -> HttpResponse:
    """Everybody whom the user knows by name, those in most pictures first; with ``?q=`` whose names match."""
    text = request.GET.get("q", "").replace("\x00", "").strip()[:120]
    known = people_of(request.user)
    if text:
        known = known.filter(name__icontains=text)
    page = Paginator(with_faces(known), PAGE_SIZE).get_page(request.GET.get("page"))
    shown = [(person, getattr(person, "face_id", None)) for person in page]
    faces = MediaItem.objects.in_bulk([face_id for _person, face_id in shown if face_id])
    cards = [(person, faces.get(face_id)) for person, face_id in shown]
    return render(request, "album/people.html", {"page": page, "cards": cards, "query": text})


@require_safe
@login_required
def person(request: MemberRequest, pk: int) -> HttpResponse:
    """One person and the items with them."""
    here = _known(request, pk)
    items = items_with(here, request.user)
    try:
        grid = page_grid(request, "album:person", pk, items)
    except queries.BadPosition as error:
        messages.error(request, str(error))
        return redirect("album:person", pk)
    others = people_of(request.user).filter(owner=here.owner_id).exclude(pk=pk).order_by("name")[:CHOICES_MAX]
    context = {"person": here, "grid": grid, "others": others, "countries": countries(items)[:5]}
    return render(request, "album/person.html", context)


@require_safe
@login_required
def person_items(request: MemberRequest, pk: int) -> HttpResponse:
    """Rows for the grid of a person: ``?before=`` a place, ``?month=2026-11``, ``?limit=``."""
    return answer_grid(request, items_with(_known(request, pk), request.user))


@require_safe
@login_required
def person_months(request: MemberRequest, pk: int) -> HttpResponse:
    """The months in which there are items with a person."""
    return months_answer(items_with(_known(request, pk), request.user))


@require_POST
@login_required
def rename(request: MemberRequest, pk: int) -> HttpResponseRedirect:
    """Gives another name; the name of somebody else joins the two."""
    here = _known(request, pk)
    try:
        here = service.rename_person(person=here, name=request.POST.get("name", ""))
    except EditRefused as error:
        messages.error(request, str(error))
    return redirect("album:person", here.pk)


@require_POST
@login_required
def merge(request: MemberRequest, pk: int) -> HttpResponseRedirect:
    """Joins a person with another one, whose name stays."""
    here = _known(request, pk)
    other = people_of(request.user).filter(pk=_number(request.POST.get("into", ""))).first()
    try:
        if other is None:
            raise EditRefused(_("Choose another person of the same library."))
        service.merge_people(person=here, into=other)
    except EditRefused as error:
        messages.error(request, str(error))
        return redirect("album:person", pk)
    return redirect("album:person", other.pk)


@require_POST
@login_required
def choose_face(request: MemberRequest, pk: int) -> HttpResponseRedirect:
    """Shows the picture ``item`` for a person."""
    here = _known(request, pk)
    item = queries.visible_to(request.user).filter(pk=_number(request.POST.get("item", ""))).first()
    if item is None:
        raise Http404
    try:
        service.choose_face(person=here, item=item)
    except EditRefused as error:
        messages.error(request, str(error))
    return redirect("album:person", pk)


@require_POST
@login_required
def forget(request: MemberRequest, pk: int) -> HttpResponseRedirect:
    """Takes a name away from all pictures."""
    here = _known(request, pk)
    service.forget_person(person=here)
    messages.success(request, _("The name “%s” is gone. The pictures are still there.") % here.name)
    return redirect("album:people")


def _known(request: MemberRequest, pk: int) -> Person:
    return get_object_or_404(people_of(request.user), pk=pk)


def _number(text: str) -> int:
    """The id that ``text`` is, 0 where it is none."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= 15 else 0
