"""The keys that programs sign in with: made, found, revoked. The text of a key is shown once and kept nowhere."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Collection
from contextlib import suppress
from datetime import datetime, timedelta

from django.contrib.auth.models import User
from django.db import DatabaseError, transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from django.utils.translation import gettext as _

from album.exceptions import AccountError
from album.models import ApiKey

START = "pa_"
"""How every key begins, so that programs which look for leaked secrets can find it."""
PREFIX_LENGTH = len(START) + 6
"""Shown to tell keys apart: 6 of 43 characters leave 222 of 258 bits unknown."""
MAX_KEYS = 50
"""Keys of one account. A program needs one."""
NOTED_EVERY = timedelta(minutes=1)
"""How fine the last use is told: a program that asks every second does not write every second."""


def create_key(
    *, user: User, name: str, scopes: Collection[str], expires_at: datetime | None = None
) -> tuple[ApiKey, str]:
    """The new row, and the key, which cannot be seen again.

    Raises:
        AccountError: no name, no or unknown scopes, a moment that has passed, or too many keys.
    """
    name = name.strip()
    if not name or len(name) > 80 or "\0" in name:
        raise AccountError(_("A key needs a name of at most 80 characters, to tell it from others."))
    if not scopes or not set(scopes) <= set(ApiKey.Scope.values):
        raise AccountError(_("Choose at least one thing that the key may do."))
    if ApiKey.Scope.ADMIN in scopes and not user.is_superuser:
        raise AccountError(_("Only a site administrator can have a key that changes settings."))
    if expires_at is not None and expires_at <= timezone.now():
        raise AccountError(_("The key would have expired already. Choose a day to come."))
    if user.api_keys.count() >= MAX_KEYS:
        raise AccountError(_("You have %(count)d keys already. Revoke one first.") % {"count": MAX_KEYS})
    text = START + secrets.token_urlsafe(32)
    key = ApiKey.objects.create(
        user=user,
        name=name,
        prefix=text[:PREFIX_LENGTH],
        key_sha256=_hash_of(text),
        scopes=[scope for scope in ApiKey.Scope.values if scope in scopes],
        expires_at=expires_at,
    )
    return key, text


def find_key(text: str) -> ApiKey | None:
    """The valid key of that text with its active user; None if there is none. One query, and a write a minute.

    The time it takes tells nothing: it is looked up by its hash, which nobody can steer towards that of a key.
    """
    now, wanted = timezone.now(), _hash_of(text)
    unexpired = Q(expires_at=None) | Q(expires_at__gt=now)
    key = ApiKey.objects.select_related("user").filter(unexpired, key_sha256=wanted, user__is_active=True).first()
    if key is None or not constant_time_compare(key.key_sha256, wanted):
        return None
    _note_use(key, now)
    return key


def revoke_key(*, user: User, pk: int) -> bool:
    """True if ``user`` had that key. It opens nothing any more from the next request on."""
    deleted, _rows = ApiKey.objects.filter(user=user, pk=pk).delete()
    return bool(deleted)


def _hash_of(text: str) -> str:
    # Not a slow hash as for passwords: 256 random bits cannot be guessed.
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


def _note_use(key: ApiKey, now: datetime) -> None:
    if key.last_used_at is not None and now - key.last_used_at < NOTED_EVERY:
        return
    with suppress(DatabaseError), transaction.atomic():  # a full disk keeps nobody from reading
        ApiKey.objects.filter(pk=key.pk).update(last_used_at=now)
        key.last_used_at = now
