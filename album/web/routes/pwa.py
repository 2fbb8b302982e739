"""The installable app."""

from django.urls import path

from album.web.views.pwa import favicon, manifest, offline, service_worker
from album.web.views.upload import share_target

urlpatterns = [
    path("favicon.ico", favicon, name="favicon"),
    path("manifest.webmanifest", manifest, name="manifest"),
    path("service-worker.js", service_worker, name="service_worker"),
    path("offline/", offline, name="offline"),
    path("share-target/", share_target, name="share_target"),
]
