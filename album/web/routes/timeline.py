"""The timeline, the favourites, the archive, and what is done with many items at once."""

from django.urls import path

from album.web.views.bulk import bulk, download, fillable
from album.web.views.timeline import ROOMS, TIMELINE, filters, grid_items, grid_months, grid_page

urlpatterns = [
    path("media/bulk/", bulk, name="bulk"),
    path("media/albums/", fillable, name="fillable_albums"),
    path("media/zip/", download, name="zip"),
]
for room in ROOMS:
    folder = f"{room.name}/"
    page = "" if room is TIMELINE else folder
    urlpatterns += [
        path(page, grid_page, {"room": room}, name=room.name),
        path(f"{folder}items/", grid_items, {"room": room}, name=f"{room.name}_items"),
        path(f"{folder}months/", grid_months, {"room": room}, name=f"{room.name}_months"),
        path(f"{folder}filters/", filters, {"room": room}, name=f"{room.name}_filters"),
    ]
