"""Is it alive?"""

from django.urls import path

from album.web.views.health import healthz

urlpatterns = [
    path("healthz", healthz, name="healthz"),
]
