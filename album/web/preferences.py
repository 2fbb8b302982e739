"""Language, time zone and theme of the one who asks."""

from __future__ import annotations

from collections.abc import Callable
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import timezone, translation

from album.models import Preferences


class PreferencesMiddleware:
    """Activates what the signed-in user prefers, and sets ``request.theme``: "light", "dark" or "".

    Costs no query: the preferences come with the user (``album.web.account_adapter.Members``), who is asked for
    only where there is a session. Other visitors have the language that LocaleMiddleware found.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        preferred = _preferences_of(request)
        request.theme = "" if preferred.theme == Preferences.Theme.SYSTEM else preferred.theme  # type: ignore[attr-defined]
        if preferred.language in dict(settings.LANGUAGES):
            translation.activate(preferred.language)
            request.LANGUAGE_CODE = preferred.language
        with timezone.override(_zone(preferred.time_zone)):
            return self.get_response(request)


def _preferences_of(request: HttpRequest) -> Preferences:
    """The row of the signed-in user; for everybody else an empty one."""
    if settings.SESSION_COOKIE_NAME in request.COOKIES and request.user.is_authenticated:
        return getattr(request.user, "preferences", None) or Preferences()
    return Preferences()


def _zone(name: str) -> ZoneInfo | None:
    """That time zone; None, hence TIME_ZONE of the settings, without a name or where the system knows none."""
    try:
        return ZoneInfo(name) if name else None
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None
