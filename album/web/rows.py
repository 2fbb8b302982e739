"""What a grid is told of its items: one shape for timeline, albums, search and shared links."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from html import escape
from itertools import groupby
from typing import Any

import orjson
from django.http import HttpResponse
from django.urls import reverse
from django.utils.safestring import SafeString

from album.models import MediaItem, Preview, Status
from album.models.media import Kind
from album.queries import Cursor, GridRow
from album.web.addresses import Holder, both_addresses, file_address

ALT_CHARACTERS = 200
MOVING_PICTURES = frozenset({"image/gif", "image/webp", "image/png", "image/avif"})
USUAL_ROWS, MOST_ROWS = 100, 200
IN_FIRST_WINDOW = 16
CHOICE = (
    '<label class="tile"><input type="checkbox" name="ids" value="{id}" form="{form}"><img src="{picture}" '
    'width="{width}" height="{height}" alt="{alt}" decoding="async" loading="{loading}"></label>'
)
"""A tile of those who choose without JavaScript. js/grid.js makes its own instead."""
TILE = (
    '<div class="tile" data-id="{id}"><a class="open" href="{href}"><img src="{picture}" width="{width}" '
    'height="{height}" alt="{alt}" decoding="async" loading="{loading}">{note}</a></div>'
)


def grid_row(row: GridRow, holder: Holder | None = None) -> dict[str, Any]:
    """The JSON of one item, as js/grid.js states it. ``holder``: for whom, taken before the rows were read."""
    moves = row.motion_offset is not None or bool(row.has_clip)
    picture, preview = both_addresses(row, holder)
    told: dict[str, Any] = {
        "id": row.pk,
        "picture": picture,
        "preview": preview,
        "width": row.width_px or 4,
        "height": row.height_px or 3,
        "placeholder": row.placeholder,
        "kind": row.kind,
        "day": row.clock[:10],
        "is_favourite": bool(row.is_favourite),
        "badges": _badges(row, moves),
        "alt": _alt(row),
    }
    if holder is not None and holder.owner_id not in (None, row.owner_id):
        told["is_foreign"] = True
    if row.kind == Kind.VIDEO:
        told |= {"duration_s": row.duration_s, "playback": file_address("playback", row, holder)}
    elif moves_by_itself(row):
        told["moving"] = file_address("original", row, holder)
    elif moves:
        told["motion"] = file_address("motion", row, holder)
    return told


def moves_by_itself(item: GridRow | MediaItem) -> bool:
    """Whether browsers play its original as a picture that moves."""
    return item.is_animated and item.mime_type in MOVING_PICTURES


def grid_answer(rows: Iterable[dict[str, Any]], after: Cursor | str | None, **more: Any) -> HttpResponse:
    """The JSON that js/grid.js reads; ``after`` is the place from which to read on, None at the end."""
    answer = {"rows": list(rows), "next": None if after is None else str(after), **more}
    return HttpResponse(
        orjson.dumps(answer), content_type="application/json", headers={"Cache-Control": "private, no-store"}
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """What album/_grid.html shows: the first rows, and where the others come from.

    ``source`` carries what the page was asked for; ``page`` is the address of item 0, empty: its preview.
    """

    source: str
    rows: list[dict[str, Any]]
    after: Cursor | str | None = None
    months: str = ""
    page: str = field(default_factory=lambda: reverse("album:photo_detail", args=(0,)))
    has_days: bool = True
    is_selectable: bool = True
    form: str = ""
    """The id of the form for which pictures are chosen: a click picks one rather than opens it."""

    @property
    def older(self) -> str:
        """The address of the next page without JavaScript, empty on the last one."""
        return beside(self.source.partition("?")[2], "before", self.after)

    @property
    def first(self) -> SafeString:
        """The answer that ``source`` would give for these rows, as js/grid.js looks for it in the page."""
        text = orjson.dumps({"rows": self.rows, "next": None if self.after is None else str(self.after)}).decode()
        for mark in "<>&":  # as Django's json_script does, whose way through str.translate costs ten times as much
            text = text.replace(mark, f"\\u{ord(mark):04X}")
        return SafeString(f'<script id="grid-first" type="application/json">{text}</script>')

    @property
    def days(self) -> list[tuple[date | None, SafeString]]:
        """The tiles of the rows by day; all in one where days say nothing."""
        tiles = [(str(row["day"]), self._tile(row, place)) for place, row in enumerate(self.rows)]
        if not self.has_days:
            return [(None, SafeString("".join(tile for _day, tile in tiles)))]
        grouped = groupby(tiles, key=lambda pair: pair[0])
        return [
            (date.fromisoformat(day), SafeString("".join(tile for _day, tile in pairs))) for day, pairs in grouped
        ]

    def _tile(self, row: dict[str, Any], place: int) -> SafeString:
        # Here rather than in a template: 60 of them cost 6 ms there.
        shown = {name: row[name] for name in ("id", "picture", "width", "height", "alt")}
        loading = "eager" if place < IN_FIRST_WINDOW else "lazy"
        if self.form:
            return _filled(CHOICE, **shown, form=self.form, loading=loading)
        href = self.page.replace("/0/", f"/{row['id']}/") or row["preview"]
        note = _filled('<span class="note">{note}</span>', note=row["note"]) if row.get("note") else ""
        return _filled(TILE, **shown, href=href, note=note, loading=loading)


def beside(choice: str, name: str, place: Cursor | str | None) -> str:
    """The address of the page before or after this one, with the same choice; empty where there is none."""
    return f"?{choice}{choice and '&'}{name}={place}" if place else ""


def read_limit(text: str | None) -> int:
    """How many rows ``?limit=`` asks for, at most ``MOST_ROWS``; without it, and for nonsense, ``USUAL_ROWS``."""
    return min(max(int(text), 1), MOST_ROWS) if text and text.isdecimal() and len(text) < 9 else USUAL_ROWS


def _filled(template: str, **values: Any) -> SafeString:
    """``template`` with ``values``, escaped unless they are safe. Measured: a third of ``format_html``, 2026-11."""
    plain = {name: value if isinstance(value, SafeString) else escape(str(value)) for name, value in values.items()}
    return SafeString(template.format(**plain))


def _badges(row: GridRow, moves: bool) -> list[str]:
    badges = [] if row.processing_status == Status.COMPLETED else [row.processing_status]
    if moves:
        badges.append("motion")
    if row.preview_status == Preview.NONE:
        badges.append("no-preview")
    return badges


def _alt(row: GridRow) -> str:
    return (row.description or row.ai_description or row.title or row.original_name)[:ALT_CHARACTERS]
