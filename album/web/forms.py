"""Forms of the pages."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.files.uploadedfile import UploadedFile

from album.models import Album
from album.queries import Viewer, editable_albums


class ManyFilesInput(forms.FileInput):
    allow_multiple_selected = True


class ManyFilesField(forms.FileField):
    """One or more files. Empty ones pass: ingest refuses them one by one, with their names."""

    def __init__(self, **options: Any) -> None:
        widget = ManyFilesInput(attrs={"accept": "image/*,video/*"})
        super().__init__(widget=widget, allow_empty_file=True, **options)

    def clean(self, data: Any, initial: Any = None) -> list[UploadedFile[bytes]]:
        files = data if isinstance(data, list | tuple) else [data]
        if not files:
            super().clean(None, initial)
        return [super(ManyFilesField, self).clean(file, initial) for file in files]


class UploadForm(forms.Form):
    uploads = ManyFilesField(
        label="Photos and videos",
        error_messages={"required": "Choose at least one photo or video."},
    )
    album = forms.ModelChoiceField(Album.objects.none(), required=False, label="Album", empty_label="No album")

    def __init__(self, user: Viewer, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        albums = self.fields["album"]
        assert isinstance(albums, forms.ModelChoiceField)  # noqa: S101 - for mypy
        albums.queryset = editable_albums(user)
