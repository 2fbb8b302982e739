"""The page of an item."""

from django.urls import path

from album.web.views.media import photo_detail

urlpatterns = [
    path("media/<int:pk>/", photo_detail, name="photo_detail"),
]
