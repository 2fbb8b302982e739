"""Words as conditions on the text index: FTS5 of SQLite, tsvector of PostgreSQL."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

from django.db import connection
from django.db.models import Q
from django.db.models.expressions import RawSQL

from album.search.parse import Clause, Term, forms

COLUMNS = ("title", "description", "ai_description", "file_name", "tags", "people", "place", "camera")
NAMING = ("title", "tags", "people", "place")
"""Columns that name what is in a picture, where a match means more."""
_UNSPACED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]")
"""Thai, Lao, Burmese, Khmer, Japanese and Chinese write without spaces: their words may begin anywhere."""


def is_unspaced(term: Term) -> bool:
    return bool(_UNSPACED.search("".join(term.words)))


def matching(clauses: Iterable[Clause], columns: tuple[str, ...] = ()) -> Q:
    """The condition that of each clause one term's words stand together in one of ``columns``, or anywhere.

    All of it is one lookup in the index, but for words of scripts without spaces, which are looked for in all rows.
    """
    spaced = [clause for clause in clauses if not any(map(is_unspaced, clause))]
    condition = _in_index(spaced, columns) if spaced else Q()
    for clause in clauses:
        if clause not in spaced:
            either = Q()
            for term in clause:
                either |= _anywhere(term, columns) if is_unspaced(term) else _in_index([(term,)], columns)
            condition &= either
    return condition


def latest(clauses: Iterable[Clause], most: int, columns: tuple[str, ...] = ()) -> list[int]:
    """The ids of items that match, at most ``most``, those that came in last first, whoever may see them.

    Nothing for words of scripts without spaces. Costs the same however many match.
    """
    clauses = list(clauses)
    if any(is_unspaced(term) for clause in clauses for term in clause):
        return []
    sql, values = _lookup(clauses, columns)
    with connection.cursor() as cursor:
        cursor.execute(f"{sql} ORDER BY {_key()} DESC LIMIT %s", [*values, most])
        return [pk for (pk,) in cursor.fetchall()]


def among(ids: Iterable[int]) -> Q:
    """The condition that an item is one of ``ids``, however many: they are one parameter."""
    listed = json.dumps(list(ids))
    if connection.vendor == "sqlite":
        return Q(pk__in=RawSQL("SELECT value FROM json_each(%s)", [listed]))
    return Q(pk__in=RawSQL("SELECT value::bigint FROM json_array_elements_text(%s::json)", [listed]))


def _key() -> str:
    return "rowid" if connection.vendor == "sqlite" else "item_id"


def _in_index(clauses: list[Clause], columns: tuple[str, ...]) -> Q:
    return Q(pk__in=RawSQL(*_lookup(clauses, columns)))  # noqa: S611 - what was typed is a parameter


def _lookup(clauses: list[Clause], columns: tuple[str, ...]) -> tuple[str, list[str]]:
    if connection.vendor == "sqlite":
        match = " AND ".join("(" + " OR ".join(map(_fts5, clause)) + ")" for clause in clauses)
        match = f"{{{' '.join(columns)}}} : ({match})" if columns else match
        return "SELECT rowid FROM album_itemtext WHERE album_itemtext MATCH %s", [match]
    match = " & ".join("(" + " | ".join(map(_tsquery, clause)) + ")" for clause in clauses)
    sql = "SELECT item_id FROM album_itemtext WHERE words @@ %s::tsquery"
    if not columns:
        return sql, [match]
    # The index leads to the rows; whether the words stand in these columns is seen in the rows themselves.
    joined = " || ' qzqzq ' || ".join(columns)
    return f"{sql} AND to_tsvector('simple', {joined}) @@ %s::tsquery", [match, match]


def _fts5(term: Term) -> str:
    """The term for FTS5. Words are letters and digits, so no quote can end one."""
    *first, last = term.words
    ends = [f'"{" ".join([*first, form])}"' for form in forms(last)]
    return " OR ".join([*ends, f"{ends[0]} *"] if term.is_prefix else ends)


def _tsquery(term: Term) -> str:
    *first, last = term.words
    ends = " | ".join([f"'{form}'" for form in forms(last)] + [f"'{last}':*"] * term.is_prefix)
    return " <-> ".join([*(f"'{word}'" for word in first), f"({ends})"])


def _anywhere(term: Term, columns: tuple[str, ...]) -> Q:
    text = "%" + " ".join(term.words) + "%"
    chosen = columns or COLUMNS
    either = " OR ".join(f"{column} LIKE %s" for column in chosen)
    sql = f"SELECT {_key()} FROM album_itemtext WHERE {either}"  # noqa: S608 - names of ours
    return Q(pk__in=RawSQL(sql, [text] * len(chosen)))  # noqa: S611
