"""The page of an item: what is known of it, what people write about it, what stands beside it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe

from album.media.facts import LEAST_SETTING
from album.models import MediaItem, Stage, Status
from album.models.media import Kind
from album.queries import albums_with, editable_by, neighbours, visible_to, with_details
from album.services.editing import EditRefused, open_again, set_favourite
from album.tasks import prepare_media, process_photo_ai, process_video_ai
from album.tasks.bell import ring_bell
from album.web.item_forms import FORMS, EditForm
from album.web.item_names import people_of, tags_of
from album.web.requests import MemberRequest
from album.web.rows import moves_by_itself

HTTP_UNPROCESSABLE = 422
STAGE_WORDS = {
    Stage.EMBED: gettext_lazy("Recognition and tags"),
    Stage.CAPTION: gettext_lazy("Description"),
}


@require_safe
@login_required
def photo_detail(request: MemberRequest, pk: int) -> HttpResponse:
    """The page of an item, with the way to those beside it in the timeline."""
    return _page(request, _visible(request, pk))


@require_safe
@login_required
def info(request: MemberRequest, pk: int) -> HttpResponse:
    """What the page tells about an item, for the panel of the lightbox."""
    return render(request, "album/_info.html", _told(request, _visible(request, pk)))


@require_POST
@login_required
def edit(request: MemberRequest, pk: int, what: str) -> HttpResponse:
    """The page after people have written ``what``: words, date, place, rating, tag, untag, person or unname."""
    item = _editable(request, pk)
    if what not in FORMS:
        raise Http404
    form = FORMS[what](item, request.POST)
    try:
        if form.is_valid():
            form.store()
            return _answer(request, pk)
    except EditRefused as error:
        form.add_error(None, str(error))
    return _page(request, _visible(request, pk), refused={what: form})


@require_POST
@login_required
def favourite(request: MemberRequest, pk: int) -> HttpResponse:
    """The page after the item was marked as one of the user's favourites, or with ``on=0`` is none any more."""
    item = get_object_or_404(visible_to(request.user), pk=pk)
    is_favourite = request.POST.get("on", "1") != "0"
    set_favourite(user=request.user, item=item, is_favourite=is_favourite)
    if "application/json" in request.headers.get("Accept", ""):
        return JsonResponse({"is_favourite": is_favourite})
    return _answer(request, pk)


@require_POST
@login_required
def retry(request: MemberRequest, pk: int) -> HttpResponse:
    """The page after what failed was asked for again."""
    item = _editable(request, pk)
    is_unprepared, is_undescribed = open_again(item=item)
    is_heard = True
    if is_unprepared:
        is_heard = ring_bell(prepare_media, item.pk)
    if is_undescribed and is_heard:
        ring_bell(process_photo_ai if item.kind == Kind.PHOTO else process_video_ai, item.pk)
    if not request.headers.get("HX-Request"):
        messages.success(request, _("It will be tried again in a moment."))
    return _answer(request, pk)


def _visible(request: MemberRequest, pk: int) -> MediaItem:
    return get_object_or_404(with_details(visible_to(request.user), request.user), pk=pk)


def _editable(request: MemberRequest, pk: int) -> MediaItem:
    """Raises Http404 to who may not see it, PermissionDenied to who may only look."""
    item = editable_by(request.user).filter(pk=pk).first()
    if item is None:
        get_object_or_404(visible_to(request.user), pk=pk)
        raise PermissionDenied
    return item


def _answer(request: MemberRequest, pk: int) -> HttpResponse:
    """The panel for who asks by htmx, else the way back to the page."""
    if not request.headers.get("HX-Request"):
        return redirect("album:photo_detail", pk)
    answer = render(request, "album/_info.html", _told(request, _visible(request, pk)))
    answer.headers["HX-Trigger"] = "album:edited"
    return answer


def _page(request: MemberRequest, item: MediaItem, refused: dict[str, EditForm] | None = None) -> HttpResponse:
    """The page, or its panel for who asks by htmx; ``refused`` are the forms to be filled in once more."""
    context = _told(request, item, refused or {})
    is_part = bool(request.headers.get("HX-Request"))
    if not is_part:
        context["beside"] = neighbours(item, request.user)
    template = "album/_info.html" if is_part else "album/photo_detail.html"
    return render(request, template, context, status=HTTP_UNPROCESSABLE if refused else None)


def _told(request: MemberRequest, item: MediaItem, refused: dict[str, EditForm] | None = None) -> dict[str, Any]:
    """What the page says about ``item``, and what its viewer may do."""
    user = request.user
    is_own = item.owner_id == user.pk or user.is_superuser
    forms: dict[str, EditForm] = {what: form(item) for what, form in FORMS.items()} | (refused or {})
    # The camera's clock is what people remember, wherever this server stands.
    taken_at = datetime.fromisoformat(item.taken_at_local) if item.taken_at_local else None
    return {
        "item": item,
        "people": people_of(item, user),
        "tags": tags_of(item),
        "taken_at": taken_at,
        "exposure": _describe_exposure(item),
        "place": ", ".join(dict.fromkeys(filter(None, (item.city, item.region, item.country)))),
        "stages": [(STAGE_WORDS[Stage(result.stage)], result) for result in item.stage_results.all()],
        "may_retry": item.processing_status == Status.FAILED or item.preview_problem or item.proxy_problem,
        "albums": albums_with(item, user),
        "forms": forms,
        "may_edit": is_own or editable_by(user).filter(pk=item.pk).exists(),
        "may_delete": is_own,
        "map_tiles": (settings.MAP_TILES_URL, settings.MAP_ATTRIBUTION),
        "moves_by_itself": moves_by_itself(item),
    }


def _describe_exposure(item: MediaItem) -> str:
    """``1/250 s, f/2.8, 50 mm, ISO 200``, as far as it is known."""
    parts = []
    if item.exposure_s and item.exposure_s >= LEAST_SETTING:
        slow = item.exposure_s >= 0.4
        parts.append(f"{item.exposure_s:.3g} s" if slow else f"1/{round(1 / item.exposure_s)} s")
    if item.f_number:
        parts.append(f"f/{item.f_number:.3g}")
    if item.focal_length_mm:
        parts.append(f"{item.focal_length_mm:.3g} mm")
    if item.iso:
        parts.append(f"ISO {item.iso}")
    return ", ".join(parts)
