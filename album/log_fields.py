"""What a line of the log is about, beside its words: the batch, the item, the stage.

The journal keeps them as fields, so that ``journalctl BATCH_RUN=42`` tells the story of a night.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from logging import LogRecord
from types import MappingProxyType

NAMES = ("batch_run", "media_id", "stage")
PREPARATION = "preparation"
"""The stage of what happens to an item before a batch sees it."""
_INHERITED = {name: value for name in NAMES if (value := os.environ.get(name.upper()))}
_fields: ContextVar[Mapping[str, str]] = ContextVar("log_fields", default=MappingProxyType(_INHERITED))


@contextmanager
def log_fields(**fields: object) -> Iterator[None]:
    """Within the block every line of this thread carries these fields. Not for a generator that others run."""
    token = _fields.set({**_fields.get(), **{name: str(value) for name, value in fields.items()}})
    try:
        yield
    finally:
        _fields.reset(token)


def fields_of(record: LogRecord) -> dict[str, str]:
    """The fields of a line: its own (``extra``), else those of the block, else those of the parent process."""
    own = {name: str(vars(record)[name]) for name in NAMES if vars(record).get(name) is not None}
    return {**_fields.get(), **own}


def inherited_fields() -> dict[str, str]:
    """The fields as variables for the environment of a child process."""
    return {name.upper(): value for name, value in _fields.get().items()}


def about(item_id: int) -> dict[str, object]:
    """The ``extra`` of a line about an item that is being prepared."""
    return {"media_id": item_id, "stage": PREPARATION}
