"""Bodies of requests."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import IO, Any

from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser


class JSON(JSONParser):
    """JSON, and where it is nested too deep to be read or holds what can be neither kept nor told, words."""

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        try:
            told = super().parse(stream, media_type, parser_context)
            json.dumps(told, ensure_ascii=False).encode()
        except RecursionError:
            raise ParseError("This JSON is nested too deep.") from None
        except UnicodeEncodeError:
            raise ParseError("This JSON holds half a character: a surrogate without its other half.") from None
        return told
