"""The schema of the API (OpenAPI), made of what the endpoints state of themselves."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import Any

from django.urls import path
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import get_doc
from drf_spectacular.utils import OpenApiResponse
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from album.api.endpoints import Endpoint, Resource
from album.api.fields import Strict
from album.api.urls import ROUTES, V1

READING = (400, 401, 403, 404, 429)
WRITING = (409, 413, 415, 507)
WORDS = {
    400: "Something in the request cannot be used.",
    401: "No key, or one that does not count any more.",
    403: "You may not do this, or the key may not.",
    404: "There is no such thing that you may see.",
    409: "Not now: something else is under way.",
    413: "The file is too large.",
    415: "The body, or the file, is of a type that is not taken.",
    429: "Too often; `Retry-After` says how many seconds to wait.",
    507: "The disk is full or not there. Nothing was kept.",
}


class Problem(serializers.Serializer[Any]):
    """What went wrong, in words; `errors` by field, where fields are at fault."""

    detail = serializers.CharField()
    errors = serializers.DictField(  # type: ignore[assignment]
        child=serializers.ListField(child=serializers.CharField())
    )


class Schema(AutoSchema):  # type: ignore[misc]  # without types
    """Reads what ``endpoint`` has noted at the method."""

    @property
    def _endpoint(self) -> Endpoint:
        spec: Endpoint = getattr(self.view, self.method.lower()).endpoint
        return spec

    def get_operation_id(self) -> str:
        return f"{type(self.view).__name__}_{self.method.lower()}"

    def get_tags(self) -> list[str]:
        return [self.path.removeprefix(f"/{V1}").partition("/")[0] or "resources"]

    def get_description(self) -> str:
        return str(get_doc(getattr(self.view, self.method.lower())))

    def get_auth(self) -> list[dict[str, list[str]]]:
        return [{"key": []}, {"session": []}]

    def get_override_parameters(self) -> list[Any]:
        query = self._endpoint.query
        return [query] if query().fields else []

    def get_request_serializer(self) -> Any:
        return self._endpoint.body

    def get_response_serializers(self) -> Any:
        spec = self._endpoint
        statuses = READING if self.method == "GET" else (*READING, *WRITING)
        answers = dict.fromkeys((spec.status, *spec.also), spec.answer)
        return answers | {status: OpenApiResponse(Problem, WORDS[status]) for status in statuses}

    def _map_basic_serializer(self, serializer: Any, direction: Any) -> Any:
        schema = super()._map_basic_serializer(serializer, direction)
        if isinstance(serializer, Strict):
            schema["additionalProperties"] = False
        return schema


@cache
def schema() -> dict[str, Any]:
    """The schema. Measured: 0.25 s to make, so it is made once."""
    patterns = []
    for route, module, view, name in ROUTES:
        if name != "schema":
            found = getattr(import_module(f"album.api.{module}"), view)
            patterns.append(path(V1 + route, found.as_view(), name=name))
    made: dict[str, Any] = _without_marks(SchemaGenerator(patterns=patterns).get_schema(public=True))
    return made


def _without_marks(part: Any) -> Any:
    """``part`` without what drf-spectacular notes for itself."""
    if isinstance(part, dict):
        return {name: _without_marks(value) for name, value in part.items() if name != "x-spec-enum-id"}
    return [_without_marks(value) for value in part] if isinstance(part, list) else part


class SchemaView(Resource):
    """For everybody: it tells nothing of anybody."""

    permission_classes = [AllowAny]
    throttle_classes = []

    def get(self, request: Request) -> Response:
        return Response(schema())
