"""What a grid is told of its items: one shape for timeline, albums, search and shared links."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from django.http import HttpResponse

from album.models import Preview, Status
from album.models.media import Kind
from album.queries import Cursor, GridRow
from album.web.addresses import file_url

ALT_CHARACTERS = 200


def grid_row(row: GridRow, scope: str = "") -> dict[str, Any]:
    """The JSON of one item, as js/grid.js states it. ``scope`` says by what right the viewer sees it."""
    moves = row.motion_offset is not None or row.has_clip
    told: dict[str, Any] = {
        "id": row.pk,
        "picture": file_url("preview", row) + "&side=400",
        "preview": file_url("preview", row),
        "width": row.width_px or 4,
        "height": row.height_px or 3,
        "placeholder": row.placeholder,
        "kind": row.kind,
        "day": row.clock[:10],
        "is_favourite": bool(row.is_favourite),
        "badges": _badges(row, moves),
        "alt": _alt(row),
    }
    if row.kind == Kind.VIDEO:
        told |= {"duration_s": row.duration_s, "playback": file_url("playback", row)}
    elif moves:
        told["motion"] = file_url("motion", row)
    return told


def grid_answer(rows: Iterable[dict[str, Any]], after: Cursor | str | None, **more: Any) -> HttpResponse:
    """The JSON that js/grid.js reads; ``after`` is the place from which to read on, None at the end."""
    answer = {"rows": list(rows), "next": None if after is None else str(after), **more}
    text = json.dumps(answer, ensure_ascii=False, separators=(",", ":"))
    return HttpResponse(text, content_type="application/json", headers={"Cache-Control": "private, no-store"})


def cut(rows: Sequence[GridRow], limit: int) -> tuple[Sequence[GridRow], Cursor | None]:
    """The first ``limit`` of ``rows``, of which one more was read, and the place after them if there are others."""
    return rows[:limit], rows[limit - 1].cursor if len(rows) > limit else None


def _badges(row: GridRow, moves: bool) -> list[str]:
    badges = [] if row.processing_status == Status.COMPLETED else [row.processing_status]
    if moves:
        badges.append("motion")
    if row.preview_status == Preview.NONE:
        badges.append("no-preview")
    return badges


def _alt(row: GridRow) -> str:
    return (row.description or row.ai_description or row.title or row.original_name)[:ALT_CHARACTERS]
