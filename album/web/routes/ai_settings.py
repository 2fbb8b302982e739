"""The settings of the batch."""

from django.urls import path

from album.web.views.ai_settings import ai_settings, download, models

urlpatterns = [
    path("ai-settings/", ai_settings, name="ai_settings"),
    path("ai-settings/models/", models, name="ai_models"),
    path("ai-settings/models/download/", download, name="ai_download"),
]
