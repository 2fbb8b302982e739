"""Map, places, memories and people."""

from django.urls import URLPattern

urlpatterns: list[URLPattern] = []
