"""The requests of views: anybody's, and those behind ``login_required``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib.auth.models import User
from django.http import HttpRequest

if TYPE_CHECKING:
    from album.web.middleware import Visit


class VisitorRequest(HttpRequest):
    """A request of anybody. ``grants``: what the browser holds, and for whom addresses are made."""

    grants: Visit


class MemberRequest(VisitorRequest):
    """A request whose user is signed in."""

    user: User
