"""Links for people without an account: made, shown once, locked by a password, counted, revoked."""

from __future__ import annotations

import hashlib
import math
import secrets
import time
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.contrib.auth.hashers import check_password, make_password
from django.contrib.auth.models import User
from django.core.cache import cache
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from album.exceptions import AlbumError, QuotaExceeded
from album.models import Album, ShareLink
from album.queries import editable_albums, owned_by, valid_links
from album.services.grants import revoke_link as revoke_grants

TOKEN_BYTES = 32
ITEMS_MAX = 2000
PASSWORD_MAX_LENGTH = 128
ATTEMPTS_S = 15 * 60
"""So long a wrong password is remembered."""
ATTEMPTS_PER_ADDRESS, ATTEMPTS_PER_LINK = 5, 50
HOUR_S = 60 * 60
VISIT_NOTED_S = 60
ZIPS_PER_HOUR = 12
"""So often within an hour a link gives all that it shows as one file: each time every original is read."""


class LinkRefused(AlbumError):
    """A link that cannot be made, or not by this person."""


class WrongPassword(AlbumError):
    """The password of a link was another one."""


class TooManyAttempts(QuotaExceeded):
    """Passwords were tried too often."""


class TooManyDownloads(QuotaExceeded):
    """A link was downloaded as a whole too often."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a link allows. An empty password: none is asked for."""

    label: str = ""
    password: str = ""
    expires_at: datetime | None = None
    may_download: bool = False
    shows_location: bool = False


def create_link(
    *, user: User, terms: Terms, album: Album | None = None, item_ids: Collection[int] = ()
) -> tuple[ShareLink, str]:
    """The new link and its token, which nobody can tell again: only its hash is stored.

    Raises:
        LinkRefused: the album is not the user's to share, or none of the items belongs to the user.
    """
    _check_terms(terms)
    if album is not None and not editable_albums(user).filter(pk=album.pk).exists():
        raise LinkRefused(_("Only the owner and the admins of an album can share it by link."))
    items = [] if album else list(owned_by(user).filter(pk__in=list(item_ids)[:ITEMS_MAX]))
    if album is None and not items:
        raise LinkRefused(_("Choose at least one photo or video of your own."))
    token = secrets.token_urlsafe(TOKEN_BYTES)
    with transaction.atomic():
        link = ShareLink.objects.create(
            created_by=user,
            album=album,
            label=terms.label.strip(),
            token_sha256=_hash(token),
            password=make_password(terms.password) if terms.password else "",
            expires_at=terms.expires_at,
            may_download=terms.may_download,
            shows_location=terms.shows_location,
        )
        link.items.add(*items)
    return link, token


def links_to(user: User, album: Album | None = None) -> QuerySet[ShareLink]:
    """The links that ``user`` may revoke, newest first: the own ones, and all to the administered albums."""
    mine = Q(created_by=user) | Q(album__in=editable_albums(user).order_by().values("pk"))
    links = ShareLink.objects.filter(mine).select_related("album", "created_by")
    return links.filter(album=album) if album else links


def revoke_link(*, user: User, link: ShareLink) -> None:
    """Ends the link and the addresses of its pictures. Twice is the same as once.

    Raises:
        LinkRefused: it is another's.
    """
    if not links_to(user).filter(pk=link.pk).exists():
        raise LinkRefused(_("This link is not yours to revoke."))
    with transaction.atomic():
        ShareLink.objects.filter(pk=link.pk, revoked_at=None).update(revoked_at=timezone.now())
        revoke_grants(link)


def find_link(token: str) -> ShareLink | None:
    """The link of this token while it holds: not revoked, not expired, and its maker still may share the album."""
    link = valid_links().select_related("album", "created_by").filter(token_sha256=_hash(token)).first()
    if link is None or link.album is None:
        return link
    return link if editable_albums(link.created_by).filter(pk=link.album.pk).exists() else None


def check_link_password(*, link: ShareLink, password: str, address: str) -> None:
    """Returns if the password is right. Wrong ones are counted for each network address and for the link.

    The counts lie in the database: a restart forgets none, and of two that come at once, both count.

    Raises:
        WrongPassword: it is not.
        TooManyAttempts: it was not even looked at; say when to come back.
    """
    limits = {f"share-{link.pk}-{_hash(address)[:20]}": ATTEMPTS_PER_ADDRESS, f"share-{link.pk}": ATTEMPTS_PER_LINK}
    # Counted before it is compared, so that many at once are not more than many in a row.
    with transaction.atomic():
        ShareLink.objects.select_for_update().get(pk=link.pk)
        for key, most in limits.items():
            if left_s := _wait_s(key, most):
                minutes = math.ceil(left_s / 60)
                message = _("Too many wrong passwords. Try again in %(minutes)d min.") % {"minutes": minutes}
                raise TooManyAttempts(message, retry_after_s=left_s)
        for key in limits:
            _count(key, 1, ATTEMPTS_S)
    if not check_password(password[:PASSWORD_MAX_LENGTH], link.password):
        raise WrongPassword(_("This password is not the right one."))
    for key in limits:
        _count(key, -1, ATTEMPTS_S)


def count_zip(*, link: ShareLink) -> None:
    """Returns if ``link`` may be downloaded as a whole now, which then counts.

    Raises:
        TooManyDownloads: say when to come back.
    """
    key = f"share-zip-{link.pk}"
    with transaction.atomic():
        ShareLink.objects.select_for_update().get(pk=link.pk)
        if left_s := _wait_s(key, ZIPS_PER_HOUR):
            minutes = math.ceil(left_s / 60)
            message = _(
                "All of it was downloaded too often within an hour. Try again in %(minutes)d min; "
                "until then you can download one photo or video at a time."
            )
            raise TooManyDownloads(message % {"minutes": minutes}, retry_after_s=left_s)
        _count(key, 1, HOUR_S)


def _wait_s(key: str, most: int) -> float:
    """Seconds until what was counted ``most`` times may be done again; 0: now."""
    times, until = cache.get(key, (0, 0.0))
    return max(0.0, until - time.time()) if times >= most else 0.0


def _count(key: str, change: int, for_s: int) -> None:
    """Counts anew ``for_s`` after the first time."""
    times, until = cache.get(key, (0, 0.0))
    now = time.time()
    until = until if until > now else now + for_s
    cache.set(key, (max(times + change, 0), until), timeout=math.ceil(until - now))


def note_visit(*, link: ShareLink, is_new: bool) -> None:
    """Counts a new visitor; of others, notes at most once a minute that the link is in use."""
    now = timezone.now()
    row = ShareLink.objects.filter(pk=link.pk)
    if is_new:
        row.update(visits=F("visits") + 1, last_used_at=now)
    elif link.last_used_at is None or now - link.last_used_at > timedelta(seconds=VISIT_NOTED_S):
        row.update(last_used_at=now)


def _check_terms(terms: Terms) -> None:
    if terms.expires_at is not None and terms.expires_at <= timezone.now():
        raise LinkRefused(_("The link would have expired already. Choose a later day."))
    if len(terms.label) > 120 or "\x00" in terms.label:
        raise LinkRefused(_("The name of a link has at most 120 characters."))
    if len(terms.password) > PASSWORD_MAX_LENGTH:
        raise LinkRefused(_("A password has at most 128 characters."))


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
