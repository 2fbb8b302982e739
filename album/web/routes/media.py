"""The page of an item."""

from django.urls import path

from album.web.views.media import edit, favourite, info, photo_detail, retry

urlpatterns = [
    path("media/<int:pk>/", photo_detail, name="photo_detail"),
    path("media/<int:pk>/info/", info, name="media_info"),
    path("media/<int:pk>/edit/<slug:what>/", edit, name="edit_item"),
    path("media/<int:pk>/favourite/", favourite, name="favourite"),
    path("media/<int:pk>/retry/", retry, name="retry_item"),
]
