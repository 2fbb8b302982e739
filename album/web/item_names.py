"""The names on the panel of an item: people and tags, where each leads, how one is added or taken away."""

from __future__ import annotations

from itertools import groupby
from typing import NamedTuple
from urllib.parse import quote

from django.contrib.auth.models import User
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from album.models import ItemTag, MediaItem

Source = ItemTag.Source
SOURCE_WORDS = {
    Source.PERSON: gettext_lazy("From people"),
    Source.FILE: gettext_lazy("From the file"),
    Source.CAPTION: gettext_lazy("From the AI description"),
    Source.ZERO_SHOT: gettext_lazy("Recognized by AI"),
    Source.DETECTOR: gettext_lazy("Objects found by AI"),
    Source.CLASSIFIER: gettext_lazy("Classified by AI"),
    Source.BUILT_IN: gettext_lazy("Built-in, from light and colors"),
}


class Name(NamedTuple):
    """A name, where it leads (empty: nowhere), its value in a form, the words of the button that removes it."""

    words: str
    address: str
    value: object
    undo: str


Groups = list[tuple[str | Promise, list[Name]]]
"""Under words of their own, or none."""


def people_of(item: MediaItem, user: User) -> Groups:
    """The people in ``item``, which comes ``with_details``, as ``user`` sees them."""
    people = [
        Name(
            named.person.name,
            reverse("album:person", args=(named.person_id,))
            if named.person.owner_id == user.pk or user.is_superuser
            else "",
            named.person_id,
            _("%(name)s is not here") % {"name": named.person.name},
        )
        for named in item.item_people.all()
    ]
    return [("", people)] if people else []


def tags_of(item: MediaItem) -> Groups:
    """The tags of ``item``, which comes ``with_details``, by their sources."""
    timeline = reverse("album:timeline")
    found = groupby(item.item_tags.all(), key=lambda tagging: tagging.source)
    return [
        (SOURCE_WORDS[Source(source)], [_tag(tagging.tag.name, timeline) for tagging in group])
        for source, group in found
    ]


def _tag(name: str, timeline: str) -> Name:
    return Name(name, f"{timeline}?tag={quote(name)}", name, _("Remove the tag %(name)s") % {"name": name})
