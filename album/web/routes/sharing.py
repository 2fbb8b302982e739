"""Shared links."""

from django.urls import path

from album.web.views import downloads, shared, sharing

urlpatterns = [
    path("links/", sharing.links, name="links"),
    path("links/new/", sharing.items_link, name="items_link"),
    path("links/<int:pk>/revoke/", sharing.link_revoke, name="link_revoke"),
    path("albums/<int:pk>/links/", sharing.album_links, name="album_links"),
    path("s/<str:token>/", shared.shared, name="shared"),
    path("s/<str:token>/items/", shared.shared_items, name="shared_items"),
    path("s/<str:token>/zip/", downloads.shared_zip, name="shared_zip"),
    path("s/<str:token>/original/<int:pk>/", downloads.shared_original, name="shared_original"),
    path("s/<str:token>/video/<int:pk>/", downloads.shared_video, name="shared_video"),
]
