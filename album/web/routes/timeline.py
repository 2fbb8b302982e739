"""The timeline."""

from django.urls import path

from album.web.views.timeline import timeline

urlpatterns = [
    path("", timeline, name="timeline"),
]
