"""Who may see and who may change what: the one place that knows."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import AnonymousUser, User
from django.db.models import Q, QuerySet

from album.models import Album, MediaItem, Shelf

Viewer = User | AnonymousUser


def visible_albums(user: Viewer) -> QuerySet[Album]:
    """Albums that ``user`` owns, administers, fills or may look at; all of them for a site admin."""
    return _albums(user, "owner", "admins", "editors", "viewers")


def fillable_albums(user: Viewer) -> QuerySet[Album]:
    """Albums that ``user`` may add to and remove from: as owner, admin or editor; all for a site admin."""
    return _albums(user, "owner", "admins", "editors")


def editable_albums(user: Viewer) -> QuerySet[Album]:
    """Albums that ``user`` may process, rename and share: the own, the administered; all for a site admin."""
    return _albums(user, "owner", "admins")


def shown(prefix: str = "") -> Q:
    """The condition that an item stands in timelines, counts, searches and batches.

    What lies in the trash does not, nor the clip of a motion photo: the photo stands for both. ``prefix`` leads
    from another row to the item: ``items__``.
    """
    return Q(**{f"{prefix}shelf__lt": Shelf.CLIP})


def visible_to(user: Viewer) -> QuerySet[MediaItem]:
    """Items that ``user`` owns or that lie in an album the user sees; all of them for a site admin."""
    return _items(user, visible_albums(user)).filter(shown())


def editable_by(user: Viewer) -> QuerySet[MediaItem]:
    """Items that ``user`` owns or that lie in an album the user administers; all for a site admin."""
    return _items(user, editable_albums(user)).filter(shown())


def owned_by(user: Viewer) -> QuerySet[MediaItem]:
    """Items that ``user`` may delete: the own ones, whatever albums they lie in; all for a site admin."""
    return _items(user, Album.objects.none()).filter(shown())


def in_trash(user: Viewer) -> QuerySet[MediaItem]:
    """Items that ``user`` may restore or delete for good: the own trashed ones; all for a site admin."""
    return _items(user, Album.objects.none()).filter(trashed_at__isnull=False, clip_of=None)


def openable_by(user: Viewer) -> QuerySet[MediaItem]:
    """Items whose files ``user`` may open: all the own ones, and of others the visible ones and their clips."""
    if not user.is_authenticated or not user.is_active:
        return MediaItem.objects.none()
    if user.is_superuser:
        return MediaItem.objects.all()
    shared = _ids_in(visible_albums(user))
    clips = Q(clip_of__in=shared, clip_of__trashed_at=None)
    return MediaItem.objects.filter(Q(owner=user) | Q(trashed_at=None) & (Q(clip_of=None, pk__in=shared) | clips))


def _albums(user: Viewer, *roles: str) -> QuerySet[Album]:
    if not user.is_authenticated or not user.is_active:
        return Album.objects.none()
    if user.is_superuser:
        return Album.objects.all()
    mine = Q()
    for role in roles:
        # A subquery per role: joins would repeat an album for each of its people.
        mine |= Q(pk__in=Album.objects.filter(**{role: user}).order_by().values("pk"))
    return Album.objects.filter(mine)


def _items(user: Viewer, albums: QuerySet[Album]) -> QuerySet[MediaItem]:
    if not user.is_authenticated or not user.is_active:
        return MediaItem.objects.none()
    if user.is_superuser:
        return MediaItem.objects.all()
    return MediaItem.objects.filter(Q(owner=user) | Q(pk__in=_ids_in(albums)))


def _ids_in(albums: QuerySet[Album]) -> QuerySet[Any, Any]:
    return MediaItem.albums.through.objects.filter(album__in=albums.order_by().values("pk")).values("mediaitem")
