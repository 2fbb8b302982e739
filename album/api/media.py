"""Photos and videos: lists, one of them, what people write about it, what looks like it."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet
from rest_framework import serializers
from rest_framework.exceptions import NotFound, PermissionDenied
from rest_framework.request import Request

from album import queries
from album.api.endpoints import Resource, allowed, endpoint, found, member, page, page_of
from album.api.fields import Body, Id, Number, Place, Switch, Text, Whole
from album.api.media_shapes import Media, MediaInList
from album.api.moments import LocalMoment
from album.models import MediaItem
from album.models.media import Kind, Status
from album.queries.details import listed
from album.queries.pages import cursor_of
from album.services import bulk, editing, trash
from album.services.editing import DESCRIPTION_MAX_LENGTH

SHELVES = {
    "timeline": queries.timeline_of,
    "archive": queries.archive_of,
    "favourites": queries.favourites_of,
    "visible": queries.visible_to,
    "trash": queries.in_trash,
}
NAME_MAX_LENGTH = 200


class MediaQuery(Place):
    """Filters as the timeline has them; all that are given must hold."""

    shelf = serializers.ChoiceField(
        list(SHELVES),
        default="timeline",
        help_text="`timeline`, `archive`, `trash`: your own; `favourites`, `visible`: of all that you may see.",
    )
    kind = serializers.ChoiceField(list(Kind.values), required=False)
    status = serializers.ChoiceField(list(Status.values), required=False)
    favourite = Switch(required=False, help_text="`true`: only your favorites.")
    album = Id(required=False)
    person = Id(required=False)
    tag = serializers.CharField(max_length=80, required=False)
    place = serializers.CharField(max_length=120, required=False, help_text="A country, region or town.")
    camera = serializers.CharField(max_length=120, required=False)
    rating = Whole(min_value=1, max_value=5, required=False, help_text="So many stars or more.")
    year = Whole(min_value=1000, max_value=2999, required=False)
    month = serializers.CharField(max_length=7, required=False, help_text="`2026-11`")
    bbox = serializers.CharField(max_length=100, required=False, help_text="`west,south,east,north` in degrees.")


class MediaChange(Body):
    """What is to be another one; the rest stays. What people write no file and no batch changes any more."""

    title = Text(max_length=200, allow_blank=True, required=False)
    description = Text(max_length=DESCRIPTION_MAX_LENGTH, allow_blank=True, required=False)
    taken_at_local = LocalMoment(required=False, help_text="What the clock showed there: `2026-11-21T14:30:00`.")
    time_zone = Text(max_length=48, required=False, help_text="Of that place, as `Europe/Berlin`.")
    latitude_deg = Number(min_value=-90, max_value=90, allow_null=True, required=False)
    longitude_deg = Number(min_value=-180, max_value=180, allow_null=True, required=False)
    rating = Whole(min_value=0, max_value=5, allow_null=True, required=False)
    is_favourite = Switch(required=False, help_text="Yours alone: others have their own.")
    is_archived = Switch(required=False, help_text="For its owner.")


class Name(Body):
    name = Text(max_length=NAME_MAX_LENGTH)


class MediaList(Resource):
    @endpoint(page_of(MediaInList), query=MediaQuery)
    def get(self, request: Request, asked: dict[str, Any]) -> dict[str, Any]:
        """Photos and videos, the newest first."""
        user = member(request)
        filters = {name: str(value) for name, value in asked.items() if name not in ("shelf", "limit", "before")}
        if not asked.get("favourite"):
            filters.pop("favourite", None)
        items, _chips = queries.filter_items(SHELVES[asked["shelf"]](user), filters, user)
        if month := asked.get("month"):
            items = queries.in_month(items, month)
        return page(request, *newest(items, request, asked))


def newest(
    items: QuerySet[MediaItem], request: Request, asked: dict[str, Any]
) -> tuple[list[MediaItem], queries.Cursor | None]:
    """A piece of ``items``, the newest first, and the place after it where there are others. Raises BadPosition."""
    limit, before = asked["limit"], asked["before"]
    if before:
        items = queries.older_than(items, queries.Cursor.read(before))
    else:
        items = items.order_by("-timeline_at", "-pk")
    rows = list(listed(items, member(request))[: limit + 1])
    after = cursor_of(rows[limit - 1]) if len(rows) > limit else None
    return rows[:limit], after


class MediaDetail(Resource):
    @endpoint(Media)
    def get(self, request: Request, asked: dict[str, Any], pk: int) -> MediaItem:
        """All that is known of an item."""
        return _seen(request, pk)

    @endpoint(Media, body=MediaChange)
    def patch(self, request: Request, asked: dict[str, Any], pk: int) -> MediaItem:
        """Changes what is given, all of it or nothing."""
        user = member(request)
        item = found(_mine_or_visible(request), pk)
        with transaction.atomic():
            if asked.keys() - {"is_favourite", "is_archived"}:
                _write(_editable(request, pk), asked)
            if "is_favourite" in asked:
                editing.set_favourite(user=user, item=item, is_favourite=asked["is_favourite"])
            if "is_archived" in asked:
                _require_own(request, pk)
                bulk.set_archived(user=user, ids=[pk], is_archived=asked["is_archived"])
        return _seen(request, pk)

    @endpoint()
    def delete(self, request: Request, asked: dict[str, Any], pk: int) -> None:
        """Puts an own item into the trash, from which it comes back for some weeks."""
        user = member(request)
        item = allowed(queries.owned_by(user), queries.visible_to(user), pk)
        trash.move_to_trash(user=user, items=[item])


class MediaRestore(Resource):
    @endpoint(Media)
    def post(self, request: Request, asked: dict[str, Any], pk: int) -> MediaItem:
        """Takes an item out of the trash, back into the albums in which it was."""
        user = member(request)
        trash.restore(user=user, items=[found(queries.in_trash(user), pk)])
        return _seen(request, pk)


class MediaTags(Resource):
    @endpoint(Media, body=Name)
    def post(self, request: Request, asked: dict[str, Any], pk: int) -> MediaItem:
        """Adds a tag."""
        editing.add_tag(item=_editable(request, pk), name=asked["name"])
        return _seen(request, pk)


class MediaTag(Resource):
    @endpoint()
    def delete(self, request: Request, asked: dict[str, Any], pk: int, name: str) -> None:
        """Takes a tag away for good, whoever said it."""
        item = _editable(request, pk)
        if not item.item_tags.filter(tag__name=name).exists():
            raise NotFound("Not found.")
        editing.remove_tag(item=item, name=name)


class MediaPeople(Resource):
    @endpoint(Media, body=Name)
    def post(self, request: Request, asked: dict[str, Any], pk: int) -> MediaItem:
        """Names a person who is in the picture."""
        editing.name_person(item=_editable(request, pk), name=asked["name"])
        return _seen(request, pk)


class MediaPerson(Resource):
    @endpoint()
    def delete(self, request: Request, asked: dict[str, Any], pk: int, person_id: int) -> None:
        """Says that this person is not in the picture, whatever its file says."""
        item = _editable(request, pk)
        if not item.item_people.filter(person=person_id).exists():
            raise NotFound("Not found.")
        editing.take_person_away(item=item, person_id=person_id)


def _mine_or_visible(request: Request) -> QuerySet[MediaItem]:
    """What the user may look at: what is visible, and what lies in the own trash."""
    user = member(request)
    in_trash = queries.in_trash(user).order_by().values("pk")
    visible = queries.visible_to(user).order_by().values("pk")
    return MediaItem.objects.filter(Q(pk__in=visible) | Q(pk__in=in_trash))


def _seen(request: Request, pk: int) -> MediaItem:
    return found(queries.with_details(_mine_or_visible(request), member(request)), pk)


def _editable(request: Request, pk: int) -> MediaItem:
    user = member(request)
    return allowed(queries.editable_by(user), queries.visible_to(user), pk)


def _require_own(request: Request, pk: int) -> None:
    if not queries.owned_by(member(request)).filter(pk=pk).exists():
        raise PermissionDenied("Only those who own it may do this.")


def _write(item: MediaItem, asked: dict[str, Any]) -> None:
    """Raises EditRefused."""
    editing.write_words(item=item, title=asked.get("title"), description=asked.get("description"))
    zone = asked.get("time_zone", "")
    if "taken_at_local" in asked or zone:
        local = asked.get("taken_at_local") or item.timeline_at.replace(tzinfo=None)
        editing.write_date(item=item, local=local, time_zone=zone)
    if "latitude_deg" in asked or "longitude_deg" in asked:
        place = {name: asked.get(name, getattr(item, name)) for name in ("latitude_deg", "longitude_deg")}
        editing.write_place(item=item, **place)
    if "rating" in asked:
        editing.write_rating(item=item, rating=asked["rating"])
