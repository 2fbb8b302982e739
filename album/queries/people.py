"""The people whom a user knows, and the items in which they are."""

from __future__ import annotations

from django.db.models import BigIntegerField, Count, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce

from album.models import ItemPerson, MediaItem, Person
from album.queries.access import Viewer, shown, visible_to


def people_of(user: Viewer) -> QuerySet[Person]:
    """The people of ``user``; for a site admin those of all. Who may see them may name, join and forget them."""
    if not user.is_authenticated or not user.is_active:
        return Person.objects.none()
    return Person.objects.all() if user.is_superuser else Person.objects.filter(owner=user)


def items_with(person: Person, user: Viewer) -> QuerySet[MediaItem]:
    """The items with ``person`` that ``user`` may see."""
    named = ItemPerson.objects.filter(person=person).exclude(source=ItemPerson.Source.REMOVED)
    return visible_to(user).filter(pk__in=named.values("item"))


def with_faces(people: QuerySet[Person]) -> QuerySet[Person]:
    """``people`` with ``item_count`` and ``face_id``, the item that stands for them; the most frequent first."""
    is_named = ~Q(item_people__source=ItemPerson.Source.REMOVED)
    named = ItemPerson.objects.filter(person=OuterRef("pk")).exclude(source=ItemPerson.Source.REMOVED)
    newest = named.filter(shown("item__")).order_by("-item__timeline_at", "-item").values("item")
    cover = named.filter(shown("item__"), item=OuterRef("cover")).values("item")
    return people.annotate(
        item_count=Count("item_people", filter=is_named & shown("item_people__item__")),
        face_id=Coalesce(Subquery(cover), Subquery(newest[:1]), output_field=BigIntegerField()),
    ).order_by("-item_count", "name", "pk")
