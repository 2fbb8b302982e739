"""The answers of the API where something went wrong; REST framework's settings name what stands here."""

from __future__ import annotations

from typing import Any

from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import exception_handler

from album.exceptions import (
    AlbumError,
    BatchRefused,
    MediaError,
    QuotaExceeded,
    StorageError,
    UnsupportedMedia,
    WeightsMissing,
)
from album.services.bulk import AlbumForbidden, AlbumUnknown

STATUS_OF: tuple[tuple[type[AlbumError], int], ...] = (
    (AlbumForbidden, 403),
    (AlbumUnknown, 404),
    (WeightsMissing, 404),
    (BatchRefused, 409),
    (UnsupportedMedia, 415),
    (MediaError, 413),
    (AlbumError, 400),
)


class InsufficientStorage(exceptions.APIException):
    """The disk or the database takes nothing now."""

    status_code = 507


def answer_error(error: Exception, context: dict[str, Any]) -> Response | None:
    """Words and a status for REST framework's errors and ours; None, hence 500, for any other."""
    if isinstance(error, QuotaExceeded):
        error = exceptions.Throttled(error.retry_after_s, str(error))
    elif isinstance(error, StorageError):
        error = InsufficientStorage(str(error))
    return exception_handler(error, context)


def answer_in_one_shape(error: Exception, context: dict[str, Any]) -> Response | None:
    """The same as ``{"detail": words, "errors": {field: [words]}}``; no errors where no field is meant."""
    if isinstance(error, AlbumError) and not isinstance(error, QuotaExceeded | StorageError):
        status = next(status for kind, status in STATUS_OF if isinstance(error, kind))
        refused = exceptions.APIException(str(error))
        refused.status_code = status
        error = refused
    response = answer_error(error, context)
    if response is None:
        return None
    if isinstance(error, exceptions.ValidationError):
        errors = _by_field(response.data)
        response.data = {"detail": "Something in this request cannot be used.", "errors": errors}
    else:
        response.data = {"detail": str(response.data["detail"]), "errors": {}}
    return response


def _by_field(found: Any, name: str = "") -> dict[str, list[str]]:
    """Words by the field that they are about, ``ids.0`` for one in a list; of none: under an empty name."""
    if isinstance(found, dict):
        named = ((f"{name}.{key}" if name else str(key), inner) for key, inner in found.items())
        return {key: words for path, inner in named for key, words in _by_field(inner, path).items()}
    if isinstance(found, list) and any(isinstance(inner, dict | list) for inner in found):
        return _by_field(dict(enumerate(found)), name)
    return {name.removesuffix("non_field_errors").rstrip("."): [str(words) for words in found]} if found else {}
