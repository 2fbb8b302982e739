"""The page of numbers: plots, and beside each a table with the same numbers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import accumulate
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from album.queries.statistics import Top
from album.services.statistics import NIGHTS, Statistics, installation, statistics_of
from album.web.requests import MemberRequest


@require_safe
@login_required
def statistics(request: MemberRequest) -> HttpResponse:
    """The numbers of the own library; for a site admin those of the whole installation."""
    numbers = statistics_of(request.user)
    months, nights = _growth_by_month(numbers), _processed_by_day(numbers)
    context = {
        "numbers": numbers,
        "photos": numbers.count_of("photo"),
        "videos": numbers.count_of("video"),
        "months": months[::-1],
        "nights": [each for each in nights[::-1] if each["count"]],
        "growth_plot": _growth_plot(months),
        "nights_plot": _plot([_("Day"), _("Items processed")], nights, ("count",)),
        "tops": [
            (_("Tags"), "tag", _with_share(numbers.tags)),
            (_("Cameras"), "camera", _with_share(numbers.cameras)),
            (_("Countries"), "place", _with_share(numbers.countries)),
            (_("Cities"), "place", _with_share(numbers.cities)),
        ],
        "installation": installation() if request.user.is_superuser else None,
    }
    return render(request, "album/statistics.html", context)


def _growth_by_month(numbers: Statistics) -> list[dict[str, Any]]:
    """A row per month from the first to the last, those in which nothing came in as well; the oldest first."""
    found = {(each.month, each.kind): each for each in numbers.growth}
    rows = []
    for first in _months(sorted({each.month for each in numbers.growth})):
        photos, videos = (found.get((f"{first:%Y-%m}", kind)) for kind in ("photo", "video"))
        rows.append(
            {
                "at": first,
                "photos": photos.item_count if photos else 0,
                "videos": videos.item_count if videos else 0,
                "size_bytes": sum(each.size_bytes for each in (photos, videos) if each),
            }
        )
    for kind in ("photos", "videos"):
        for row, so_far in zip(rows, accumulate(row[kind] for row in rows), strict=True):
            row[f"{kind}_so_far"] = so_far
    return rows


def _months(found: list[str]) -> list[datetime]:
    if not found:
        return []
    first, last = (datetime.strptime(month, "%Y-%m").replace(tzinfo=UTC) for month in (found[0], found[-1]))
    count = (last.year - first.year) * 12 + last.month - first.month + 1
    numbers = (first.month - 1 + number for number in range(count))
    return [first.replace(year=first.year + number // 12, month=number % 12 + 1) for number in numbers]


def _processed_by_day(numbers: Statistics) -> list[dict[str, Any]]:
    """A row per day, those without anything done as well; the oldest first."""
    counts = dict(numbers.processed)
    today = timezone.now().astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    days = [today - timedelta(days=back) for back in range(NIGHTS.days, -1, -1)]
    return [{"at": day, "count": counts.get(f"{day:%Y-%m-%d}", 0)} for day in days]


def _growth_plot(months: list[dict[str, Any]]) -> dict[str, Any]:
    """The libraries of each month, and before the first one nothing."""
    columns = ("photos_so_far", "videos_so_far")
    first = [{"at": each["at"] - timedelta(days=1), **dict.fromkeys(columns, 0)} for each in months[:1]]
    return _plot([_("Month"), _("Photos"), _("Videos")], [*first, *months], columns)


def _plot(labels: list[str], rows: list[dict[str, Any]], columns: tuple[str, ...]) -> dict[str, Any]:
    """What js/plots.js draws: a list for each label, the first one of seconds since 1970."""
    times = [int(row["at"].timestamp()) for row in rows]
    return {"labels": labels, "data": [times, *([row[column] for row in rows] for column in columns)]}


def _with_share(tops: list[Top]) -> list[tuple[Top, int]]:
    """Each with its share of the first, in percent."""
    return [(top, round(100 * top.item_count / tops[0].item_count)) for top in tops]
