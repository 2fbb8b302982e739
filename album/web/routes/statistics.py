"""Statistics."""

from django.urls import path

from album.web.views.statistics import statistics

urlpatterns = [
    path("statistics/", statistics, name="statistics"),
]
