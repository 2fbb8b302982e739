"""The trash: what was deleted, and the way back."""

from __future__ import annotations

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe

from album import queries
from album.exceptions import StorageError
from album.services import trash as service
from album.web.requests import MemberRequest

PAGE_SIZE = 60
MOST_AT_ONCE = 1000
"""So many are deleted in one request, which must end before the server gives it up."""


@require_safe
@login_required
def trash(request: MemberRequest) -> HttpResponse:
    """What the asking person deleted, the latest first; for a site admin, what anybody did."""
    items = queries.in_trash(request.user).select_related("owner").order_by("-trashed_at", "-pk")
    page = Paginator(items, PAGE_SIZE).get_page(request.GET.get("page"))
    context = {"page": page, "days": settings.TRASH_DAYS, "has_own": items.filter(owner=request.user).exists()}
    return render(request, "album/trash.html", context)


@require_POST
@login_required
def move_to_trash(request: MemberRequest, pk: int) -> HttpResponseRedirect:
    item = get_object_or_404(queries.visible_to(request.user), pk=pk)
    if not service.move_to_trash(user=request.user, items=[item]):
        raise PermissionDenied
    messages.success(request, _("%(name)s is in the trash now.") % {"name": item.original_name})
    return redirect("album:timeline")


@require_POST
@login_required
def restore(request: MemberRequest, pk: int) -> HttpResponseRedirect:
    item = get_object_or_404(queries.in_trash(request.user), pk=pk)
    service.restore(user=request.user, items=[item])
    messages.success(request, _("%(name)s is back.") % {"name": item.original_name})
    return redirect("album:trash")


@require_POST
@login_required
def delete(request: MemberRequest, pk: int) -> HttpResponseRedirect:
    """Deletes one item for good."""
    item = get_object_or_404(queries.in_trash(request.user), pk=pk)
    try:
        service.delete_now(user=request.user, items=[item])
    except StorageError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, _("%(name)s is deleted.") % {"name": item.original_name})
    return redirect("album:trash")


@require_POST
@login_required
def restore_all(request: MemberRequest) -> HttpResponseRedirect:
    """Brings back all that the asking person has there; never what others deleted."""
    count = service.restore(user=request.user, items=queries.in_trash(request.user).filter(owner=request.user))
    messages.success(
        request, ngettext("%(count)s item is back.", "%(count)s items are back.", count) % {"count": count}
    )
    return redirect("album:trash")


@require_POST
@login_required
def empty(request: MemberRequest) -> HttpResponseRedirect:
    """Deletes for good what the asking person has there; never what others deleted."""
    own = queries.in_trash(request.user).filter(owner=request.user).order_by("pk")[:MOST_AT_ONCE]
    try:
        count = service.delete_now(user=request.user, items=own).items
    except StorageError as error:
        messages.error(request, str(error))
    else:
        words = ngettext("%(count)s item is deleted.", "%(count)s items are deleted.", count)
        messages.success(request, words % {"count": count})
    return redirect("album:trash")
