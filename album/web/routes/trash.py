"""The trash."""

from django.urls import path

from album.web.views.trash import delete, empty, move_to_trash, restore, restore_all, trash

urlpatterns = [
    path("media/<int:pk>/trash/", move_to_trash, name="move_to_trash"),
    path("trash/", trash, name="trash"),
    path("trash/restore/", restore_all, name="restore_all"),
    path("trash/empty/", empty, name="empty_trash"),
    path("trash/<int:pk>/restore/", restore, name="restore"),
    path("trash/<int:pk>/delete/", delete, name="delete"),
]
