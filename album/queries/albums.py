"""Albums in lists: how much lies in them, what stands for them, in which order their items come."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from django.contrib.auth.models import User
from django.db.models import (
    Case,
    CharField,
    Count,
    F,
    IntegerField,
    Max,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Value,
    When,
)
from django.db.models.expressions import Combinable
from django.db.models.functions import Cast, Coalesce, Concat
from django.utils.translation import gettext as _

from album.models import Album, AlbumItem, ItemTag, MediaItem, Person, Status
from album.models.rules import EXACT_COLUMNS
from album.queries.access import automatic, in_album, shown, visible_albums
from album.queries.pages import BadPosition, Cursor, newer_than, older_than

CHOICES_MOST = 200
UNPLACED = 2**31 - 1
"""The place of what nobody has put in its place: behind everything else."""
HAND_PLACE = re.compile(r"([0-9a-f]{1,8})\.([0-9a-f]{1,15})")


def album_counts(albums: QuerySet[Album]) -> QuerySet[Album]:
    """``albums`` annotated with ``item_count`` and one ``<status>_count`` per status."""
    of_status = {f"{status.value}_count": {"processing_status": status} for status in Status}
    return _with_counts(albums, {"item_count": {}, **of_status})


@dataclass(frozen=True, slots=True)
class AlbumCard:
    """An album in a list: how many items stand in it, and the one that stands for it."""

    album: Album
    item_count: int
    cover: MediaItem | None


def album_cards(albums: Sequence[Album]) -> list[AlbumCard]:
    """The cards of ``albums``, with the chosen cover while it lies there, else the newest. At most four queries.

    For the albums of one page: it reads what lies in each of them. Measured: asking the database for the newest
    item album by album took minutes for 300 albums of 100,000 items, as it walked the timeline for each, 2026-11.
    """
    counted = _count_picked([album.pk for album in albums if album.rule is None])
    counted |= _count_ruled([album for album in albums if album.rule is not None])
    covers = MediaItem.objects.in_bulk([cover for _number, cover in counted.values() if cover])
    return [
        AlbumCard(album, number, covers.get(cover or 0))
        for album in albums
        for number, cover in [counted.get(album.pk, (0, None))]
    ]


def _count_picked(album_ids: list[int]) -> dict[int, tuple[int, int | None]]:
    """Of each album picked by hand that is not empty, how much lies there, and the id of its cover."""
    entries = AlbumItem.objects.filter(shown("mediaitem__"), album__in=album_ids).order_by()
    newest = Max(Concat(Cast("mediaitem__timeline_at", CharField()), Value("|"), Cast("mediaitem", CharField())))
    rows = entries.values_list("album").annotate(number=Count("pk"), newest=newest)
    chosen = dict(entries.filter(mediaitem=F("album__cover")).values_list("album", "mediaitem"))
    return {album: (number, chosen.get(album) or int(last.rpartition("|")[2])) for album, number, last in rows}


def _count_ruled(albums: list[Album]) -> dict[int, tuple[int, int | None]]:
    """The same of automatic albums."""
    if not albums:
        return {}

    def number(items: QuerySet[MediaItem]) -> Combinable:
        return Subquery(items.filter(shown()).order_by().values(one=Value(1)).annotate(n=Count("pk")).values("n"))

    def cover(items: QuerySet[MediaItem]) -> Combinable:
        newest = items.filter(shown()).order_by("-timeline_at", "-pk").values("pk")
        return Coalesce(Subquery(newest.filter(pk=OuterRef("cover"))[:1]), Subquery(newest[:1]))

    rows = Album.objects.filter(pk__in=[album.pk for album in albums]).order_by()
    told = rows.values_list("pk", Case(*_per_rule(albums, number)), Case(*_per_rule(albums, cover)))
    return {pk: (count or 0, cover_id) for pk, count, cover_id in told}


def _with_counts(albums: QuerySet[Album], wanted: dict[str, dict[str, Status]]) -> QuerySet[Album]:
    with_rule = list(automatic(albums))
    counts: dict[str, Combinable] = {}
    for name, lookups in wanted.items():

        def count(items: QuerySet[MediaItem], lookups: dict[str, Status] = lookups) -> Combinable:
            one = items.filter(shown(), **lookups).order_by().values(one=Value(1))
            return Coalesce(Subquery(one.annotate(n=Count("pk")).values("n")), 0)

        picked = shown("items__") & Q(**{f"items__{lookup}": value for lookup, value in lookups.items()})
        default = Count("items", filter=picked)
        counts[name] = Case(*_per_rule(with_rule, count), default=default, output_field=IntegerField())
    return albums.annotate(**counts)


def _per_rule(albums: Iterable[Album], value_of: Callable[[QuerySet[MediaItem]], Combinable]) -> list[When]:
    """``value_of`` the items of each automatic album, asked for in its row only."""
    return [When(pk=album.pk, then=value_of(MediaItem.objects.filter(in_album(album)))) for album in albums]


def parents_of(album: Album) -> list[Album]:
    """The albums around ``album``, the outermost first. Those of its owner are read at once, whatever the depth."""
    if album.parent_id is None:
        return []
    albums = {one.pk: one for one in Album.objects.filter(owner=album.owner_id).only("title", "parent")}
    above: list[Album] = []
    parent = albums.get(album.parent_id)
    while parent is not None and parent not in above:
        above.insert(0, parent)
        parent = albums.get(parent.parent_id or 0)
    return above


def in_order_of(album: Album | None, items: QuerySet[MediaItem], before: str = "") -> QuerySet[MediaItem]:
    """``items`` in the order of ``album``, newest first without one, and of them those that follow ``before``.

    Raises:
        BadPosition: ``before`` is not a place that ``place_of`` gave out.
    """
    order = album.order if album else Album.Order.NEWEST
    if album and order == Album.Order.BY_HAND:
        return _by_hand(album, items, before)
    if order == Album.Order.OLDEST:
        return newer_than(items, Cursor.read(before)) if before else items.order_by("timeline_at", "pk")
    return older_than(items, Cursor.read(before)) if before else items.order_by("-timeline_at", "-pk")


def place_of(album: Album | None, here: Cursor) -> str:
    """Where the item of ``here`` stands in the order of ``album``, as text that ``in_order_of`` reads."""
    if album is None or album.order != Album.Order.BY_HAND:
        return str(here)
    position = AlbumItem.objects.filter(album=album, mediaitem=here.pk).values_list("position", flat=True).first()
    return f"{position or UNPLACED:x}.{here.pk:x}"


def _by_hand(album: Album, items: QuerySet[MediaItem], before: str) -> QuerySet[MediaItem]:
    """Placed items by their places, then the others as they came in."""
    lying = AlbumItem.objects.filter(album=album, mediaitem=OuterRef("pk")).exclude(position=0)
    items = items.annotate(place=Coalesce(Subquery(lying.values("position")), UNPLACED))
    if before:
        match = HAND_PLACE.fullmatch(before)
        if match is None:
            raise BadPosition(_("This place in the list is not known. Open the list again from its beginning."))
        place, pk = int(match[1], 16), int(match[2], 16)
        items = items.filter(Q(place__gt=place) | Q(place=place, pk__gt=pk))
    return items.order_by("place", "pk")


def companions(user: User) -> QuerySet[User]:
    """With whom ``user`` shares an album already: whoever owns or may see one that ``user`` sees, by name.

    Of them the page of its people tells anyhow; no other account is disclosed.
    """
    albums = visible_albums(user).order_by().values("pk")
    together = Q(pk__in=Album.objects.filter(pk__in=albums).order_by().values("owner"))
    for role in (Album.admins, Album.editors, Album.viewers):
        together |= Q(pk__in=role.through.objects.filter(album__in=albums).values("user"))
    return User.objects.filter(together, is_active=True).exclude(pk=user.pk).order_by("username")


def rule_choices(owner: User) -> dict[str, list[str]]:
    """What a rule for the items of ``owner`` can name: per condition the most frequent values."""
    items = MediaItem.objects.filter(shown(), owner=owner)
    tags = ItemTag.objects.filter(item__owner=owner).exclude(source=ItemTag.Source.REMOVED)
    columns = {name: items.exclude(**{name: ""}).values_list(name) for name in EXACT_COLUMNS}
    people = Person.objects.filter(owner=owner).values_list("name")
    return {
        name: [value for value, _count in rows.order_by().annotate(n=Count("*")).order_by("-n")[:CHOICES_MOST]]
        for name, rows in {"tags": tags.values_list("tag__name"), "people": people, **columns}.items()
    }
