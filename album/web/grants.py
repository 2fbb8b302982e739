"""Grants: what the access rule answered a moment ago, signed, so that a picture can be had without asking again.

A *scope* names by what right a picture is seen: ``u7``, user 7 owns it; ``v7.3f``, user 7 saw it among what others
share; ``s5.a1``, the shared link 5 shows it. Its address carries the scope and a MAC over scope, item and content:
a fact that stays true under one epoch. The cookie says for which user and which links a browser stands. Neither is
worth anything without the other, and both end with the epochs, which each process reads every few seconds.
See docs/decisions/0013-grants.md.
"""

from __future__ import annotations

import hashlib
import re
import time
from dataclasses import dataclass, field
from functools import lru_cache
from hmac import compare_digest
from threading import Lock
from typing import Any, NamedTuple

from django.conf import settings
from django.contrib.auth.models import User
from django.db.models import BigIntegerField, Case, CharField, DateTimeField, F, QuerySet, Value, When
from django.db.models.functions import Cast

from album.models import GrantEpoch, ShareLink
from album.models.access import cookie_scope, link_scope, sight_scope

COOKIE = "grants"
LIFE_S, RENEW_S = 30 * 60, 10 * 60
"""So long a cookie is worth something at the door, and so old it is when any page renews it."""
LINKS_LIFE_S = 24 * 3600
"""So long a browser need not open a shared link again: beyond LIFE_S the link's row is asked each time."""
LINKS_MAX = 8
KNOWN_FOR_S = 5.0
"""So long a process trusts what it read of users, links and epochs; a minute is what was promised."""

_COOKIE = re.compile(r"((?:[us]\d{1,18}\.[0-9a-f]{16}_?){1,9})~([0-9a-f]{1,12})~([0-9a-f]{32})")
_HELD = re.compile(r"([us])(\d+)\.([0-9a-f]{16})")


@lru_cache(maxsize=4)
def _keyed(secret: str) -> Any:
    return hashlib.blake2s(key=hashlib.sha256(b"album.web.grants" + secret.encode()).digest(), digest_size=16)


def sign(text: str) -> str:
    """The MAC of ``text`` under the key of this installation: 32 hexadecimal digits.

    Measured: 0.6 µs by keyed BLAKE2s, 1.6 µs by HMAC-SHA256, 2026-11.
    """
    mac = _keyed(settings.SECRET_KEY).copy()
    mac.update(text.encode())
    return str(mac.hexdigest())


def is_signed(text: str, mac: str) -> bool:
    return compare_digest(sign(text), mac)


class KnownLink(NamedTuple):
    """The stamp of a link in a cookie, its maker, and when it expires, in seconds since 1970."""

    stamp: str
    maker_id: int
    expires_at: float


@dataclass(frozen=True, slots=True)
class Known:
    """What a process knows of users, links and epochs: enough to tell whether a grant still counts."""

    read_at: float = float("-inf")
    epochs: dict[str, int] = field(default_factory=dict)
    users: dict[int, str] = field(default_factory=dict)
    """The stamp of the cookies of each active user."""
    admins: frozenset[int] = frozenset()
    links: dict[int, KnownLink] = field(default_factory=dict)

    def user_stamp(self, user_id: int, password: str, is_admin: bool) -> str:
        """Another one as soon as the password, the rights or the epoch of the cookies changes."""
        return sign(f"{cookie_scope(user_id)}/{self.epochs.get(cookie_scope(user_id), 0)}/{is_admin}/{password}")[
            :16
        ]

    def sight_of_user(self, user_id: int, is_admin: bool) -> str:
        """The scope in which the user sees what others own."""
        scope = sight_scope(user_id)
        return f"{scope}.{self.epochs.get(scope, 0):x}{'s' * is_admin}"

    def sight_of_link(self, link_id: int, maker_id: int) -> str:
        """The scope of what the link shows, which also depends on what its maker may share."""
        scope = link_scope(link_id)
        return f"{scope}.{self.epochs.get(scope, 0):x}{'s' * (maker_id in self.admins)}"


