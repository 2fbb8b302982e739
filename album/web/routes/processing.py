"""Processing by AI."""

from typing import Any

from django.urls import URLPattern, path

from album.models.media import Kind
from album.web.views.processing import processing, retry, run_status, stop


def _addresses_of(kind: Kind) -> list[URLPattern]:
    name = f"process_{kind}s_ai"
    folder, which = f"process-{kind}s-ai/", dict[str, Any](kind=kind)
    return [
        path(folder, processing, which, name=name),
        path(f"{folder}run/", run_status, which, name=f"{name}_run"),
        path(f"{folder}stop/<int:pk>/", stop, which, name=f"{name}_stop"),
        path(f"{folder}retry/", retry, which, name=f"{name}_retry"),
    ]


urlpatterns = [*_addresses_of(Kind.PHOTO), *_addresses_of(Kind.VIDEO)]
