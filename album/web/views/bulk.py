"""The same change to many picked items, and many of them as one file."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from typing import Any

from django.contrib.auth.decorators import login_required
from django.db.models import QuerySet
from django.http import HttpResponseBase, JsonResponse, QueryDict, StreamingHttpResponse
from django.utils import timezone
from django.utils.http import content_disposition_header
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from album.exceptions import AlbumError
from album.models import MediaItem
from album.queries import fillable_albums, openable_by, shown
from album.services import bulk as service
from album.services.bulk import AlbumForbidden, AlbumUnknown, BulkRefused, Outcome
from album.services.zips import ZipEntry, zip_files
from album.web.requests import MemberRequest
from album.web.views.files import open_original

MOST_ZIPPED = 5000
MOST_ALBUMS = 2000
COLUMNS_OF_FILES = ("source_path", "original", "original_name", "size_bytes", "source_modified_ns")
ID_DIGITS = 15
MINUTES_DIGITS = 9

Action = Callable[[MemberRequest, list[int]], dict[str, Any]]


@require_POST
@login_required
def bulk(request: MemberRequest) -> JsonResponse:
    """What ``action`` did with ``ids``: how many, which, and of the others why not."""
    action = ACTIONS.get(request.POST.get("action", ""))
    try:
        if action is None:
            raise BulkRefused(_("There is no such action. Known are: %s.") % ", ".join(ACTIONS))
        outcome = action(request, read_ids(request.POST.get("ids", ""), service.MOST_ITEMS))
    except AlbumUnknown as error:
        return JsonResponse({"error": str(error)}, status=404)
    except AlbumForbidden as error:
        return JsonResponse({"error": str(error)}, status=403)
    except AlbumError as error:
        return JsonResponse({"error": str(error)}, status=400)
    return JsonResponse(outcome)


@require_safe
@login_required
def fillable(request: MemberRequest) -> JsonResponse:
    """The albums into which the asking person may put items: ``{"albums": [[id, title], …]}``."""
    albums = fillable_albums(request.user).order_by("title", "pk").values_list("pk", "title")
    answer = {"albums": list(albums[:MOST_ALBUMS])}
    return JsonResponse(answer, headers={"Cache-Control": "private, no-store"})


@require_POST
@login_required
def download(request: MemberRequest) -> HttpResponseBase:
    """The originals of ``ids`` as one ZIP, its size known from the start; those that cannot be had are left out."""
    try:
        ids = read_ids(request.POST.get("ids", ""), MOST_ZIPPED)
        items = openable_by(request.user).filter(shown(), pk__in=ids).order_by("timeline_at", "pk")
        zipped = zip_files(zip_entries(items))
    except AlbumError as error:
        return JsonResponse({"error": str(error)}, status=400)
    name = f"{_('photos')}-{timezone.localdate().isoformat()}.zip"
    headers = {
        "Content-Disposition": content_disposition_header(as_attachment=True, filename=name) or "attachment",
        "Content-Length": str(zipped.size_bytes),
        "Cache-Control": "private, no-store",
        "X-Count": str(zipped.count),
    }
    return StreamingHttpResponse(zipped.chunks, content_type="application/zip", headers=headers)


def zip_entries(items: QuerySet[MediaItem]) -> Iterator[ZipEntry]:
    """The originals of ``items`` that can be read now. Of the rows no more is kept than that takes."""
    for item in items.only(*COLUMNS_OF_FILES).iterator():
        try:
            with open_original(item) as file:
                size_bytes = os.fstat(file.fileno()).st_size
        except OSError:
            continue
        yield ZipEntry(item.original_name, size_bytes, partial(open_original, item))


def read_ids(text: str, most: int) -> list[int]:
    """The numbers in ``text``, which are separated by commas.

    Raises:
        BulkRefused: none, too many, or something else.
    """
    words = text.split(",")
    if not 0 < len(words) <= most:
        raise BulkRefused(_("Choose from 1 to %d items at once.") % most)
    if not all(word.isascii() and word.isdecimal() and len(word) <= ID_DIGITS for word in words):
        raise BulkRefused(_("“ids” are numbers with commas between them."))
    return [int(word) for word in words]


def _album_id(form: QueryDict) -> int:
    text = form.get("album", "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= ID_DIGITS else 0


def _shift(form: QueryDict) -> timedelta:
    """Raises BulkRefused: not a number of minutes."""
    text = form.get("minutes", "")
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdecimal() and len(digits) <= MINUTES_DIGITS):
        raise BulkRefused(_("“minutes” is a number of minutes, with a minus to shift back."))
    return timedelta(minutes=int(text))


def _told(outcome: Outcome, **more: Any) -> dict[str, Any]:
    refused = [{"reason": reason, "ids": ids} for reason, ids in outcome.refused.items()]
    return {"done": len(outcome.done), "ids": outcome.done, "refused": refused, **more}


def _add_to_album(request: MemberRequest, ids: list[int]) -> dict[str, Any]:
    """Into ``album``; where that is empty, into a new one called ``title``."""
    if request.POST.get("album"):
        return _told(service.add_to_album(user=request.user, ids=ids, album_id=_album_id(request.POST)))
    album, outcome = service.add_to_new_album(user=request.user, ids=ids, title=request.POST.get("title", ""))
    return _told(outcome, album=album.pk)


def _remove_from_album(request: MemberRequest, ids: list[int]) -> dict[str, Any]:
    return _told(service.remove_from_album(user=request.user, ids=ids, album_id=_album_id(request.POST)))


def _shift_date(request: MemberRequest, ids: list[int]) -> dict[str, Any]:
    return _told(service.shift_dates(user=request.user, ids=ids, by=_shift(request.POST)))


def _on_tag(act: Callable[..., Outcome]) -> Action:
    return lambda request, ids: _told(act(user=request.user, ids=ids, name=request.POST.get("tag", "")))


def _plain(act: Callable[..., Outcome], **options: bool) -> Action:
    return lambda request, ids: _told(act(user=request.user, ids=ids, **options))


ACTIONS: dict[str, Action] = {
    "favourite": _plain(service.set_favourite, is_favourite=True),
    "unfavourite": _plain(service.set_favourite, is_favourite=False),
    "archive": _plain(service.set_archived, is_archived=True),
    "unarchive": _plain(service.set_archived, is_archived=False),
    "trash": _plain(service.move_to_trash),
    "restore": _plain(service.restore),
    "add-tag": _on_tag(service.add_tag),
    "remove-tag": _on_tag(service.remove_tag),
    "add-to-album": _add_to_album,
    "remove-from-album": _remove_from_album,
    "shift-date": _shift_date,
}
