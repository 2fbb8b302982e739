"""Words as conditions on the text index: FTS5 of SQLite, tsvector of PostgreSQL."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from django.db import connection
from django.db.models import Q
from django.db.models.expressions import RawSQL

from album.search.parse import Clause, Term, forms

COLUMNS = ("title", "description", "ai_description", "file_name", "tags", "people", "place", "camera")
NAMING = ("title", "tags", "people", "place")
"""Columns that name what is in a picture, where a match means more."""
FIELD_COLUMNS: dict[str, tuple[str, ...]] = {
    "": (),
    "person": ("people",),
    "place": ("place",),
    "camera": ("camera",),
}
"""The columns for each field that the index answers; of words alone: all."""
Span = tuple[int, int]
"""The first and the last of ids."""
_UNSPACED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]")
"""Thai, Lao, Burmese, Khmer, Japanese and Chinese write without spaces: their words may begin anywhere."""


def is_unspaced(term: Term) -> bool:
    return bool(_UNSPACED.search("".join(term.words)))


def is_indexed(clause: Clause) -> bool:
    """True if the index answers ``clause`` together with others: words, or one field, or one exclusion."""
    if any(is_unspaced(term) or term.field not in FIELD_COLUMNS for term in clause):
        return False
    return len(clause) == 1 or not any(term.field or term.is_excluded for term in clause)


def matching(clauses: Iterable[Clause], within: Span | None = None) -> Q:
    """The condition that of each clause one term's words stand together where they are looked for.

    All that ``is_indexed`` is one lookup, which lists no other ids than those ``within``; words of scripts without
    spaces are looked for in all rows.
    """
    clauses = list(clauses)
    together = [clause for clause in clauses if is_indexed(clause)]
    condition = Q()
    if any(not term.is_excluded for clause in together for term in clause):
        sql, values = _lookup(together)
        if within is not None:
            sql, values = f"{sql} AND {_key()} BETWEEN %s AND %s", [*values, *within]
        condition = Q(pk__in=RawSQL(sql, values))  # noqa: S611 - what was typed is a parameter
        clauses = [clause for clause in clauses if clause not in together]
    for clause in clauses:
        either = Q()
        for term in clause:
            found = _anywhere(term) if is_unspaced(term) else _in_index(term)
            either |= ~found if term.is_excluded else found
        condition &= either
    return condition


def are_matched_by(clauses: Iterable[Clause], count: int) -> bool:
    """True if at least ``count`` items match, whoever may see them; ``clauses`` are such as ``latest`` takes."""
    sql, values = _lookup(list(clauses))
    with connection.cursor() as cursor:
        cursor.execute(f"{sql} LIMIT 1 OFFSET %s", [*values, count - 1])
        return cursor.fetchone() is not None


def latest(clauses: Iterable[Clause], most: int, columns: tuple[str, ...] = ()) -> list[int]:
    """The ids of items that match, at most ``most``, those that came in last first, whoever may see them.

    Each of ``clauses`` ``is_indexed``, and one of them excludes nothing. Costs the same however many match.
    """
    sql, values = _lookup(list(clauses), columns)
    with connection.cursor() as cursor:
        cursor.execute(f"{sql} ORDER BY {_key()} DESC LIMIT %s", [*values, most])
        return [pk for (pk,) in cursor.fetchall()]


def _key() -> str:
    return "rowid" if connection.vendor == "sqlite" else "item_id"


def _in_index(term: Term) -> Q:
    return Q(pk__in=RawSQL(*_lookup([(replace(term, is_excluded=False),)])))  # noqa: S611 - as above


def _lookup(clauses: list[Clause], columns: tuple[str, ...] = ()) -> tuple[str, list[Any]]:
    """The query for ids, and its parameters; words that are not of a field stand in ``columns``, or anywhere."""
    if connection.vendor == "sqlite":
        wanted = [clause for clause in clauses if not clause[0].is_excluded]
        match = " AND ".join("(" + " OR ".join(_fts5(term, columns) for term in clause) + ")" for clause in wanted)
        for (term,) in [clause for clause in clauses if clause[0].is_excluded]:
            match = f"({match}) NOT ({_fts5(term, ())})"
        return "SELECT rowid FROM album_itemtext WHERE album_itemtext MATCH %s", [match]
    sql, values = "SELECT item_id FROM album_itemtext WHERE true", list[Any]()
    for clause in clauses:
        match, negation = " | ".join(map(_tsquery, clause)), "NOT " * clause[0].is_excluded
        chosen = FIELD_COLUMNS[clause[0].field] or (() if negation else columns)
        if not negation or not chosen:
            sql, values = f"{sql} AND {negation}words @@ %s::tsquery", [*values, match]
        if chosen:
            # The index leads to the rows; whether the words stand in these columns is seen in the rows themselves.
            joined = " || ' qzqzq ' || ".join(chosen)
            sql, values = f"{sql} AND {negation}to_tsvector('simple', {joined}) @@ %s::tsquery", [*values, match]
    return sql, values


def _fts5(term: Term, columns: tuple[str, ...]) -> str:
    """The term for FTS5. Words are letters and digits, so no quote can end one."""
    *first, last = term.words
    begin = [f'"{" ".join([*first, last])}" *'] if term.is_prefix else []
    # What begins with the word need not be looked for apart. Measured: 2.2 ms for two words with it, 1.7 without.
    ends = [form for form in forms(last) if not (term.is_prefix and form.startswith(last))]
    match = " OR ".join([*(f'"{" ".join([*first, end])}"' for end in ends), *begin])
    chosen = FIELD_COLUMNS[term.field] or columns
    return f"({{{' '.join(chosen)}}} : ({match}))" if chosen else match


def _tsquery(term: Term) -> str:
    *first, last = term.words
    ends = " | ".join([f"'{form}'" for form in forms(last)] + [f"'{last}':*"] * term.is_prefix)
    return " <-> ".join([*(f"'{word}'" for word in first), f"({ends})"])


def _anywhere(term: Term) -> Q:
    text = "%" + " ".join(term.words) + "%"
    chosen = FIELD_COLUMNS[term.field] or COLUMNS
    either = " OR ".join(f"{column} LIKE %s" for column in chosen)
    sql = f"SELECT {_key()} FROM album_itemtext WHERE {either}"  # noqa: S608 - names of ours
    return Q(pk__in=RawSQL(sql, [text] * len(chosen)))  # noqa: S611
