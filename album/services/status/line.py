"""What the status says of one thing, in words and in numbers."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, NamedTuple

from django.utils import timezone
from django.utils.formats import date_format

State = Literal["ok", "warning", "problem"]
STATES: tuple[State, ...] = ("ok", "warning", "problem")


class Figure(NamedTuple):
    """A number for a program that watches; ``labels`` tell it from others of its name."""

    name: str
    value: float
    labels: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Line:
    """How one thing is. ``next_step`` is the command that mends it, or tells more."""

    name: str
    title: str
    state: State
    words: str
    next_step: str = ""
    figures: tuple[Figure, ...] = field(default=())

    def as_json(self) -> dict[str, Any]:
        figures = [{"name": name, "value": value, **dict(labels)} for name, value, labels in self.figures]
        told = {name: str(getattr(self, name)) for name in ("name", "title", "state", "words", "next_step")}
        return {**told, "figures": figures}


def worst(lines: list[Line]) -> State:
    """The state of the whole."""
    return max((line.state for line in lines), key=STATES.index, default="ok")


def at(moment: datetime) -> str:
    """The moment in local time, as the language writes it."""
    local = timezone.localtime(moment)
    return f"{date_format(local, 'DATE_FORMAT')}, {local:%H:%M}"
