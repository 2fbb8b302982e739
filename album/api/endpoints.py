"""What all resources under ``/api/v1/`` have in common: an endpoint states what it takes and answers, once.

``endpoint`` reads the request by that, and the schema is made of it, so that they cannot differ.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, wraps
from typing import Any, TypeVar, cast
from urllib.parse import urlencode

from django.contrib.auth.models import User
from django.db.models import Model, QuerySet
from django.http import HttpResponseBase
from django.utils.cache import get_conditional_response, patch_cache_control
from django.utils.http import quote_etag
from rest_framework import serializers
from rest_framework.exceptions import NotFound, PermissionDenied
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from album.api.errors import answer_in_one_shape
from album.api.fields import Place, Query, Strict
from album.api.parsers import JSON
from album.api.throttling import RateLimit

Shape = type[serializers.BaseSerializer[Any]]
Method = Callable[..., Any]
Row = TypeVar("Row", bound=Model)


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """What a method takes and answers. ``also``: other statuses that come with the same answer."""

    answer: Shape | None
    query: type[Query]
    body: type[Strict] | None
    status: int
    also: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Told:
    """What to answer where the status is another one than usual."""

    about: Any
    status: int


def endpoint(
    answer: Shape | None = None,
    *,
    query: type[Query] = Query,
    body: type[Strict] | None = None,
    status: int = 200,
    also: tuple[int, ...] = (),
) -> Callable[[Method], Method]:
    """The method, called with what was asked, as ``query`` and ``body`` read it; ``answer`` shows its result."""

    def decorate(method: Method) -> Method:
        @wraps(method)
        def called(view: APIView, request: Request, **path: Any) -> HttpResponseBase:
            asked = _read(query, request.query_params)
            if body is not None:
                asked |= _read(body, request.data)
            if any("\0" in str(name) for name in path.values()):  # PostgreSQL cannot even look for it
                raise NotFound("Not found.")
            told = method(view, request, asked, **path)
            about, code = (told.about, told.status) if isinstance(told, Told) else (told, status)
            if answer is None:
                return Response(status=204)
            return Response(answer(about, context={"request": request}).data, status=code)

        spec = Endpoint(answer=answer, query=query, body=body, status=status if answer else 204, also=also)
        called.endpoint = spec  # type: ignore[attr-defined]
        return called

    return decorate


def _read(shape: type[Strict], data: Any) -> dict[str, Any]:
    reader = shape(data=data)
    reader.is_valid(raise_exception=True)
    return dict(reader.validated_data)


class Resource(APIView):
    """JSON in, JSON out. What was asked for once can be asked about: ``If-None-Match``."""

    parser_classes: Sequence[type[BaseParser]] = [JSON]
    throttle_classes = [RateLimit]
    metadata_class = None

    def get_exception_handler(self) -> Callable[..., Response | None]:
        return answer_in_one_shape

    def finalize_response(self, request: Any, response: Any, *args: Any, **kwargs: Any) -> Any:
        response = super().finalize_response(request, response, *args, **kwargs)
        if request.method == "GET" and response.status_code == 200 and isinstance(response, Response):
            response.add_post_render_callback(lambda rendered: _with_tag(request, rendered))
        return response


def _with_tag(request: Any, response: Response) -> HttpResponseBase | None:
    digest = hashlib.blake2b(response.content, digest_size=12).hexdigest()
    response.headers["ETag"] = quote_etag(digest)
    patch_cache_control(response, private=True, no_cache=True)
    answer = get_conditional_response(request, etag=response.headers["ETag"], response=response)
    return cast(HttpResponseBase | None, answer)


def member(request: Request) -> User:
    """Who asks: nobody else passes the permissions."""
    return cast(User, request.user)


def found(rows: QuerySet[Row], pk: int) -> Row:
    """The row of that number. Raises NotFound."""
    row = rows.filter(pk=pk).first()
    if row is None:
        raise NotFound("Not found.")
    return row


def allowed(may: QuerySet[Row], sees: QuerySet[Row], pk: int) -> Row:
    """The row of that number where the user may change it.

    Raises:
        PermissionDenied: the user sees it only.
        NotFound: or not even that.
    """
    row = may.filter(pk=pk).first()
    if row is None:
        found(sees, pk)
        raise PermissionDenied("You may look at this, and not change it.")
    return row


def page(request: Request, rows: list[Any], after: object | None, **more: Any) -> dict[str, Any]:
    """A piece of a list with the address of the next one; ``after`` is the place of its last row."""
    return {"results": rows, "next": None if after is None else _address(request, str(after)), **more}


def _address(request: Request, after: str) -> str:
    kept = {name: value for name, value in request.query_params.items() if name != "before"}
    return request.build_absolute_uri(f"{request.path}?{urlencode(kept | {'before': after})}")


@cache
def page_of(
    shape: Shape, name: str = "", **more: serializers.Field[Any, Any, Any, Any]
) -> type[serializers.Serializer[Any]]:
    """How a piece of a list of ``shape`` is shown; with ``more`` fields it has a ``name`` of its own."""
    fields = {
        "results": shape(many=True),
        "next": serializers.URLField(allow_null=True, help_text="The next piece; null at the end."),
        **more,
    }
    return type(f"{name or shape.__name__}Page", (serializers.Serializer,), fields)


def cut_by_id(
    rows: QuerySet[Row], asked: dict[str, Any], *, newest_first: bool = False
) -> tuple[list[Row], int | None]:
    """A piece of ``rows`` by their numbers, and the place after it where there are others."""
    before = asked["before"]
    if before:
        place = int(before) if before.isascii() and before.isdecimal() and len(before) < 19 else 0
        rows = rows.filter(**{"pk__lt" if newest_first else "pk__gt": place})
    limit = asked["limit"]
    read = list(rows.order_by("-pk" if newest_first else "pk")[: limit + 1])
    return read[:limit], read[limit - 1].pk if len(read) > limit else None


__all__ = ("Place", "Resource", "allowed", "cut_by_id", "endpoint", "found", "member", "page", "page_of")
