"""Template tags of the doors: what stands on them (``{% entrance as door %}``), and names of browsers."""

from __future__ import annotations

from django.conf import settings
from django.template import Library
from django.utils.translation import gettext as _

register = Library()
# In this order: each also calls itself by names that come later.
PROGRAMS = {"Edg": "Edge", "OPR": "Opera", "Firefox": "Firefox", "Chrom": "Chrome", "Safari": "Safari"}
DEVICES = {"iPhone": "iPhone", "iPad": "iPad", "Android": "Android", "Windows": "Windows", "Mac OS": "macOS"}
DEVICES |= {"CrOS": "ChromeOS", "Linux": "Linux"}


@register.simple_tag
def entrance() -> dict[str, str | bool]:
    """``sso``: the name of the server one may sign in through, or ""; ``is_open``: anyone may make an account."""
    return {
        "sso": (settings.OIDC_NAME or "OpenID Connect") if settings.OIDC_ISSUER else "",
        "is_open": settings.REGISTRATION == "open",
        "sends_mail": not settings.EMAIL_BACKEND.endswith("dummy.EmailBackend"),
    }


@register.filter
def browser(user_agent: str) -> str:
    """What somebody signed in with, as people call it; the beginning of what it calls itself if it is not known."""
    program = next((name for mark, name in PROGRAMS.items() if mark in user_agent), None)
    device = next((name for mark, name in DEVICES.items() if mark in user_agent), None)
    if program and device:
        return _("%(program)s on %(device)s") % {"program": program, "device": device}
    return program or device or user_agent[:60] or _("Unknown browser")
