"""The answers of the API where something went wrong; REST framework's settings name what stands here."""

from __future__ import annotations

from typing import Any

from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import exception_handler

from album.exceptions import QuotaExceeded, StorageError


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
