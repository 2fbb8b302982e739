"""Albums."""

from django.urls import path

from album.web.views.albums import import_url

urlpatterns = [
    path("albums/<int:pk>/import-url/", import_url, name="import_url"),
]
