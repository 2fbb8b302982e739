"""Search by words and by looks, with the reason of each hit."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.request import Request

from album.api.endpoints import Resource, endpoint, member, page, page_of
from album.api.fields import Place
from album.api.media_shapes import MediaInList
from album.models import MediaItem
from album.queries.details import listed
from album.search.finding import BEST, NEWEST, Found, clean_search, count_found, find, find_similar, order_of
from album.search.parse import MAX_CHARACTERS, parse


class Hit(MediaInList):
    """An item that was found, and why."""

    why = serializers.SerializerMethodField(help_text="What matched, in words.")

    class Meta(MediaInList.Meta):
        fields = (*MediaInList.Meta.fields, "why")
        read_only_fields = fields

    def get_why(self, item: MediaItem) -> str:
        return str(item.why)  # type: ignore[attr-defined]  # set below


class LeftOut(serializers.Serializer[Any]):
    """A part of the search that made no sense."""

    kind = serializers.CharField(help_text="`name`: no such filter, `value`, or `length`: too many words.")
    name = serializers.CharField()
    value = serializers.CharField()


class SearchQuery(Place):
    q = serializers.CharField(max_length=MAX_CHARACTERS, help_text="As in the search box: docs/search.md.")
    sort = serializers.ChoiceField([BEST, NEWEST], default=BEST)


FOUND: dict[str, Any] = {
    "count": serializers.IntegerField(
        allow_null=True, help_text="How many there are; null after the first piece of the newest."
    ),
    "is_capped": serializers.BooleanField(help_text="There are more than `count`."),
    "looks": serializers.CharField(
        help_text="Empty: pictures were compared where that made sense. `starting`: ask again in a few seconds. "
        "`weights`: not installed. `none`: nothing was analyzed so far."
    ),
}


class Search(Resource):
    @endpoint(page_of(Hit, "Search", **FOUND, left_out=LeftOut(many=True)), query=SearchQuery)
    def get(self, request: Request, asked: dict[str, Any]) -> dict[str, Any]:
        """What you may see and a search finds, the best first, or the newest."""
        text = clean_search(asked["q"])
        query = parse(text)
        if not query.clauses:
            raise ValidationError({"q": ["Write what you are looking for."]})
        sort, place = order_of(text, asked["sort"]), {name: asked[name] for name in ("before", "limit")}
        hits = find(query, member(request), sort=sort, **place)
        if not asked["before"]:
            hits = count_found(hits, query, member(request))
        left_out = [{"kind": one.kind, "name": str(one.name), "value": str(one.value)} for one in query.problems]
        return _told(request, hits) | {"left_out": left_out}


class Similar(Resource):
    @endpoint(page_of(Hit, "Similar", **FOUND), query=Place)
    def get(self, request: Request, asked: dict[str, Any], pk: int) -> dict[str, Any]:
        """What looks like the picture of an item, the most alike first."""
        try:
            return _told(request, find_similar(pk, member(request), **asked))
        except MediaItem.DoesNotExist as error:
            raise NotFound("Not found.") from error


def _told(request: Request, hits: Found) -> dict[str, Any]:
    places = {row.pk: place for place, row in enumerate(hits.rows)}
    items = sorted(
        listed(MediaItem.objects.filter(pk__in=list(places)), member(request)), key=lambda item: places[item.pk]
    )
    for item in items:
        item.why = hits.notes.get(item.pk, "")  # type: ignore[attr-defined]
    counts = {"count": hits.count, "is_capped": hits.is_capped, "looks": hits.problem}
    return page(request, items, hits.after, **counts)
