"""The door for files."""

from django.urls import path

from album.web.views.upload import upload

urlpatterns = [
    path("upload/", upload, name="upload"),
]
