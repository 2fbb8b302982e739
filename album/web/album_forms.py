"""Forms of albums and shared links."""

from __future__ import annotations

import csv
from datetime import date, datetime, time, timedelta
from typing import Any

from django import forms
from django.contrib.auth.models import User
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from album.exceptions import AlbumError
from album.models import Album
from album.models.media import Kind
from album.models.rules import EXACT_COLUMNS, AlbumRule
from album.queries import editable_albums
from album.services.sharing import PASSWORD_MAX_LENGTH, Terms

ORDER_WORDS = {
    Album.Order.NEWEST: _("Newest first"),
    Album.Order.OLDEST: _("Oldest first"),
    Album.Order.BY_HAND: _("By hand"),
}


class DayInput(forms.DateInput):
    input_type = "date"

    def __init__(self) -> None:
        super().__init__(format="%Y-%m-%d")


def _remember_what_was_shown(form: forms.BaseForm) -> None:
    """Only what is changed then counts as changed: a form of yesterday undoes nothing."""
    for field in form.fields.values():
        field.show_hidden_initial = True


class AlbumForm(forms.ModelForm):  # type: ignore[type-arg]
    """Name and place of an album; of an automatic one its rule as well."""

    class Meta:
        model = Album
        fields = ("title", "description", "parent", "order")
        widgets = {"description": forms.Textarea(attrs={"rows": 3})}
        labels = {
            "title": _("Name"),
            "description": _("Description"),
            "parent": _("In the album"),
            "order": _("Order"),
        }

    def __init__(self, user: User, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        owner_id = self.instance.owner_id or user.pk
        parent, order = self.fields["parent"], self.fields["order"]
        assert isinstance(parent, forms.ModelChoiceField) and isinstance(order, forms.ChoiceField)  # noqa: S101 - for mypy
        parent.queryset = (
            editable_albums(user).filter(owner=owner_id).exclude(pk=self.instance.pk).order_by("title")
        )
        parent.empty_label = _("None: at the top")
        if self.instance.parent_id and not parent.queryset.filter(pk=self.instance.parent_id).exists():
            del self.fields["parent"]  # it lies in one that is not the user's to see: there it stays
        is_automatic = self.instance.rule is not None
        order.choices = [
            (value, words) for value, words in ORDER_WORDS.items() if not (is_automatic and value == "by hand")
        ]
        order.required = False
        _remember_what_was_shown(self)

    def clean_order(self) -> str:
        order: str = self.cleaned_data.get("order") or self.instance.order
        return order


class NamesField(forms.CharField):
    """Names with commas between them; one that holds a comma stands in quotes."""

    def clean(self, value: Any) -> list[str]:
        rows = csv.reader(super().clean(value).splitlines(), skipinitialspace=True)
        return [name.strip() for row in rows for name in row if name.strip()]

    def prepare_value(self, value: Any) -> Any:
        return ", ".join(map(quoted, value)) if isinstance(value, list | tuple) else value


def quoted(name: str) -> str:
    """``name`` as ``NamesField`` reads it as one."""
    return '"' + name.replace('"', '""') + '"' if set(name) & {",", '"'} else name


class RuleForm(forms.Form):
    """What the items of an automatic album have in common."""

    tags = NamesField(label=_("Tags"), required=False, help_text=_("Separated by commas; all of them."))
    people = NamesField(label=_("People"), required=False, help_text=_("Separated by commas; all of them."))
    country = forms.CharField(label=_("Country"), required=False)
    region = forms.CharField(label=_("Region"), required=False)
    city = forms.CharField(label=_("Town"), required=False)
    camera = forms.CharField(label=_("Camera"), required=False)
    kind = forms.ChoiceField(
        label=_("Kind"),
        required=False,
        choices=[("", _("Photos and videos")), (Kind.PHOTO, _("Photos")), (Kind.VIDEO, _("Videos"))],
    )
    from_on = forms.DateField(label=_("From"), required=False, widget=DayInput)
    to_on = forms.DateField(label=_("To"), required=False, widget=DayInput)
    is_favourite = forms.BooleanField(label=_("Only my favorites"), required=False)
    rule: dict[str, Any]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _remember_what_was_shown(self)
        for name in ("tags", "people", *EXACT_COLUMNS):
            self.fields[name].widget.attrs |= {"list": f"known-{name}", "autocomplete": "off"}

    def clean(self) -> None:
        """Sets ``rule``, as the row keeps it."""
        given = {name: self.cleaned_data.get(name) for name in ("from_on", "to_on")}
        days = {name: day.isoformat() if isinstance(day, date) else None for name, day in given.items()}
        names = ("tags", "people", "kind", "is_favourite", *EXACT_COLUMNS)
        if self.errors:
            return
        try:
            self.rule = AlbumRule.from_json(days | {name: self.cleaned_data[name] for name in names}).to_json()
        except AlbumError as error:
            self.add_error(None, str(error))


class LinkForm(forms.Form):
    """What a new link allows."""

    label = forms.CharField(
        label=_("Name"),
        required=False,
        max_length=120,
        help_text=_("For you, to tell links apart: “Grandma”, “Team photos”."),
    )
    password = forms.CharField(
        label=_("Password"),
        required=False,
        max_length=PASSWORD_MAX_LENGTH,
        strip=False,
        widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "off", "spellcheck": "false"}),
        help_text=_("Empty: whoever has the address may look."),
    )
    expires_on = forms.DateField(
        label=_("Valid until"),
        required=False,
        widget=DayInput,
        help_text=_("That day included. Empty: until revoked."),
    )
    may_download = forms.BooleanField(label=_("Originals may be downloaded"), required=False)
    shows_location = forms.BooleanField(
        label=_("Show where they were taken"),
        required=False,
        help_text=_("Otherwise places are hidden, and taken out of what is downloaded."),
    )

    def clean_expires_on(self) -> date | None:
        day: date | None = self.cleaned_data["expires_on"]
        if day is not None and not timezone.localdate() <= day < timezone.localdate() + timedelta(days=36_525):
            raise forms.ValidationError(_("Choose today or a later day."))
        return day

    def terms(self) -> Terms:
        """Raises nothing; the form is valid."""
        told = self.cleaned_data
        return Terms(
            label=told["label"],
            password=told["password"],
            expires_at=_end_of(told["expires_on"]) if told["expires_on"] else None,
            may_download=told["may_download"],
            shows_location=told["shows_location"],
        )


def _end_of(day: date) -> datetime:
    """The midnight after ``day``, where the person is."""
    return timezone.make_aware(datetime.combine(day + timedelta(days=1), time()))
