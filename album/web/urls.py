"""The pages of the album."""

from django.urls import path

from album.web.views.health import healthz
from album.web.views.media import original, photo_detail, preview
from album.web.views.timeline import timeline
from album.web.views.upload import upload

app_name = "album"
urlpatterns = [
    path("", timeline, name="timeline"),
    path("upload/", upload, name="upload"),
    path("media/<int:pk>/", photo_detail, name="photo_detail"),
    path("media/<int:pk>/preview/", preview, name="preview"),
    path("media/<int:pk>/original/", original, name="original"),
    path("healthz", healthz, name="healthz"),
]
