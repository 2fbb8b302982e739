"""The addresses of the API.

Its views are imported by the first request. Measured: REST framework costs a web process 13 MB and 0.14 s, 2026-11.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Any

from django.http import HttpRequest, HttpResponseBase
from django.urls import path, re_path
from django.views.decorators.csrf import csrf_exempt

V1 = "api/v1/"
ROUTES = (
    ("", "site", "Resources", "resources"),
    ("me/", "site", "Me", "me"),
    ("media/", "media", "MediaList", "media"),
    ("media/<int:pk>/", "media", "MediaDetail", "media_item"),
    ("media/<int:pk>/restore/", "media", "MediaRestore", "media_restore"),
    ("media/<int:pk>/similar/", "search", "Similar", "media_similar"),
    ("media/<int:pk>/tags/", "media", "MediaTags", "media_tags"),
    ("media/<int:pk>/tags/<path:name>/", "media", "MediaTag", "media_tag"),
    ("media/<int:pk>/people/", "media", "MediaPeople", "media_people"),
    ("media/<int:pk>/people/<int:person_id>/", "media", "MediaPerson", "media_person"),
    ("albums/", "albums", "AlbumList", "albums"),
    ("albums/<int:pk>/", "albums", "AlbumDetail", "album"),
    ("albums/<int:pk>/items/", "albums", "AlbumItems", "album_items"),
    ("albums/<int:pk>/items/remove/", "albums", "AlbumItemsRemove", "album_items_remove"),
    ("albums/<int:pk>/members/", "albums", "AlbumMembers", "album_members"),
    ("albums/<int:pk>/members/<str:username>/", "albums", "AlbumMember", "album_member"),
    ("albums/<int:pk>/links/", "albums", "AlbumLinks", "album_links"),
    ("links/", "albums", "LinkList", "links"),
    ("links/<int:pk>/", "albums", "LinkDetail", "link"),
    ("tags/", "names", "TagList", "tags"),
    ("people/", "names", "PersonList", "people"),
    ("people/<int:pk>/", "names", "PersonDetail", "person"),
    ("search/", "search", "Search", "search"),
    ("uploads/", "uploads", "Uploads", "uploads"),
    ("uploads/known/", "uploads", "UploadsKnown", "uploads_known"),
    ("batches/", "batches", "BatchList", "batches"),
    ("batches/<int:pk>/", "batches", "BatchDetail", "batch"),
    ("batches/<int:pk>/stop/", "batches", "BatchStop", "batch_stop"),
    ("settings/", "site", "Settings", "settings"),
    ("status/", "site", "Status", "status"),
    ("schema/", "schema", "SchemaView", "schema"),
)
"""Route below ``/api/v1/``, module, view, name."""


def _late(module: str, name: str) -> Callable[..., HttpResponseBase]:
    """The view of that name, imported when it is called. It checks for itself that a session is not abused."""

    @cache
    def find() -> Callable[..., HttpResponseBase]:
        view: Any = getattr(import_module(f"album.api.{module}"), name)
        found: Callable[..., HttpResponseBase] = view.as_view()
        return found

    @csrf_exempt
    def late(request: HttpRequest, **values: Any) -> HttpResponseBase:
        return find()(request, **values)

    return late


app_name = "api"
urlpatterns = [
    path("jobs/", _late("jobs", "Jobs"), name="jobs"),
    path("jobs/<str:job_id>/", _late("jobs", "Job"), name="job"),
    path("jobs/<str:job_id>/<str:name>", _late("jobs", "JobFile"), name="job_file"),
    *(path(V1 + route, _late(module, view), name=name) for route, module, view, name in ROUTES),
    re_path(f"^{V1}", _late("site", "Nowhere"), name="nowhere"),
]
