"""Who asks: name and password where they cannot be overheard, else the session of a signed-in browser."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from rest_framework.authentication import BasicAuthentication
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied
from rest_framework.request import Request

LOOPBACK = {"127.0.0.1", "::1"}


class PrivateBasicAuthentication(BasicAuthentication):
    """Name and password in each request, over HTTPS or from this machine."""

    def authenticate_credentials(self, userid: str, password: str, request: Any = None) -> Any:
        if not _is_private(request):
            raise PermissionDenied("A password is taken over HTTPS only.")
        if "\0" in userid:  # PostgreSQL cannot even look for it
            raise AuthenticationFailed
        return super().authenticate_credentials(userid, password, request)

    def authenticate_header(self, request: Request) -> str | None:
        """None, so 403 and not 401, where a browser would ask for the password and send it openly."""
        return super().authenticate_header(request) if _is_private(request) else None


def _is_private(request: Request) -> bool:
    """True if nobody on the way can read along. A proxy on this machine says that it asks for somebody else."""
    is_local = request.META.get("REMOTE_ADDR") in LOOPBACK and "X-Forwarded-For" not in request.headers
    return settings.DEBUG or request.is_secure() or is_local
