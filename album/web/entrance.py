"""What the pages in front of the sign-in are told, as a template tag: ``{% entrance as door %}``."""

from __future__ import annotations

from django.conf import settings
from django.template import Library

register = Library()


@register.simple_tag
def entrance() -> dict[str, str | bool]:
    """``sso``: the name of the server one may sign in through, or ""; ``is_open``: anyone may make an account."""
    return {
        "sso": (settings.OIDC_NAME or "OpenID Connect") if settings.OIDC_ISSUER else "",
        "is_open": settings.REGISTRATION == "open",
        "sends_mail": not settings.EMAIL_BACKEND.endswith("dummy.EmailBackend"),
    }
