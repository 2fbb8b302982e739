"""Albums: the list, one of them, its form, its people, its order."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import Case, Prefetch, QuerySet, Value, When
from django.http import HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from album import queries
from album.exceptions import AlbumError
from album.models import Album, Status
from album.services import albums as service
from album.services.albums import Role
from album.web.album_forms import AlbumForm, RuleForm, quoted
from album.web.album_grid import answer_grid, months_answer, page_grid, read_grid
from album.web.requests import MemberRequest

PAGE_SIZE = 60
ARRANGED_MAX = 500
"""So many pictures stand on the page where they are put in order."""


@require_safe
@login_required
def albums(request: MemberRequest) -> HttpResponse:
    """The albums at the top, the own ones first; with ``?q=`` those of any depth whose words match."""
    text = request.GET.get("q", "").replace("\x00", "").strip()[:200]
    found = queries.visible_albums(request.user)
    if text:
        found = found.filter(title__icontains=text) | found.filter(description__icontains=text)
    else:
        # An inner album whose outer one is not shared stands at the top.
        found = found.exclude(parent__in=found.order_by().values("pk"))
    page = Paginator(_in_list(found, request.user), PAGE_SIZE).get_page(request.GET.get("page"))
    cards = queries.album_cards(list(page))
    context = {
        "query": text,
        "page": page,
        "mine": [card for card in cards if card.album.owner_id == request.user.pk],
        "shared": [card for card in cards if card.album.owner_id != request.user.pk],
    }
    return render(request, "album/albums.html", context)


@require_safe
@login_required
def album(request: MemberRequest, pk: int) -> HttpResponse:
    """One album: what lies in it, and what may be done with it."""
    here = _visible(request, pk)
    items = queries.items_of(here, request.user)
    try:
        grid = page_grid(request, "album:album", pk, items, here)
    except AlbumError as error:
        messages.error(request, str(error))
        return redirect("album:album", pk)
    counts = queries.status_counts(items)
    inner = queries.visible_albums(request.user).filter(parent=here)
    above = queries.parents_of(here)
    seen = set(
        queries.visible_albums(request.user).filter(pk__in=[one.pk for one in above]).values_list("pk", flat=True)
    )
    context = {
        "album": here,
        "parents": [parent for parent in above if parent.pk in seen],
        "inner": queries.album_cards(list(_in_list(inner, request.user))),
        "grid": grid,
        "total": sum(counts.values()),
        "counts": [(status, number) for status, number in counts.items() if number and status != Status.COMPLETED],
        "is_owner": here.owner_id == request.user.pk or request.user.is_superuser,
        "may_edit": _is_in(queries.editable_albums(request.user), here),
        "may_fill": _is_in(queries.fillable_albums(request.user), here),
    }
    return render(request, "album/album_detail.html", context)


@require_safe
@login_required
def album_items(request: MemberRequest, pk: int) -> HttpResponse:
    """Rows of an album for its grid: ``?before=`` a place, ``?month=2026-11``, ``?limit=``."""
    here = _visible(request, pk)
    return answer_grid(request, queries.items_of(here, request.user), here)


@require_safe
@login_required
def album_months(request: MemberRequest, pk: int) -> HttpResponse:
    """The months of an album that is ordered newest first."""
    return months_answer(queries.items_of(_visible(request, pk), request.user))


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def album_new(request: MemberRequest) -> HttpResponse:
    """The form of a new album; with ``?automatic=1`` of one that fills itself."""
    is_automatic = request.GET.get("automatic") == "1"
    initial = {"parent": request.GET.get("parent", ""), "order": Album.Order.NEWEST}
    return _edit(request, Album(rule={} if is_automatic else None), initial)


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def album_edit(request: MemberRequest, pk: int) -> HttpResponse:
    return _edit(request, _editable(request, pk))


@require_POST
@login_required
def album_delete(request: MemberRequest, pk: int) -> HttpResponseRedirect:
    here = _visible(request, pk)
    try:
        service.delete_album(user=request.user, album=here)
    except AlbumError as error:
        raise PermissionDenied(str(error)) from error
    messages.success(
        request, _("The album “%(title)s” is deleted. Its photos are still there.") % {"title": here.title}
    )
    return redirect("album:albums")


@require_POST
@login_required
def album_cover(request: MemberRequest, pk: int) -> HttpResponse:
    """Sets the cover to the first of ``ids``; empty: the newest."""
    here, chosen = _editable(request, pk), _ids(request)
    try:
        service.choose_cover(user=request.user, album=here, item_id=chosen[0] if chosen else None)
    except AlbumError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, _("The album has a new cover."))
    return redirect("album:album", pk)


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def album_people(request: MemberRequest, pk: int) -> HttpResponse:
    """With whom an album is shared. Its admins add people and change their roles."""
    here = _visible(request, pk)
    may_edit = _is_in(queries.editable_albums(request.user), here)
    context: dict[str, Any] = {"album": here, "roles": Role, "may_edit": may_edit, "username": "", "error": ""}
    if request.method == "POST":
        if not may_edit:
            raise PermissionDenied
        context["username"] = request.POST.get("username", "").strip()[:150]
        try:
            role = request.POST.get("role", "")
            member = service.set_member(
                user=request.user,
                album=here,
                username=context["username"].replace("\x00", ""),
                role=Role(role) if role in Role else Role.VIEWER,
            )
        except AlbumError as error:
            context["error"] = str(error)
        else:
            messages.success(request, _("%(name)s has access now.") % {"name": member.username})
            return redirect("album:album_people", pk)
    context["members"] = service.members_of(here)
    if may_edit:
        there = [here.owner_id, *(member.pk for member, _role in context["members"])]
        known = queries.companions(request.user).exclude(pk__in=there)
        context["known"] = known.values_list("username", flat=True)[: queries.CHOICES_MOST]
    context["role_words"] = [(Role.VIEWER, _("Viewer")), (Role.EDITOR, _("Editor")), (Role.ADMIN, _("Admin"))]
    return render(request, "album/album_people.html", context, status=422 if context["error"] else 200)


@require_POST
@login_required
def album_leave(request: MemberRequest, pk: int) -> HttpResponseRedirect:
    """Takes ``member``, or the asking person, out of an album."""
    here, name = _visible(request, pk), request.POST.get("member", "").replace("\x00", "")
    member = get_object_or_404(User, username=name) if name else request.user
    if member != request.user:
        _editable(request, pk)
    try:
        service.remove_member(user=request.user, album=here, member=member)
    except AlbumError as error:
        raise PermissionDenied(str(error)) from error
    if member == request.user:
        messages.success(request, _("You left the album “%(title)s”.") % {"title": here.title})
        return redirect("album:albums")
    messages.success(request, _("%(name)s has no access any more.") % {"name": member.username})
    return redirect("album:album_people", pk)


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def album_arrange(request: MemberRequest, pk: int) -> HttpResponse:
    """The pictures of an album, to be put in order by hand: ``ids`` in their new order."""
    here = _editable(request, pk)
    if request.method == "POST":
        try:
            service.arrange_items(user=request.user, album=here, item_ids=_ids(request))
        except AlbumError as error:
            messages.error(request, str(error))
        else:
            messages.success(request, _("The new order is kept."))
        return redirect("album:album", pk)
    rows, more = read_grid(request, queries.items_of(here, request.user), here, ("", ARRANGED_MAX))
    context = {"album": here, "rows": rows, "has_more": more is not None, "most": ARRANGED_MAX}
    return render(request, "album/album_arrange.html", context)


@require_POST
@login_required
def albums_arrange(request: MemberRequest) -> HttpResponse:
    """Puts the own albums in the order of ``ids``."""
    service.arrange_albums(user=request.user, album_ids=_ids(request))
    if request.headers.get("Accept", "").startswith("application/json"):
        return JsonResponse({"message": _("The new order is kept.")})
    messages.success(request, _("The new order is kept."))
    return redirect("album:albums")


def _edit(request: MemberRequest, here: Album, initial: dict[str, Any] | None = None) -> HttpResponse:
    is_new, rule = here.pk is None, here.rule
    posted = request.POST if request.method == "POST" else None
    form = AlbumForm(request.user, posted, instance=here, initial=initial)
    may_change_rule = is_new or here.owner_id == request.user.pk or request.user.is_superuser
    rule_form = RuleForm(posted, initial=rule) if rule is not None and may_change_rule else None
    if posted is not None and form.is_valid() and (rule_form is None or rule_form.is_valid()):
        changed = set(form.changed_data)
        if rule_form is not None and (is_new or rule_form.has_changed()):
            here.rule = rule_form.rule
            changed.add("rule")
        try:
            service.save_album(user=request.user, album=here, changed=changed)
        except AlbumError as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, _("The album is made.") if is_new else _("The album is changed."))
            return redirect("album:album", here.pk)
    title = here.title if is_new else Album.objects.values_list("title", flat=True).get(pk=here.pk)
    is_owner = not is_new and (here.owner_id == request.user.pk or request.user.is_superuser)
    context: dict[str, Any] = {"form": form, "rule_form": rule_form, "album": here, "title": title}
    context |= {"is_new": is_new, "is_automatic": rule is not None, "is_owner": is_owner}
    if rule_form is not None:
        owner = request.user if is_new else here.owner
        choices = queries.rule_choices(owner)
        context["choices"] = choices | {name: map(quoted, choices[name]) for name in ("tags", "people")}
    return render(request, "album/album_form.html", context, status=422 if posted is not None else 200)


def _visible(request: MemberRequest, pk: int) -> Album:
    return get_object_or_404(queries.visible_albums(request.user).select_related("owner"), pk=pk)


def _editable(request: MemberRequest, pk: int) -> Album:
    """404 for strangers, 403 for those who may only look."""
    here = _visible(request, pk)
    if not _is_in(queries.editable_albums(request.user), here):
        raise PermissionDenied
    return here


def _is_in(allowed: QuerySet[Album], album: Album) -> bool:
    return allowed.filter(pk=album.pk).exists()


def _in_list(found: QuerySet[Album], user: User) -> QuerySet[Album]:
    """The own ones first, in the order of their owner."""
    visible_inner = Prefetch("children", queryset=queries.visible_albums(user).only("parent"), to_attr="inner")
    is_mine = Case(When(owner=user, then=Value(0)), default=Value(1))
    return (
        found.annotate(whose=is_mine)
        .select_related("owner")
        .prefetch_related(visible_inner)
        .order_by("whose", "position", "title", "pk")
    )


def _ids(request: MemberRequest) -> list[int]:
    """The numbers in ``ids``, with commas between them; anything else is passed over."""
    words = request.POST.get("ids", "").split(",")[: service.ARRANGED_MAX]
    return [int(word) for word in words if word.isascii() and word.isdecimal() and len(word) <= 15]
