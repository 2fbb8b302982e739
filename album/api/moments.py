"""Moments as programs write them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from rest_framework import serializers


class LocalMoment(serializers.DateTimeField):
    """What a clock showed: no time zone of this server touches it."""

    def to_internal_value(self, value: Any) -> datetime:
        moment = _read(value)
        if moment.tzinfo is not None:
            raise serializers.ValidationError("Leave the offset away: this is what the clock showed there.")
        return moment


class Moment(serializers.DateTimeField):
    """A moment in time, with its offset from UTC."""

    def to_internal_value(self, value: Any) -> datetime:
        moment = _read(value)
        if moment.tzinfo is None:
            raise serializers.ValidationError("Say the offset from UTC, too: 2026-11-21T14:30:00Z.")
        try:
            return moment.astimezone(UTC)
        except OverflowError:
            raise serializers.ValidationError("This moment lies too far away.") from None


def _read(value: Any) -> datetime:
    try:
        if isinstance(value, str) and len(value) <= 40 and "T" in value.upper():
            return datetime.fromisoformat(value.upper())
    except ValueError:
        pass
    raise serializers.ValidationError("Write a moment like 2026-11-21T14:30:00.")
