"""The text index as the database keeps it: its triggers, put up after migrations, taken down before them.

SQLite makes a table anew to change it, and refuses that while a trigger or view elsewhere names the table. So what
names tables is no part of a migration: Django's own hooks around ``migrate`` take it down and put it up.
"""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import Any

from django.db import connection, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

SQL_DIR = Path(__file__).parent / "sql"
CHUNK_ROWS = 2000
_NAMES = {
    "sqlite": "SELECT type, name, sql FROM sqlite_master WHERE type IN ('trigger', 'view')",
    "postgresql": "SELECT 'trigger', tgname, '' FROM pg_trigger WHERE NOT tgisinternal",
}
_DROP = {"trigger": "DROP TRIGGER ", "view": "DROP VIEW "}


def take_down(*, using: str, plan: list[Any], **_: Any) -> None:
    """Removes the triggers from SQLite if migrations are to be run."""
    connection = connections[using]
    if plan and connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            for kind, name, _text in _installed(connection):
                cursor.execute(_DROP[kind] + connection.ops.quote_name(name))


def put_up(*, using: str, **_: Any) -> None:
    """Makes triggers that are missing or of an earlier release, and fills the index anew: rows may have changed.

    All of it or nothing: what a crash undid is done by the next ``migrate``, and who writes meanwhile waits.
    """
    connection = connections[using]
    if connection.vendor not in _NAMES or "album_itemtext" not in connection.introspection.table_names():
        return
    script = (SQL_DIR / f"{connection.vendor}.sql").read_text(encoding="utf-8")
    statements = [part.strip() for part in script.split("\n\n") if part.startswith("CREATE")]
    if _is_up(connection, statements):
        return
    with transaction.atomic(using=using), connection.cursor() as cursor:
        take_down(using=using, plan=[True])
        for statement in statements:
            # Without parameters nothing in the statement is taken for a placeholder.
            cursor.execute(statement)
        if connection.vendor == "postgresql":
            cursor.execute(f"COMMENT ON VIEW album_itemtext_source IS '{_digest(statements)}'")
        _fill(connection)


def tidy() -> None:
    """Merges the pieces that writing has left in SQLite's index; PostgreSQL looks after its own.

    Measured: 100,000 items, each tagged anew: 0.3 s, and searches take the index half the time after it, 2026-11.
    """
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("INSERT INTO album_itemtext(album_itemtext) VALUES ('optimize')")


def _is_up(connection: BaseDatabaseWrapper, statements: list[str]) -> bool:
    """Whether ``statements`` made what is there. PostgreSQL keeps no text as it was written, but a comment."""
    found = _installed(connection)
    if connection.vendor == "sqlite":
        return {text for _kind, _name, text in found} == set(statements)
    with connection.cursor() as cursor:
        cursor.execute("SELECT obj_description(to_regclass('album_itemtext_source'))")
        (comment,) = cursor.fetchone()
    triggers = [statement for statement in statements if " TRIGGER " in statement.splitlines()[0]]
    return len(found) == len(triggers) and comment == _digest(statements)


def _digest(statements: list[str]) -> str:
    return sha256("\n".join(statements).encode()).hexdigest()


def _installed(connection: BaseDatabaseWrapper) -> list[tuple[str, str, str]]:
    """Kind, name and text of what is there."""
    with connection.cursor() as cursor:
        cursor.execute(_NAMES[connection.vendor])
        return [row for row in cursor.fetchall() if row[1].startswith("album_itemtext_")]


def _fill(connection: BaseDatabaseWrapper) -> None:
    columns = "title, description, ai_description, file_name, tags, people, place, camera"
    key = "rowid" if connection.vendor == "sqlite" else "item_id"
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM album_itemtext")
        cursor.execute("SELECT min(id), max(id) FROM album_mediaitem")
        first, last = cursor.fetchone()
        for start in range(first or 1, (last or 0) + 1, CHUNK_ROWS):
            cursor.execute(
                f"INSERT INTO album_itemtext({key}, {columns}) SELECT item_id, {columns} "  # noqa: S608 - names of ours
                "FROM album_itemtext_source WHERE item_id BETWEEN %s AND %s",
                (start, start + CHUNK_ROWS - 1),
            )
