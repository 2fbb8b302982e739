"""Forms of the own account."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import available_timezones

from django import forms
from django.conf import settings
from django.contrib.auth.models import User
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from album.models import ApiKey, Preferences

LIFETIMES = {30: _("30 days"), 90: _("3 months"), 365: _("1 year"), 0: _("Until I revoke it")}
"""Days that a key lasts; 0: for ever."""


class ProfileForm(forms.ModelForm):  # type: ignore[type-arg]
    class Meta:
        model = User
        fields = ("first_name", "last_name", "email")
        labels = {"first_name": _("First name"), "last_name": _("Last name"), "email": _("E-mail")}
        help_texts = {
            "email": _("Optional. You can sign in with it, and be sent a link if you forget your password.")
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, purpose in (("first_name", "given-name"), ("last_name", "family-name"), ("email", "email")):
            self.fields[name].widget.attrs["autocomplete"] = purpose


class PreferencesForm(forms.ModelForm):  # type: ignore[type-arg]
    language = forms.ChoiceField(label=_("Language"), required=False)
    time_zone = forms.ChoiceField(label=_("Time zone"), required=False)

    class Meta:
        model = Preferences
        fields = ("language", "time_zone", "theme")
        labels = {"theme": _("Appearance")}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        language, zone = self.fields["language"], self.fields["time_zone"]
        assert isinstance(language, forms.ChoiceField) and isinstance(zone, forms.ChoiceField)  # noqa: S101 - mypy
        language.choices = [("", _("As the browser says")), *settings.LANGUAGES]
        zone.choices = [("", _("As the album is set: %s") % settings.TIME_ZONE), *_zones()]


class KeyForm(forms.Form):
    name = forms.CharField(label=_("What is it for?"), max_length=80, help_text=_("Such as: backup of my phone"))
    scopes = forms.MultipleChoiceField(
        label=_("It may"), choices=ApiKey.Scope.choices, widget=forms.CheckboxSelectMultiple, initial=["read"]
    )
    lifetime = forms.TypedChoiceField(
        label=_("Valid for"), coerce=int, choices=list(LIFETIMES.items()), initial=365
    )

    def __init__(self, user: User, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        scopes = self.fields["scopes"]
        assert isinstance(scopes, forms.MultipleChoiceField)  # noqa: S101 - for mypy
        if not user.is_superuser:
            scopes.choices = [choice for choice in ApiKey.Scope.choices if choice[0] != ApiKey.Scope.ADMIN]

    def expires_at(self) -> datetime | None:
        """The end of the last day, in the user's time zone; None: never."""
        days: int = self.cleaned_data["lifetime"]
        if not days:
            return None
        last_day = timezone.localdate() + timedelta(days=days)
        return timezone.make_aware(datetime.combine(last_day, time.max))


class InvitationForm(forms.Form):
    email = forms.EmailField(
        label=_("E-mail"), required=False, help_text=_("Optional: filled in for them. The album sends no mail.")
    )
    is_admin = forms.BooleanField(label=_("Make them a site administrator"), required=False)


class PasswordLinkForm(forms.Form):
    user = forms.ModelChoiceField(
        User.objects.filter(is_active=True).order_by("username"), label=_("Account"), empty_label=_("Choose one")
    )


@lru_cache(1)
def _zones() -> list[tuple[str, str]]:
    names = sorted(name for name in available_timezones() if "/" in name and not name.startswith("Etc/"))
    return [(name, name.replace("_", " ")) for name in ("UTC", *names)]
