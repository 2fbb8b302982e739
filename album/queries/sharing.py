"""What a share link shows to whoever has it."""

from __future__ import annotations

from django.db.models import Exists, Q, QuerySet
from django.utils import timezone

from album.models import MediaItem, ShareLink
from album.queries.access import editable_albums, in_album, owned_by, shown, with_clips


def valid_links() -> QuerySet[ShareLink]:
    """Links that were not revoked, have not expired, and whose maker may still sign in."""
    in_time = Q(expires_at=None) | Q(expires_at__gt=timezone.now())
    return ShareLink.objects.filter(in_time, revoked_at=None, created_by__is_active=True)


def shared_items(link: ShareLink) -> QuerySet[MediaItem]:
    """What ``link`` shows as long as its maker may share it: an album, or the picked items."""
    return MediaItem.objects.filter(_shared_by(link), shown())


def openable_through(link: ShareLink) -> QuerySet[MediaItem]:
    """Items whose pictures ``link`` opens: what it shows, and their clips."""
    return MediaItem.objects.filter(with_clips(_shared_by(link)))


def _shared_by(link: ShareLink) -> Q:
    if link.album is None:
        mine = owned_by(link.created_by).order_by().values("pk")
        return Q(pk__in=link.items.order_by().values("pk")) & Q(pk__in=mine)
    may_share = editable_albums(link.created_by).order_by().filter(pk=link.album.pk)
    return Q(Exists(may_share)) & in_album(link.album)
