"""Albums."""

from django.urls import path

from album.web.views import albums as views
from album.web.views.album_add import album_add, album_add_items, album_add_months
from album.web.views.downloads import album_zip
from album.web.views.import_url import import_url

urlpatterns = [
    path("albums/", views.albums, name="albums"),
    path("albums/new/", views.album_new, name="album_new"),
    path("albums/arrange/", views.albums_arrange, name="albums_arrange"),
    path("albums/<int:pk>/", views.album, name="album"),
    path("albums/<int:pk>/items/", views.album_items, name="album_items"),
    path("albums/<int:pk>/months/", views.album_months, name="album_months"),
    path("albums/<int:pk>/add/", album_add, name="album_add"),
    path("albums/<int:pk>/add/items/", album_add_items, name="album_add_items"),
    path("albums/<int:pk>/add/months/", album_add_months, name="album_add_months"),
    path("albums/<int:pk>/edit/", views.album_edit, name="album_edit"),
    path("albums/<int:pk>/delete/", views.album_delete, name="album_delete"),
    path("albums/<int:pk>/cover/", views.album_cover, name="album_cover"),
    path("albums/<int:pk>/arrange/", views.album_arrange, name="album_arrange"),
    path("albums/<int:pk>/people/", views.album_people, name="album_people"),
    path("albums/<int:pk>/leave/", views.album_leave, name="album_leave"),
    path("albums/<int:pk>/zip/", album_zip, name="album_zip"),
    path("albums/<int:pk>/import-url/", import_url, name="import_url"),
]
