"""What every page gets: headers that keep strangers and scripts out, and the cookie by which it shows pictures."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.auth.models import AnonymousUser, User
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from django.utils.functional import cached_property

from album.models import ShareLink
from album.queries.access import sees_by_rule
from album.queries.sharing import valid_links
from album.web.addresses import Holder
from album.web.grants import COOKIE, LINKS_LIFE_S, RENEW_S, Held, Known, ledger, link_stamp

POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; "
    "connect-src 'self'; worker-src 'self'; manifest-src 'self'; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'"
)
PERMISSIONS = "camera=(), geolocation=(), microphone=(), payment=(), usb=(), browsing-topics=()"
"""No page asks a browser for these. Passkeys, full screen and the clipboard stay as browsers have them."""


def policy() -> str:
    """``POLICY``, with the one host from which the tiles of maps come where an administrator chose one."""
    tiles = urlsplit(settings.MAP_TILES_URL)
    host = f" {tiles.scheme}://{tiles.netloc.replace('{s}', '*')}" if tiles.netloc else ""
    return POLICY.replace("img-src 'self'", f"img-src 'self'{host}")


class ContentSecurityPolicy:
    """Adds its headers unless a view has set its own. What is not said to be kept is kept by nobody."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        response.headers.setdefault("Content-Security-Policy", policy())
        response.headers.setdefault("Permissions-Policy", PERMISSIONS)
        response.headers.setdefault("Cache-Control", "private, no-store")
        return response


class Grants:
    """Adds ``request.grants``, and gives or renews the cookie where a page asked who is there."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        visit = Visit(request)
        request.grants = visit  # type: ignore[attr-defined]
        response = self.get_response(request)
        visit.give_cookie(response)
        return response


class Visit:
    """What the browser of one request holds, by the epochs of before its rows are read."""

    def __init__(self, request: HttpRequest) -> None:
        self._request = request
        self.held = Held.read(request.COOKIES.get(COOKIE, "")) or Held(None, {}, 0)
        self._links = dict(self.held.links)
        self._known = Known()
        if COOKIE in request.COOKIES or settings.SESSION_COOKIE_NAME in request.COOKIES:
            self._look()

    @cached_property
    def holder(self) -> Holder | None:
        """For whom the addresses of this page are made: the user who is signed in, or nobody."""
        user = self._user
        if not isinstance(user, User):
            return None
        return Holder(user.pk, self._known.sight_of_user(user.pk, user.is_superuser), lambda: sees_by_rule(user))

    def opened_links(self) -> list[ShareLink]:
        """Links that hold and that this browser has opened, under the password it has now, the widest first.

        By their rows: of a link that was made a moment ago this process may not know yet.
        """
        if not self._links:
            return []
        held = valid_links().filter(pk__in=list(self._links)).select_related("album", "created_by")
        held = held.order_by("-shows_location", "-may_download")
        return [link for link in held if self.has_opened(link)]

    def open_link(self, link: ShareLink) -> Holder:
        """For whom the addresses of the pages of ``link`` are made. Its cookie goes with the answer.

        Call it once the token, and the password if there is one, were right, and before its items are read.
        """
        self._links[link.pk] = link_stamp(link.pk, link.password)
        if (told := self._known.links.get(link.pk)) is None or told.stamp != self._links[link.pk]:
            self._look(anew=True)
        sight = self._known.sight_of_link(link.pk, link.created_by_id)
        return Holder(None, sight, lambda: link.album is not None and link.album.rule is not None)

    def has_opened(self, link: ShareLink) -> bool:
        """True where this browser has opened ``link`` before, under the password that it has now."""
        return self._links.get(link.pk) == link_stamp(link.pk, link.password)

    def give_cookie(self, response: HttpResponse) -> None:
        """Sets the cookie where it is due; a request that asked for no session leaves everything as it is."""
        user = self._told_user()
        if (user, self._links) == (self.held.user, self.held.links) and (
            self.held.age_s < RENEW_S or not (user or self._links)
        ):
            return
        if user is None and not self._links:
            response.delete_cookie(COOKIE, samesite="Lax")
            return
        cookie = str(Held.now(user, self._links))
        secure = settings.SESSION_COOKIE_SECURE
        response.set_cookie(COOKIE, cookie, LINKS_LIFE_S, httponly=True, samesite="Lax", secure=secure)

    def _told_user(self) -> tuple[int, str] | None:
        """The user for the cookie. Who was not asked for is who it was: that would cost the session's query.

        Without a session there is none: a cookie that somebody took cannot renew itself.
        """
        session = getattr(self._request, "session", None)
        if session is None or not session.accessed:
            return self.held.user if settings.SESSION_COOKIE_NAME in self._request.COOKIES else None
        user = self._user
        if not isinstance(user, User) or not user.is_active or session.get(SESSION_KEY) != str(user.pk):
            return None  # a program with a key gets none: not every key may look at pictures
        stamp = self._known.user_stamp(user.pk, user.password, user.is_superuser)
        if self._known.users.get(user.pk) != stamp:
            self._look(anew=True)  # signed in a moment ago, or with a new password
            stamp = self._known.user_stamp(user.pk, user.password, user.is_superuser)
        return user.pk, stamp

    @property
    def _user(self) -> User | AnonymousUser:
        user = self._request.user
        return user

    def _look(self, *, anew: bool = False) -> None:
        with suppress(DatabaseError):  # the view will tell of it
            self._known = ledger.read() if anew else ledger.fresh()
