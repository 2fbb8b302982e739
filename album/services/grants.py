"""Taking back what was granted: cookies and addresses of pictures that were given out before count no more.

Whoever takes away what somebody could see calls one of these in the same transaction. Passwords, deactivation,
rights of site admins, and links that are revoked, deleted or have expired need no call: each process reads them for
itself. See docs/decisions/0013-grants.md.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable

from django.contrib.auth.models import User
from django.utils import timezone

from album.models import Album, GrantEpoch, ShareLink
from album.models.access import cookie_scope, link_scope, sight_scope


def revoke_viewer(user: User) -> None:
    """Ends the cookies of ``user`` in all browsers: signed out, or no longer trusted."""
    _renew([cookie_scope(user.pk)])


def revoke_shares(user_ids: Iterable[int]) -> None:
    """What these users see of others is asked for anew: they left an album, or lost a role in one."""
    user_ids = list(user_ids)
    links = ShareLink.objects.filter(created_by__in=user_ids, revoked_at=None).values_list("pk", flat=True)
    _renew([*map(sight_scope, user_ids), *map(link_scope, links)])


def revoke_albums(album_ids: Iterable[int]) -> None:
    """What people and links see through these albums is asked for anew: items left them, or they are deleted."""
    albums, through = Album.objects.filter(pk__in=list(album_ids)), "album__in"
    people = set(albums.values_list("owner", flat=True))
    for role in (Album.admins, Album.editors, Album.viewers):
        people |= set(role.through.objects.filter(**{through: albums}).values_list("user", flat=True))
    links = ShareLink.objects.filter(album__in=albums, revoked_at=None).values_list("pk", flat=True)
    _renew([*map(sight_scope, people), *map(link_scope, links)])


def revoke_items(item_ids: Iterable[int]) -> None:
    """What others see of these items is asked for anew: they were put in the trash, or given away."""
    item_ids = list(item_ids)
    revoke_albums(Album.objects.filter(items__in=item_ids).values_list("pk", flat=True))
    picked = ShareLink.objects.filter(items__in=item_ids, revoked_at=None).values_list("pk", flat=True)
    _renew(map(link_scope, picked))


def revoke_link(link: ShareLink) -> None:
    """What is seen through ``link`` is asked for anew: items left it. A new password or an end needs no call."""
    _renew([link_scope(link.pk)])


def _renew(scopes: Iterable[str]) -> None:
    """Each scope gets an epoch that it never had. A counter would need to read first, and two could count alike."""
    now = timezone.now()
    rows = [GrantEpoch(scope=scope, epoch=secrets.randbits(31), changed_at=now) for scope in sorted(set(scopes))]
    GrantEpoch.objects.bulk_create(
        rows, update_conflicts=True, unique_fields=["scope"], update_fields=["epoch", "changed_at"]
    )
