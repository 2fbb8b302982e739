"""Who asks: a key of a program, else the session of a signed-in browser; and what that key may do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib.auth.models import User
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from album.models import ApiKey
from album.services.api_keys import find_key

if TYPE_CHECKING:
    from rest_framework.views import APIView  # which imports what its settings name: this


class KeyAuthentication(BaseAuthentication):
    """``Authorization: Bearer KEY``; the key is then ``request.auth``.

    Passwords are not taken: they would go past the second step, and cost 0.3 s of a core each.
    """

    def authenticate(self, request: Request) -> tuple[User, ApiKey] | None:
        word, _, text = request.headers.get("Authorization", "").partition(" ")
        if word.lower() != "bearer":
            return None
        key = find_key(text.strip())
        if key is None:
            raise AuthenticationFailed("This key is not known, or its time is over, or it was revoked.")
        return key.user, key

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="api"'


class KeyMay(BasePermission):
    """True if the request comes with a session, or with a key that may do this.

    To look takes ``read``; all else takes ``write``, or the view's own ``scope``, which is enough to look there.
    """

    def has_permission(self, request: Request, view: APIView) -> bool:
        if not isinstance(request.auth, ApiKey):
            return True
        own = getattr(view, "scope", ApiKey.Scope.WRITE)
        enough = {own, ApiKey.Scope.READ} if request.method in SAFE_METHODS else {own}
        if enough.isdisjoint(request.auth.scopes):
            raise PermissionDenied(f"This key lacks the scope {' or '.join(sorted(enough))}.")
        return True
