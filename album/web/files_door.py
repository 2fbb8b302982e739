"""The small pictures of an item, given out in front of Django to whoever holds a grant.

The door opens, or it does not and Django asks the whole rule: it never refuses. What it needs is in the request:
the fact in the address, the viewer in the cookie. No session, no row, no middleware.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, BinaryIO
from urllib.parse import quote
from wsgiref.util import FileWrapper

from django.conf import settings
from django.db import DatabaseError, close_old_connections

from album.media.renditions import ANIMATION, GRID, LARGE_AVIF, PREVIEW
from album.preparation.paths import rendition_folder
from album.web.grants import COOKIE, LIFE_S, Held, Known, is_signed, ledger

FOREVER = "private, max-age=31536000, immutable"
SANDBOX = "default-src 'none'; sandbox"
"""A polyglot file must not run as a page of this site even if a browser is talked into showing it."""
AVIF = "image/avif"
SMALL = {"thumbnail": GRID, "preview": PREVIEW, "animation": ANIMATION}
"""The file of each name."""
_ALWAYS = [("Cache-Control", FOREVER), ("Content-Security-Policy", SANDBOX), ("X-Content-Type-Options", "nosniff")]
_HEADERS = {
    GRID: [("Content-Type", "image/webp"), *_ALWAYS],
    ANIMATION: [("Content-Type", "image/webp"), *_ALWAYS],
    PREVIEW: [("Content-Type", "image/jpeg"), ("Vary", "Accept"), *_ALWAYS],
    LARGE_AVIF: [("Content-Type", AVIF), ("Vary", "Accept"), *_ALWAYS],
}

_PATH = re.compile(r"/media/(\d{1,18})/(thumbnail|preview|animation)/")
_QUERY = re.compile(r"v=([0-9a-f]{64})&g=(([uvs])(\d{1,18})(?:\.[0-9a-f]{1,8}s?)?)\.([0-9a-f]{32})")
_COOKIE = re.compile(rf"(?:^|; ?){COOKIE}=([^;]+)")

Environ = dict[str, Any]
Headers = list[tuple[str, str]]
Start = Callable[..., Any]
Application = Callable[[Environ, Start], Iterable[bytes]]


class FilesDoor:
    """A WSGI application: the picture for whom a grant holds, else what ``application`` answers."""

    def __init__(self, application: Application) -> None:
        self._application = application
        # Asked for once: of all that the door does, only the two MACs cost more than a setting.
        self._folder, self._by_nginx = str(settings.MEDIA_ROOT), bool(settings.X_ACCEL_REDIRECT_PREFIX)

    def __call__(self, environ: Environ, start: Start) -> Iterable[bytes]:
        path = _PATH.fullmatch(environ["PATH_INFO"]) if environ["REQUEST_METHOD"] == "GET" else None
        query = _QUERY.fullmatch(environ["QUERY_STRING"]) if path and "HTTP_RANGE" not in environ else None
        if path and query and _may_see(environ, int(path[1]), query):
            folder = rendition_folder(query[1])
            for name, headers in _choices(path[2], environ):
                answer = (self._tell if self._by_nginx else self._send)(f"{folder}/{name}", headers, environ, start)
                if answer is not None:
                    return answer
        return self._application(environ, start)

    def _tell(self, name: str, headers: Headers, _environ: Environ, start: Start) -> Iterable[bytes] | None:
        """What tells nginx to send the file; None where there is none, or an empty one: there can be none."""
        try:
            if not os.stat(f"{self._folder}/{name}").st_size:  # noqa: PTH116 - a Path costs more than all the rest
                return None
        except OSError:
            return None
        # Without a length nginx drops its connection each time. Measured: 0.47 ms CPU, with it 0.34, 2026-11.
        start("200 OK", [*headers, ("X-Accel-Redirect", accel_address(name)), ("Content-Length", "0")])
        return []

    def _send(self, name: str, headers: Headers, environ: Environ, start: Start) -> Iterable[bytes] | None:
        """The file itself; None as above."""
        try:
            file = open(f"{self._folder}/{name}", "rb")  # noqa: PTH123, SIM115 - closed by the server
        except OSError:
            return None
        size_bytes = os.fstat(file.fileno()).st_size
        if not size_bytes:
            file.close()
            return None
        start("200 OK", [*headers, ("Content-Length", str(size_bytes))])
        wrapper: Callable[[BinaryIO], Iterable[bytes]] = environ.get("wsgi.file_wrapper", FileWrapper)
        return wrapper(file)


def accel_address(name: str) -> str:
    """What nginx is told to send: the file ``name``, relative to MEDIA_ROOT, in its internal location."""
    return f"{settings.X_ACCEL_REDIRECT_PREFIX}{quote(name)}"


def _choices(name: str, environ: Environ) -> Iterator[tuple[str, Headers]]:
    """Files that show what is asked for, the best first, and what is said of them."""
    if name == "preview" and AVIF in environ.get("HTTP_ACCEPT", ""):
        yield LARGE_AVIF, _HEADERS[LARGE_AVIF]
    yield SMALL[name], _HEADERS[SMALL[name]]


def _may_see(environ: Environ, pk: int, query: re.Match[str]) -> bool:
    """True if the address states a fact, the fact still counts, and the cookie stands for whom it is about."""
    sha256, scope, kind, number, mac = query.groups()
    if not is_signed(f"{scope}/{pk}/{sha256}", mac):
        return False
    found = _COOKIE.search(environ.get("HTTP_COOKIE", ""))
    held = Held.read(found[1]) if found else None
    if held is None or held.age_s > LIFE_S or (known := _known()) is None:
        return False
    if kind == "s":
        return _holds_link(known, held, int(number), scope)
    return _holds_user(known, held, int(number), scope)


def _holds_user(known: Known, held: Held, user_id: int, scope: str) -> bool:
    if held.user is None or held.user[0] != user_id or known.users.get(user_id) != held.user[1]:
        return False
    return scope in (f"u{user_id}", known.sight_of_user(user_id, user_id in known.admins))


def _holds_link(known: Known, held: Held, link_id: int, scope: str) -> bool:
    link = known.links.get(link_id)
    if link is None or link.stamp != held.links.get(link_id) or link.expires_at <= time.time():
        return False
    return scope == known.sight_of_link(link_id, link.maker_id)


def _known() -> Known | None:
    """What this process knows, or None where the database does not answer: Django will say so."""
    try:
        if ledger.is_old():
            close_old_connections()  # as Django does before a request: the server may have closed it meanwhile
        return ledger.fresh()
    except DatabaseError:
        return None
