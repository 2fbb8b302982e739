"""Tags and people."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.db.models import Count, Exists, OuterRef, QuerySet
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request

from album import queries
from album.api.endpoints import Resource, cut_by_id, endpoint, found, member, page, page_of
from album.api.fields import Body, Id, Place, Text
from album.models import ItemTag, Person
from album.queries.people import people_of, with_faces
from album.services import people as service
from album.services.people import NAME_MAX_LENGTH


class TagShape(serializers.Serializer[Any]):
    """A tag of items that you may see, and of how many."""

    name = serializers.CharField()
    item_count = serializers.IntegerField()


class TagQuery(Place):
    q = serializers.CharField(max_length=80, required=False, help_text="How its name begins.")
    before = serializers.CharField(
        max_length=80, default="", help_text="The place from which to read on: follow `next` instead of making one."
    )


class PersonShape(serializers.ModelSerializer[Person]):
    """Somebody whom you know by name. Their items: `/api/v1/media/?shelf=visible&person=ID`."""

    owner = serializers.CharField(source="owner.username")
    item_count = serializers.IntegerField()
    face = serializers.IntegerField(source="face_id", allow_null=True, help_text="The item that stands for them.")

    class Meta:
        model = Person
        fields = ("id", "name", "owner", "item_count", "face")
        read_only_fields = fields


class PersonChange(Body):
    name = Text(max_length=NAME_MAX_LENGTH, required=False, help_text="A name that is known joins both.")
    face = Id(required=False, help_text="An item in which the person is.")


class TagList(Resource):
    @endpoint(page_of(TagShape), query=TagQuery)
    def get(self, request: Request, asked: dict[str, Any]) -> dict[str, Any]:
        """Tags by name."""
        removed = ItemTag.objects.filter(item=OuterRef("item"), tag=OuterRef("tag"), source=ItemTag.Source.REMOVED)
        visible = queries.visible_to(member(request)).order_by().values("pk")
        rows = ItemTag.objects.filter(~Exists(removed), item__in=visible)
        if start := asked.get("q"):
            rows = rows.filter(tag__name__startswith=start.lower())
        if asked["before"]:
            rows = rows.filter(tag__name__gt=asked["before"])
        counted = rows.order_by("tag__name").values_list("tag__name").annotate(Count("item", distinct=True))
        limit = asked["limit"]
        read = [{"name": name, "item_count": count} for name, count in counted[: limit + 1]]
        return page(request, read[:limit], read[limit - 1]["name"] if len(read) > limit else None)


class PersonList(Resource):
    @endpoint(page_of(PersonShape), query=Place)
    def get(self, request: Request, asked: dict[str, Any]) -> dict[str, Any]:
        """People whom you know."""
        people, after = cut_by_id(_people(request), asked)
        return page(request, people, after)


class PersonDetail(Resource):
    @endpoint(PersonShape)
    def get(self, request: Request, asked: dict[str, Any], pk: int) -> Person:
        """A person."""
        return found(_people(request), pk)

    @endpoint(PersonShape, body=PersonChange)
    def patch(self, request: Request, asked: dict[str, Any], pk: int) -> Person:
        """Another name or picture. The answer is who has that name now."""
        person = found(_people(request), pk)
        with transaction.atomic():
            if "face" in asked:
                item = queries.visible_to(member(request)).filter(pk=asked["face"]).first()
                if item is None:
                    raise ValidationError({"face": ["There is no such item."]})
                service.choose_face(person=person, item=item)
            if "name" in asked:
                person = service.rename_person(person=person, name=asked["name"])
        return found(_people(request), person.pk)

    @endpoint()
    def delete(self, request: Request, asked: dict[str, Any], pk: int) -> None:
        """Forgets the name; the pictures stay."""
        service.forget_person(person=found(_people(request), pk))


def _people(request: Request) -> QuerySet[Person]:
    return with_faces(people_of(member(request))).select_related("owner")
