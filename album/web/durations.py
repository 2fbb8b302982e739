"""Durations and paces in words."""

from __future__ import annotations

from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext


def describe_duration(seconds: float) -> str:
    """``40 seconds``, ``12 minutes``, ``3 h 20 min``, as exact as a person needs it."""
    if seconds < 90:
        count = max(1, round(seconds))
        return ngettext("%(count)d second", "%(count)d seconds", count) % {"count": count}
    minutes = round(seconds / 60)
    if minutes < 90:
        return ngettext("%(count)d minute", "%(count)d minutes", minutes) % {"count": minutes}
    hours, minutes = divmod(minutes, 60)
    return _("%(hours)d h %(minutes)d min") % {"hours": hours, "minutes": minutes}


def describe_pace(items_per_second: float) -> str:
    """``3.4 items a second``, or the other way round where one takes longer than that."""
    if items_per_second >= 1:
        return _("%(number)s items a second") % {"number": number_format(items_per_second, 1)}
    return _("%(number)s seconds an item") % {"number": number_format(1 / items_per_second, 1)}
