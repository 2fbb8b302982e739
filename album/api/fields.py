"""What programs send, taken as it is written: a number is no text and a text no number, here as in the schema."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.http import QueryDict
from rest_framework import serializers

DIGITS_MAX = 18
BIGGEST = 2**63 - 1
"""What the database takes for an id."""


class Text(serializers.CharField):
    """A text, and no number in its place. Its length counts as it came."""

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            raise serializers.ValidationError("A text is needed.")
        if self.max_length is not None and len(data) > self.max_length:
            raise serializers.ValidationError(f"At most {self.max_length} characters.")
        return str(super().to_internal_value(data))


class Whole(serializers.IntegerField):
    """A whole number: as JSON knows it in a body, in digits in an address."""

    def to_internal_value(self, data: Any) -> int:
        if isinstance(data, str) and self._is_in_address and data.isascii():
            data = int(data) if data.isdecimal() and len(data) <= DIGITS_MAX else data
        if isinstance(data, float) and data.is_integer():
            data = int(data)
        if isinstance(data, bool) or not isinstance(data, int):
            raise serializers.ValidationError("A whole number is needed.")
        return data

    @property
    def _is_in_address(self) -> bool:
        return isinstance(self.root, Query)


class Number(serializers.FloatField):
    """A number of JSON."""

    def to_internal_value(self, data: Any) -> float:
        if isinstance(data, bool) or not isinstance(data, int | float) or abs(data) > BIGGEST:
            raise serializers.ValidationError("A number is needed.")
        return float(data)


class Switch(serializers.BooleanField):
    """``true`` or ``false``."""

    def to_internal_value(self, data: Any) -> bool:
        known = {"true": True, "false": False} if isinstance(self.root, Query) else {}
        if isinstance(data, str) and data in known:
            return known[data]
        if not isinstance(data, bool):
            raise serializers.ValidationError("Write true or false.")
        return data


class Id(Whole):
    """The number of a row."""

    def __init__(self, **options: Any) -> None:
        super().__init__(min_value=1, max_value=BIGGEST, **options)


class Ids(serializers.ListField):
    """Numbers of rows."""

    def __init__(self, **options: Any) -> None:
        super().__init__(child=Id(), allow_empty=False, **options)


class Strict(serializers.Serializer[Any]):
    """Refuses names that it does not know: a misspelt one would do something else than was meant."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, Mapping):
            unknown = [str(name)[:80] for name in data if name not in self.fields]
            if unknown:
                raise serializers.ValidationError({name: ["This is not known here."] for name in unknown})
        return super().to_internal_value(data)


class Body(Strict):
    """What stands in the body of a request."""


class Query(Strict):
    """What stands behind the question mark of an address; each name once."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, QueryDict):
            twice = [name for name, values in data.lists() if len(values) != 1]
            if twice:
                raise serializers.ValidationError({name: ["Give this once."] for name in twice})
            data = data.dict()  # else REST framework takes what is empty for what is not there
        return super().to_internal_value(data)


class Place(Query):
    """A piece of a list: how many rows, from which place on."""

    limit = Whole(min_value=1, max_value=500, default=100, help_text="Rows at most.")
    before = serializers.CharField(
        max_length=400, default="", help_text="The place to read on from: follow `next` instead of making one."
    )