def link_stamp(link_id: int, password: str) -> str:
    """The stamp of a link in a cookie: another one as soon as its password changes."""
    return sign(f"{link_scope(link_id)}/{password}")[:16]


class Ledger:
    """What this process knows, read again by one query when it is older than ``KNOWN_FOR_S``."""

    def __init__(self) -> None:
        self.known = Known()
        self._lock = Lock()

    def is_old(self) -> bool:
        return time.monotonic() - self.known.read_at > KNOWN_FOR_S

    def fresh(self) -> Known:
        """What is known, at most ``KNOWN_FOR_S`` old. Raises DatabaseError."""
        if self.is_old():
            with self._lock:
                if self.is_old():  # nobody else read it meanwhile
                    self.known = _read()
        return self.known

    def read(self) -> Known:
        """What is known from now on. Raises DatabaseError."""
        with self._lock:
            self.known = _read()
        return self.known


ledger = Ledger()


def _read() -> Known:
    started = time.monotonic()
    epochs: dict[str, int] = {}
    users: list[tuple[int, str, bool]] = []
    links: dict[int, KnownLink] = {}
    for kind, pk, number, text, until in _rows():
        if kind == "u":
            users.append((pk, text, bool(number)))
        elif kind == "s":
            links[pk] = KnownLink(link_stamp(pk, text), number, until.timestamp() if until else float("inf"))
        else:
            epochs[text] = number
    known = Known(started, epochs, {}, frozenset(pk for pk, _, is_admin in users if is_admin), links)
    known.users.update({pk: known.user_stamp(pk, password, is_admin) for pk, password, is_admin in users})
    return known


def _rows() -> Any:
    """Active users, links that hold, and epochs, in one query: kind, id, number, text, moment or None."""

    def told(rows: QuerySet[Any], kind: str, number: Any, text: str, until: Any = None) -> Any:
        columns = {
            "kind": Value(kind, CharField()),
            "number": Cast(number, BigIntegerField()),
            "text": Cast(text, CharField()),
            "until": Cast(until or Value(None), DateTimeField()),
        }
        return rows.order_by().annotate(**columns).values_list("kind", "pk", "number", "text", "until")

    is_admin = Case(When(is_superuser=True, then=Value(1)), default=Value(0))
    users = told(User.objects.filter(is_active=True), "u", is_admin, "password")
    held = ShareLink.objects.filter(revoked_at=None, created_by__is_active=True)
    links = told(held, "s", F("created_by"), "password", F("expires_at"))
    return users.union(links, told(GrantEpoch.objects.all(), "e", F("epoch"), "scope"), all=True)


@dataclass(frozen=True, slots=True)
class Held:
    """What a cookie says: a user or none, links, and when it was given, in seconds since 1970."""

    user: tuple[int, str] | None
    links: dict[int, str]
    given_at: float

    @classmethod
    def read(cls, text: str) -> Held | None:
        """What the cookie ``text`` holds; None where it was not made by this installation, or is too old."""
        match = _COOKIE.fullmatch(text)
        if match is None or not is_signed(f"{match[1]}~{match[2]}", match[3]):
            return None
        given_at = int(match[2], 16)
        if not 0 <= time.time() - given_at + 60 <= LINKS_LIFE_S:
            return None
        stamps = {kind + pk: (int(pk), stamp) for kind, pk, stamp in _HELD.findall(match[1])}
        links = dict(stamp for name, stamp in stamps.items() if name[0] == "s")
        return cls(next((stamp for name, stamp in stamps.items() if name[0] == "u"), None), links, given_at)

    def __str__(self) -> str:
        user = [f"u{self.user[0]}.{self.user[1]}"] if self.user else []
        links = [f"s{pk}.{stamp}" for pk, stamp in list(self.links.items())[-LINKS_MAX:]]
        text = f"{'_'.join(user + links)}~{int(self.given_at):x}"
        return f"{text}~{sign(text)}"

    @classmethod
    def now(cls, user: tuple[int, str] | None, links: dict[int, str]) -> Held:
        return cls(user, links, time.time())

    @property
    def age_s(self) -> float:
        return time.time() - self.given_at
