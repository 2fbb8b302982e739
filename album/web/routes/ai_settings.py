"""The settings of the batch."""

from django.urls import URLPattern

urlpatterns: list[URLPattern] = []
