"""The request of a view behind ``login_required``."""

from __future__ import annotations

from django.contrib.auth.models import User
from django.http import HttpRequest


class MemberRequest(HttpRequest):
    """A request whose user is signed in."""

    user: User
