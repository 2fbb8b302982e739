"""What people can write about an item, form by form. Each stores itself through ``album.services.editing``."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from album.models import MediaItem
from album.services import editing


class EditForm(forms.Form):
    """A form about ``item``, which fills it as long as nobody has written in it."""

    def __init__(self, item: MediaItem, data: Any = None) -> None:
        self.item = item
        super().__init__(data, initial=self.known())

    def known(self) -> dict[str, Any]:
        """What the fields hold now."""
        return {}

    def store(self) -> None:
        """Raises EditRefused."""
        raise NotImplementedError


class WordsForm(EditForm):
    """What was not changed is not the person's: it may yet come from the file, or from somebody else meanwhile."""

    title = forms.CharField(required=False, show_hidden_initial=True)
    description = forms.CharField(required=False, show_hidden_initial=True)

    def known(self) -> dict[str, Any]:
        return {"title": self.item.title, "description": self.item.description}

    def store(self) -> None:
        editing.write_words(item=self.item, **{name: self.cleaned_data[name] for name in self.changed_data})


class DateForm(EditForm):
    """The camera's clock: no time zone of this server or of the reader may touch it."""

    local = forms.CharField(max_length=40, error_messages={"required": _("Choose a date and a time.")})
    time_zone = forms.CharField(required=False, max_length=48)

    def known(self) -> dict[str, Any]:
        local = self.item.taken_at_local[:19] or f"{self.item.timeline_at:%Y-%m-%dT%H:%M:%S}"
        return {"local": local, "time_zone": self.item.time_zone}

    def clean_local(self) -> datetime:
        try:
            local = datetime.fromisoformat(self.cleaned_data["local"])
        except ValueError as error:
            raise forms.ValidationError(_("Write the date like 2026-11-21T14:30.")) from error
        return local.replace(tzinfo=None)

    def store(self) -> None:
        editing.write_date(item=self.item, **self.cleaned_data)


class PlaceForm(EditForm):
    latitude_deg = forms.FloatField(required=False)
    longitude_deg = forms.FloatField(required=False)

    def known(self) -> dict[str, Any]:
        return {"latitude_deg": self.item.latitude_deg, "longitude_deg": self.item.longitude_deg}

    def store(self) -> None:
        editing.write_place(item=self.item, **self.cleaned_data)


class RatingForm(EditForm):
    rating = forms.IntegerField(required=False)

    def known(self) -> dict[str, Any]:
        return {"rating": self.item.rating}

    def store(self) -> None:
        editing.write_rating(item=self.item, **self.cleaned_data)


class NameForm(EditForm):
    """A name to add or to take away."""

    name = forms.CharField(required=False)


class TagForm(NameForm):
    def store(self) -> None:
        editing.add_tag(item=self.item, **self.cleaned_data)


class UntagForm(NameForm):
    def store(self) -> None:
        editing.remove_tag(item=self.item, **self.cleaned_data)


class PersonForm(NameForm):
    def store(self) -> None:
        editing.name_person(item=self.item, **self.cleaned_data)


class UnnameForm(EditForm):
    person_id = forms.IntegerField(min_value=1, max_value=2**63 - 1)

    def store(self) -> None:
        editing.take_person_away(item=self.item, **self.cleaned_data)


FORMS: dict[str, type[EditForm]] = {
    "words": WordsForm,
    "date": DateForm,
    "place": PlaceForm,
    "rating": RatingForm,
    "tag": TagForm,
    "untag": UntagForm,
    "person": PersonForm,
    "unname": UnnameForm,
}
"""By the word in the address."""
