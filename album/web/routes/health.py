"""Is it alive, and how is it?"""

from django.urls import path

from album.web.views.health import healthz, metrics
from album.web.views.status import status

urlpatterns = [
    path("healthz", healthz, name="healthz"),
    path("status/", status, name="status"),
    path("metrics", metrics, name="metrics"),
]
