"""How many: in each status, in each album, in each month."""

from __future__ import annotations

from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import CharField, Count, Func, QuerySet
from django.db.models.sql.compiler import SQLCompiler

from album.models import MediaItem, Status


class Month(Func):
    """The month of a moment in UTC, ``2026-11``. Django's own function calls Python for each row of SQLite."""

    arity = 1
    output_field = CharField()
    pattern = "YYYY-MM"

    def as_sqlite(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **context: Any) -> Any:
        template = f"substr(%(expressions)s, 1, {len(self.pattern)})"
        return self.as_sql(compiler, connection, template=template, **context)

    def as_postgresql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **context: Any) -> Any:
        template = f"to_char(%(expressions)s AT TIME ZONE 'UTC', '{self.pattern}')"
        return self.as_sql(compiler, connection, template=template, **context)


class Day(Month):
    """The day of a moment in UTC, ``2026-11-21``."""

    pattern = "YYYY-MM-DD"


def month_counts(items: QuerySet[MediaItem]) -> list[tuple[str, int]]:
    """The months in which ``items`` were taken, the latest first, and how many in each."""
    months = items.order_by().annotate(month=Month("timeline_at")).values_list("month")
    return list(months.annotate(count=Count("*")).order_by("-month"))


def status_counts(items: QuerySet[MediaItem]) -> dict[Status, int]:
    """How many of ``items`` stand in each status, all four of them named."""
    rows = items.order_by().values_list("processing_status").annotate(count=Count("pk"))
    counts = {Status(status): count for status, count in rows}
    return {status: counts.get(status, 0) for status in Status}
