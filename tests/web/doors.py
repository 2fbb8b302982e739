"""What a browser gets at the door for small pictures, and whether Django was asked."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

from django.contrib.auth.models import User
from django.test import Client

from album.models import MediaItem
from album.queries.access import sees_by_rule
from album.web.addresses import Holder, file_address
from album.web.files_door import FilesDoor
from album.web.grants import COOKIE, ledger

ASKED = 599
"""The status of the application behind the door in these tests."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came through the door."""

    status: int
    headers: dict[str, str]
    body: bytes


def knock(address: str, client: Client | None = None, method: str = "GET", **environ: str) -> Answer:
    """The answer to a request of that address with the cookies of ``client``."""
    told: list[Any] = []
    cookies = "; ".join(f"{name}={morsel.value}" for name, morsel in client.cookies.items()) if client else ""
    parts = urlsplit(address)
    request = {
        "REQUEST_METHOD": method,
        "PATH_INFO": unquote(parts.path),
        "QUERY_STRING": parts.query,
        "HTTP_COOKIE": cookies,
        **environ,
    }
    body = FilesDoor(_behind)(request, lambda status, headers: told.extend((status, headers)))
    content = b"".join(body)
    if close := getattr(body, "close", None):
        close()
    return Answer(int(told[0][:3]), dict(told[1]), content)


def is_let_in(address: str, client: Client | None) -> bool:
    """True if the door gave the picture out; if not, it left the answer to Django."""
    status = knock(address, client).status
    assert status in (200, ASKED)
    return status == 200


def status_of(client: Client, address: str) -> int:
    """What Django answers, read to its end."""
    answer = client.get(address)
    b"".join(answer)
    return int(answer.status_code)


def browser_of(user: User) -> Client:
    """A browser in which ``user`` has opened a page, and so has the cookie."""
    client = Client()
    client.force_login(user)
    client.get("/trash/")
    assert COOKIE in client.cookies
    return client


def address_for(user: User, item: MediaItem, name: str = "thumbnail") -> str:
    """What a page says to ``user`` now."""
    sight = ledger.fresh().sight_of_user(user.pk, user.is_superuser)
    return file_address(name, item, Holder(user.pk, sight, lambda: sees_by_rule(user)))


def _behind(_environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
    start(f"{ASKED} Asked", [])
    return [b"asked"]
