"""Forms of the pages."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from album.models import Album
from album.queries import Viewer, fillable_albums
from album.services.uploads import SpooledUpload


class ManyFilesInput(forms.FileInput):
    allow_multiple_selected = True


class ManyFilesField(forms.FileField):
    """One or more files. Refused ones pass: each is answered for with its name."""

    def __init__(self, **options: Any) -> None:
        widget = ManyFilesInput(attrs={"accept": "image/*,video/*"})
        super().__init__(widget=widget, allow_empty_file=True, **options)

    def clean(self, data: Any, initial: Any = None) -> list[SpooledUpload]:
        files = data if isinstance(data, list | tuple) else [data]
        if not files:
            super().clean(None, initial)
        return [super(ManyFilesField, self).clean(file, initial) for file in files]


class FileTimesField(forms.CharField):
    """When each file was changed on the device, as upload.js tells it. Nonsense counts as not told."""

    def clean(self, value: Any) -> dict[int, datetime]:
        """Moments by the place of their files: a JSON list of milliseconds since 1970."""
        try:
            times = json.loads(value or "[]")
            return {place: datetime.fromtimestamp(time / 1000, UTC) for place, time in enumerate(times) if time}
        except (ValueError, TypeError, OverflowError, OSError, RecursionError):
            return {}


class UploadForm(forms.Form):
    uploads = ManyFilesField(
        label=_("Photos and videos"),
        error_messages={"required": _("Choose at least one photo or video.")},
    )
    album = forms.ModelChoiceField(
        Album.objects.none(), required=False, label=_("Album"), empty_label=_("No album")
    )
    modified = FileTimesField(required=False, widget=forms.HiddenInput)

    def __init__(self, user: Viewer, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        albums = self.fields["album"]
        assert isinstance(albums, forms.ModelChoiceField)  # noqa: S101 - for mypy
        if self.data.get("album") or not self.files:  # else nobody asks: a query costs 4 ms, even to write down
            albums.queryset = fillable_albums(user)
