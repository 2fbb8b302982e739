"""The installation: its settings and how it is, for site admins; and who asks."""

from __future__ import annotations

from datetime import UTC
from typing import Any

from django.conf import settings
from django.urls import reverse
from rest_framework import serializers
from rest_framework.exceptions import NotFound, PermissionDenied
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from album import tasks
from album.api.endpoints import Resource, endpoint, member
from album.api.fields import Body, Switch, Whole
from album.models import AIProcessingSettings, ApiKey, MediaItem
from album.models.media import Kind
from album.queries.processing import library_status_counts
from album.services.ai_settings import RANGES, is_beat_heard, next_nights, save_ai_settings
from album.services.statistics import installation

OPTIONAL = ("batch_size", "processing_timeout", "max_minutes")
FIELDS = (
    "processing_enabled",
    "scheduled_processing",
    "auto_process_on_upload",
    *RANGES,
    "window_end",
)
RESOURCES = {
    "account": "me",
    "media": "media",
    "albums": "albums",
    "links": "links",
    "tags": "tags",
    "people": "people",
    "search": "search",
    "uploads": "uploads",
    "batches": "batches",
    "settings": "settings",
    "status": "status",
    "schema": "schema",
}


class SiteAdmin(BasePermission):
    """True for site admins."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        if not member(request).is_superuser:
            raise PermissionDenied("This is for site admins.")
        return True


class Root(serializers.Serializer[Any]):
    """The resources and their addresses."""

    resources = serializers.DictField(child=serializers.URLField())


class Account(serializers.Serializer[Any]):
    """Who asks, and what the key may do; null for a session."""

    username = serializers.CharField()
    is_site_admin = serializers.BooleanField()
    scopes = serializers.ListField(child=serializers.CharField(), allow_null=True)


class SettingsShape(serializers.ModelSerializer[AIProcessingSettings]):
    """How the batch is steered: docs/processing.md."""

    class Meta:
        model = AIProcessingSettings
        fields = FIELDS
        read_only_fields = fields


def _whole(name: str) -> Whole:
    least, most, words = RANGES[name]
    messages: dict[str, Any] = dict.fromkeys(("min_value", "max_value", "null"), words)
    is_optional = name in OPTIONAL
    return Whole(min_value=least, max_value=most, required=False, allow_null=is_optional, error_messages=messages)


class SettingsChange(Body):
    """What is to be another one. Nothing needs a restart."""

    processing_enabled = Switch(required=False)
    scheduled_processing = Switch(required=False)
    auto_process_on_upload = Switch(required=False)
    batch_size = _whole("batch_size")
    processing_timeout = _whole("processing_timeout")
    schedule_hour = _whole("schedule_hour")
    schedule_minute = _whole("schedule_minute")
    max_minutes = _whole("max_minutes")
    on_demand_limit = _whole("on_demand_limit")
    window_end = serializers.TimeField(
        input_formats=["%H:%M", "%H:%M:%S"], allow_null=True, required=False, help_text="`06:30`; null: no end."
    )


class NightShape(serializers.Serializer[Any]):
    """The next night of a kind as beat will ring it; null: there will be none."""

    kind = serializers.CharField()
    at = serializers.DateTimeField(default_timezone=UTC, allow_null=True)
    is_overdue = serializers.BooleanField()
    is_missing = serializers.BooleanField(
        help_text="The settings ask for it, and beat has no such row: `manage.py setup_beat_schedule` writes it."
    )


class Counts(serializers.Serializer[Any]):
    """Items in each status."""

    pending = serializers.IntegerField()
    processing = serializers.IntegerField()
    completed = serializers.IntegerField()
    failed = serializers.IntegerField()


class StatusShape(serializers.Serializer[Any]):
    """How the installation is."""

    database = serializers.CharField(help_text="`ok`: it has just answered.")
    is_worker_there = serializers.BooleanField(help_text="A worker that takes batches has answered.")
    is_beat_heard = serializers.BooleanField(help_text="What starts the nights has rung lately.")
    nights = NightShape(many=True)
    photos = Counts()
    videos = Counts()
    waiting_previews = serializers.IntegerField()
    disk_free_bytes = serializers.IntegerField()
    disk_total_bytes = serializers.IntegerField()
    time_zone = serializers.CharField()


class Resources(Resource):
    @endpoint(Root)
    def get(self, request: Request, asked: dict[str, Any]) -> dict[str, Any]:
        """Where to find what."""
        addresses = {name: request.build_absolute_uri(reverse(f"api:{route}")) for name, route in RESOURCES.items()}
        return {"resources": addresses}


class Nowhere(Resource):
    """Every other address: programs are told in JSON."""

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        raise NotFound("There is no such address. Addresses end with a slash.")


class Me(Resource):
    @endpoint(Account)
    def get(self, request: Request, asked: dict[str, Any]) -> dict[str, Any]:
        """Who asks. A way to try a key."""
        user, key = member(request), request.auth
        scopes = key.scopes if isinstance(key, ApiKey) else None
        return {"username": user.get_username(), "is_site_admin": user.is_superuser, "scopes": scopes}


class Settings(Resource):
    permission_classes = [*Resource.permission_classes, SiteAdmin]
    scope = ApiKey.Scope.ADMIN

    @endpoint(SettingsShape)
    def get(self, request: Request, asked: dict[str, Any]) -> AIProcessingSettings:
        """The settings."""
        return AIProcessingSettings.load()

    @endpoint(SettingsShape, body=SettingsChange)
    def patch(self, request: Request, asked: dict[str, Any]) -> AIProcessingSettings:
        """Changes what is given, and the schedule with it."""
        row = AIProcessingSettings.load()
        for name, value in asked.items():
            setattr(row, name, value)
        save_ai_settings(row)
        return row


class Status(Resource):
    permission_classes = [*Resource.permission_classes, SiteAdmin]
    scope = ApiKey.Scope.ADMIN

    @endpoint(StatusShape)
    def get(self, request: Request, asked: dict[str, Any]) -> dict[str, Any]:
        """How the installation is."""
        machine = installation()
        return {
            "database": "ok",
            "is_worker_there": tasks.is_worker_there(),
            "is_beat_heard": is_beat_heard(),
            "nights": next_nights(),
            "photos": library_status_counts(Kind.PHOTO),
            "videos": library_status_counts(Kind.VIDEO),
            "waiting_previews": MediaItem.objects.filter(preview_status="waiting", trashed_at=None).count(),
            "disk_free_bytes": machine.disk_free_bytes,
            "disk_total_bytes": machine.disk_total_bytes,
            "time_zone": settings.TIME_ZONE,
        }
