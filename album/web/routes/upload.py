"""The doors for files."""

from django.urls import path

from album.web.views.resumable import upload_piece, uploads
from album.web.views.upload import known, upload

urlpatterns = [
    path("upload/", upload, name="upload"),
    path("upload/known/", known, name="upload_known"),
    path("upload/files/", uploads, name="uploads"),
    path("upload/files/<uuid:pk>/", upload_piece, name="upload_piece"),
]
