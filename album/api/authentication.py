"""Who asks: name and password where they cannot be overheard, else the session of a signed-in browser."""

from __future__ import annotations

import time
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.core.cache import cache
from django.utils.crypto import salted_hmac
from rest_framework.authentication import BasicAuthentication
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied, Throttled
from rest_framework.request import Request

LOOPBACK = {"127.0.0.1", "::1"}
KNOWN_FOR_S = 300
"""Measured: checking a password takes 0.3 s of a core, by design, and a program asks every second or two."""
MAX_FAILURES = 10
"""Wrong passwords per minute, account and address."""


class PrivateBasicAuthentication(BasicAuthentication):
    """Name and password in each request, over HTTPS or from this machine.

    What was right or wrong is remembered in Django's cache, which is the memory of this process.
    """

    def authenticate_credentials(self, userid: str, password: str, request: Any = None) -> Any:
        if not _is_private(request):
            raise PermissionDenied("A password is taken over HTTPS only.")
        if "\0" in userid:  # PostgreSQL cannot even look for it
            raise AuthenticationFailed
        user = User.objects.filter(username=userid, is_active=True).first()
        if user is not None and cache.get(_key(user, password)):
            return user, None
        now = int(time.time())
        failures = f"{__name__}:{now // 60}:{_address(request)}:{salted_hmac(__name__, userid).hexdigest()}"
        if cache.get(failures, 0) >= MAX_FAILURES:
            raise Throttled(60 - now % 60, "Too many wrong passwords.")
        try:
            user, _ = super().authenticate_credentials(userid, password, request)
        except AuthenticationFailed:
            cache.set(failures, cache.get(failures, 0) + 1, 60)
            raise
        cache.set(_key(user, password), True, KNOWN_FOR_S)
        return user, None

    def authenticate_header(self, request: Request) -> str | None:
        """None, so 403 and not 401, where a browser would ask for the password and send it openly."""
        return super().authenticate_header(request) if _is_private(request) else None


def _is_private(request: Request) -> bool:
    """True if nobody on the way can read along. A proxy on this machine says that it asks for somebody else."""
    is_local = request.META.get("REMOTE_ADDR") in LOOPBACK and "X-Forwarded-For" not in request.headers
    return settings.DEBUG or request.is_secure() or is_local


def _key(user: User, password: str) -> str:
    """Stands for the password while it is the account's; neither can be told from it."""
    return salted_hmac(__name__, f"{user.password}\0{password}", algorithm="sha256").hexdigest()


def _address(request: Request) -> str:
    """Whom the request comes from. Of what a proxy says only its own word, the last one, is believed."""
    told = request.headers.get("X-Forwarded-For", "") if settings.BEHIND_TLS else ""
    return told.rpartition(",")[2].strip() or str(request.META.get("REMOTE_ADDR"))
