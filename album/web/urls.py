"""The pages of the album."""

from django.urls import path

from album.web.views.albums import import_url
from album.web.views.files import animation, motion, original, playback, preview
from album.web.views.health import healthz
from album.web.views.media import photo_detail
from album.web.views.timeline import timeline
from album.web.views.trash import delete, move_to_trash, restore, trash
from album.web.views.upload import upload

app_name = "album"
urlpatterns = [
    path("", timeline, name="timeline"),
    path("upload/", upload, name="upload"),
    path("media/<int:pk>/", photo_detail, name="photo_detail"),
    path("media/<int:pk>/preview/", preview, name="preview"),
    path("media/<int:pk>/original/", original, name="original"),
    path("media/<int:pk>/playback/", playback, name="playback"),
    path("media/<int:pk>/motion/", motion, name="motion"),
    path("media/<int:pk>/animation/", animation, name="animation"),
    path("media/<int:pk>/trash/", move_to_trash, name="move_to_trash"),
    path("trash/", trash, name="trash"),
    path("trash/<int:pk>/restore/", restore, name="restore"),
    path("trash/<int:pk>/delete/", delete, name="delete"),
    path("albums/<int:pk>/import-url/", import_url, name="import_url"),
    path("healthz", healthz, name="healthz"),
]
