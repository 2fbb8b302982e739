"""Search."""

from django.urls import path

from album.web.views.search import search, search_items, similar, similar_items, suggestions

urlpatterns = [
    path("search/", search, name="search"),
    path("search/items/", search_items, name="search_items"),
    path("search/suggest/", suggestions, name="suggest"),
    path("media/<int:pk>/similar/", similar, name="similar"),
    path("media/<int:pk>/similar/items/", similar_items, name="similar_items"),
]
