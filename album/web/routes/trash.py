"""The trash."""

from django.urls import path

from album.web.views.trash import delete, move_to_trash, restore, trash

urlpatterns = [
    path("media/<int:pk>/trash/", move_to_trash, name="move_to_trash"),
    path("trash/", trash, name="trash"),
    path("trash/<int:pk>/restore/", restore, name="restore"),
    path("trash/<int:pk>/delete/", delete, name="delete"),
]
