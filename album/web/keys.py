"""Programs at the doors of pages: what is too large for the API, or should not exist twice."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.models import AnonymousUser, User
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt, csrf_protect

from album.models import ApiKey
from album.services.api_keys import find_key

View = Callable[..., HttpResponse]


def user_of(request: HttpRequest, scope: ApiKey.Scope) -> User | AnonymousUser:
    """Who asks: by session, or a program by a key that may do this."""
    if not _is_program(request):
        return request.user
    key = find_key(request.headers["Authorization"].partition(" ")[2].strip())
    return key.user if key and scope in key.scopes else AnonymousUser()


def for_programs_too(scope: ApiKey.Scope) -> Callable[[View], View]:
    """The view for members, and for programs with a key that may do this; these have no token of a form."""

    def decorate(view: View) -> View:
        @csrf_exempt  # whoever comes by session is checked below
        @wraps(view)
        def asked(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if not _is_program(request):
                return csrf_protect(view)(request, *args, **kwargs)
            request.user = user_of(request, scope)  # as the middleware does
            return view(request, *args, **kwargs)

        return asked

    return decorate


def _is_program(request: HttpRequest) -> bool:
    return request.headers.get("Authorization", "").partition(" ")[0].lower() == "bearer"
