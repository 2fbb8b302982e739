"""The names on the panel of an item: people and tags, where each leads, how one is added or taken away."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple
from urllib.parse import quote

from django.contrib.auth.models import User
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from album.models import ItemTag, MediaItem
from album.web.item_forms import EditForm

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """What album/_info_names.html shows. ``door`` and ``undo`` are forms of ``item_forms``; ``field``: of undo."""

    title: str
    drawing: str
    groups: list[tuple[str | Promise, list[Name]]]
    form: EditForm
    door: str
    undo: str
    field: str
    question: str
    add: str
    longest: int


def names_of(item: MediaItem, user: User, forms: dict[str, EditForm]) -> list[Names]:
    """The people and the tags of ``item``, which comes ``with_details``, as ``user`` sees them."""
    return [_people_of(item, user, forms["person"]), _tags_of(item, forms["tag"])]


def _people_of(item: MediaItem, user: User, form: EditForm) -> Names:
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
    return Names(
        title=_("People"),
        drawing="people",
        groups=[("", people)] if people else [],
        form=form,
        door="person",
        undo="unname",
        field="person_id",
        question=_("Who is here?"),
        add=_("Add the person"),
        longest=120,
    )


def _tags_of(item: MediaItem, form: EditForm) -> Names:
    timeline = reverse("album:timeline")
    found = groupby(item.item_tags.all(), key=lambda tagging: tagging.source)
    groups: list[tuple[str | Promise, list[Name]]] = [
        (SOURCE_WORDS[Source(source)], [_tag(tagging.tag.name, timeline) for tagging in group])
        for source, group in found
    ]
    return Names(
        title=_("Tags"),
        drawing="tag",
        groups=groups,
        form=form,
        door="tag",
        undo="untag",
        field="name",
        question=_("Add a tag"),
        add=_("Add the tag"),
        longest=80,
    )


def _tag(name: str, timeline: str) -> Name:
    return Name(name, f"{timeline}?tag={quote(name)}", name, _("Remove the tag %(name)s") % {"name": name})
