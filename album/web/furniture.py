"""What every page is furnished with, as template tags: drawings, numbers, entries of the menu."""

from __future__ import annotations

from functools import cache
from typing import Any

from django.template import Context, Library
from django.templatetags.static import static
from django.urls import NoReverseMatch, reverse
from django.utils.formats import number_format
from django.utils.html import format_html
from django.utils.safestring import SafeString

from album.services.noted import in_words

register = Library()
register.filter(in_words)


@register.simple_tag
@cache  # thirty on a page; what is collected stays as it is while a process lives
def icon(name: str) -> SafeString:
    """The drawing ``name`` of album/icons.svg. A screen reader passes over it: words stand beside it."""
    sheet = static("album/icons.svg")
    return format_html('<svg class="icon" aria-hidden="true"><use href="{}#{}"></use></svg>', sheet, name)


@register.filter
def grouped(number: int) -> str:
    """``91,666``, or as the language writes it. Django's setting for this would reach into fields of forms."""
    return number_format(number, force_grouping=True)


@register.inclusion_tag("album/_entry.html", takes_context=True)
def entry(context: Context, view: str, drawing: str, words: str) -> dict[str, Any]:
    """A line of the menu that leads to ``view``; nothing where there is no such page."""
    try:
        address = reverse(view)
    except NoReverseMatch:
        return {}
    request = context.get("request")
    is_here = request is not None and request.path == address
    return {"address": address, "drawing": drawing, "words": words, "is_here": is_here}
