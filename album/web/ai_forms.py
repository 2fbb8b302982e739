"""Forms of the pages about AI."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.models import User
from django.utils.translation import gettext_lazy as _

from album.models import AIProcessingSettings, Album
from album.services.ai_settings import RANGES
from album.services.batch_requests import batch_albums

MOST_ITEMS = 1_000_000
SWITCHES = ("processing_enabled", "scheduled_processing", "auto_process_on_upload")


class BatchForm(forms.Form):
    """What a batch is to do."""

    album = forms.ModelChoiceField(Album.objects.none(), label=_("Album"))
    limit = forms.IntegerField(
        label=_("At most"),
        required=False,
        min_value=1,
        max_value=MOST_ITEMS,
        error_messages=dict.fromkeys(
            ("invalid", "min_value", "max_value"), _("Enter a whole number of 1 or more, or leave it empty.")
        ),
    )
    force = forms.BooleanField(
        label=_("Do finished items again"),
        required=False,
        help_text=_("What people wrote stays. Without this, only what is pending or has failed is done."),
    )

    def __init__(self, user: User, on_demand_limit: int, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        album = self.fields["album"]
        assert isinstance(album, forms.ModelChoiceField)  # noqa: S101 - for mypy
        album.queryset = batch_albums(user).order_by("title", "pk")
        if user.is_superuser:
            album.required, album.empty_label = False, _("The whole library")
            self.fields["limit"].help_text = _("Items. Empty: all that wait.")
        else:
            words = _("Items, %(count)d at most. Empty: %(count)d.")
            self.fields["limit"].help_text = words % {"count": on_demand_limit}


class AISettingsForm(forms.ModelForm):  # type: ignore[type-arg]
    """The settings row; each value is bounded, and what is wrong is said at its field."""

    class Meta:
        model = AIProcessingSettings
        fields = (*SWITCHES, *RANGES, "window_end")
        labels = {
            "processing_enabled": _("AI processing"),
            "scheduled_processing": _("Every night"),
            "auto_process_on_upload": _("At once, when something is uploaded"),
            "batch_size": _("Items in one night"),
            "processing_timeout": _("Seconds for one item"),
            "schedule_hour": _("Hour"),
            "schedule_minute": _("Minute"),
            "max_minutes": _("Minutes at most"),
            "on_demand_limit": _("Items that album admins may process at once"),
            "window_end": _("Stop at"),
        }
        help_texts = {
            "processing_enabled": _("Switched off, nothing is analyzed, neither at night nor on demand."),
            "scheduled_processing": _("Recommended. The model is loaded once, for all that waits."),
            "auto_process_on_upload": _(
                "Not recommended: for each file the model is loaded again, which takes far longer than the "
                "analysis itself, and slows the album down while people use it."
            ),
            "batch_size": _("20 to 10,000. Empty: as the hardware profile advises."),
            "processing_timeout": _("An item that takes longer has failed. Empty: as the profile advises."),
            "schedule_hour": _("0 to 23"),
            "schedule_minute": _("0 to 59"),
            "max_minutes": _("A night stops after so many minutes. Empty: no limit."),
            "on_demand_limit": _("Site admins have no limit."),
            "window_end": _("A night stops at this time; the rest waits for the next one. Empty: at its end."),
        }
        widgets = {"window_end": forms.TimeInput(attrs={"type": "time"}, format="%H:%M")}
        error_messages = {"window_end": {"invalid": _("Enter a time like 06:30, or leave it empty.")}}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, (least, most, words) in RANGES.items():
            is_optional = not self.fields[name].required
            self.fields[name] = forms.IntegerField(
                label=self.fields[name].label,
                help_text=self.fields[name].help_text,
                required=not is_optional,
                min_value=least,
                max_value=most,
                error_messages=dict.fromkeys(("invalid", "min_value", "max_value", "required"), words),
            )
