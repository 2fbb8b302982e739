"""Map, places, memories and people."""

from django.urls import path

from album.web.views import people, places

urlpatterns = [
    path("map/", places.world_map, name="map"),
    path("map/points/", places.map_points, name="map_points"),
    path("memories/", places.memories, name="memories"),
    path("memories/strip/", places.memories_strip, name="memories_strip"),
    path("memories/dismiss/", places.dismiss_memories, name="dismiss_memories"),
    path("people/", people.people, name="people"),
    path("people/<int:pk>/", people.person, name="person"),
    path("people/<int:pk>/items/", people.person_items, name="person_items"),
    path("people/<int:pk>/months/", people.person_months, name="person_months"),
    path("people/<int:pk>/rename/", people.rename, name="rename_person"),
    path("people/<int:pk>/merge/", people.merge, name="merge_people"),
    path("people/<int:pk>/face/", people.choose_face, name="choose_face"),
    path("people/<int:pk>/forget/", people.forget, name="forget_person"),
]
