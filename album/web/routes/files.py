"""The files of an item."""

from django.urls import path

from album.web.views.files import animation, motion, original, playback, preview, thumbnail

urlpatterns = [
    path("media/<int:pk>/thumbnail/", thumbnail, name="thumbnail"),
    path("media/<int:pk>/preview/", preview, name="preview"),
    path("media/<int:pk>/original/", original, name="original"),
    path("media/<int:pk>/playback/", playback, name="playback"),
    path("media/<int:pk>/motion/", motion, name="motion"),
    path("media/<int:pk>/animation/", animation, name="animation"),
]
