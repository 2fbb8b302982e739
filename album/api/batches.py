"""Batches: started, watched, stopped. What a batch is: docs/nights.md."""

from __future__ import annotations

from datetime import UTC
from typing import Any

from django.db import transaction
from rest_framework import serializers
from rest_framework.exceptions import PermissionDenied, ValidationError
from rest_framework.request import Request

from album import tasks
from album.api.endpoints import Resource, cut_by_id, endpoint, found, member, page, page_of
from album.api.fields import Body, Id, Place, Query, Switch, Whole
from album.models import ApiKey, BatchRun
from album.models.media import Kind
from album.services import batch_requests as service
from album.services.batch_progress import RunProgress, progress_of

MOST_ITEMS = 1_000_000


class BatchShape(serializers.ModelSerializer[BatchRun]):
    """A run over photos or videos."""

    album = serializers.IntegerField(source="album_id", allow_null=True)
    requested_by = serializers.CharField(source="requested_by.username", default=None, allow_null=True)
    stop_reason = serializers.CharField(help_text="Why it ended: docs/nights.md. Empty while it has not.")
    current_stage = serializers.CharField(help_text="`embed`, `caption`, or empty.")
    created_at = serializers.DateTimeField(default_timezone=UTC)
    started_at = serializers.DateTimeField(default_timezone=UTC, allow_null=True)
    finished_at = serializers.DateTimeField(default_timezone=UTC, allow_null=True)

    class Meta:
        model = BatchRun
        fields: tuple[str, ...] = (
            "id",
            "kind",
            "trigger",
            "album",
            "requested_by",
            "item_limit",
            "is_forced",
            "state",
            "stop_reason",
            "message",
            "is_stop_requested",
            "current_stage",
            "items_total",
            "items_completed",
            "items_failed",
            "items_per_second",
            "created_at",
            "started_at",
            "finished_at",
        )
        read_only_fields = fields


class Progress(serializers.Serializer[Any]):
    """`done` of `total` items of step `step` of `steps` are through; `left_s` seconds are left, if known."""

    percent = serializers.IntegerField()
    step = serializers.IntegerField()
    steps = serializers.IntegerField()
    done = serializers.IntegerField()
    total = serializers.IntegerField()
    weights = serializers.CharField()
    left_s = serializers.FloatField(allow_null=True)
    is_active = serializers.BooleanField()
    is_silent = serializers.BooleanField(help_text="It should work, and was not heard of for minutes.")


class BatchWithProgress(BatchShape):
    """A run and how far it is."""

    progress = serializers.SerializerMethodField()

    class Meta(BatchShape.Meta):
        fields = (*BatchShape.Meta.fields, "progress")
        read_only_fields = fields

    def get_progress(self, run: BatchRun) -> dict[str, Any]:
        progress: RunProgress = progress_of(run)
        return dict(Progress(progress).data)


class BatchQuery(Place):
    kind = serializers.ChoiceField(list(Kind.values), required=False)
    state = serializers.ChoiceField(list(BatchRun.State.values), required=False)


class NewBatch(Body):
    kind = serializers.ChoiceField(list(Kind.values))
    album = Id(allow_null=True, default=None, help_text="Null, for site admins: the whole library.")
    limit = Whole(min_value=1, max_value=MOST_ITEMS, allow_null=True, default=None)
    force = Switch(default=False, help_text="Do finished items again.")


class Batches(Resource):
    scope = ApiKey.Scope.PROCESS


class BatchList(Batches):
    @endpoint(page_of(BatchShape), query=BatchQuery)
    def get(self, request: Request, asked: dict[str, Any]) -> dict[str, Any]:
        """Runs that you may watch, the newest first: for albums that you administer, or all for a site admin."""
        runs = service.runs_of(member(request)).select_related("requested_by")
        runs = runs.filter(**{name: asked[name] for name in ("kind", "state") if name in asked})
        read, after = cut_by_id(runs, asked, newest_first=True)
        return page(request, read, after)

    @endpoint(BatchWithProgress, body=NewBatch, status=201)
    def post(self, request: Request, asked: dict[str, Any]) -> BatchRun:
        """Starts a batch: a worker is told at once."""
        user = member(request)
        if not service.may_process(user):
            raise PermissionDenied("Batches are for those who administer an album.")
        album = None
        if asked["album"] is not None:
            album = service.batch_albums(user).filter(pk=asked["album"]).first()
            if album is None:
                raise ValidationError({"album": ["There is no such album that you administer."]})
        with transaction.atomic():
            return tasks.start_batch(
                user=user, kind=Kind(asked["kind"]), album=album, limit=asked["limit"], is_forced=asked["force"]
            )


class BatchDetail(Batches):
    @endpoint(BatchWithProgress)
    def get(self, request: Request, asked: dict[str, Any], pk: int) -> BatchRun:
        """A run with its progress."""
        return found(service.runs_of(member(request)).select_related("requested_by"), pk)


class BatchStop(Batches):
    @endpoint(BatchWithProgress, query=Query)
    def post(self, request: Request, asked: dict[str, Any], pk: int) -> BatchRun:
        """Ends a run that waits, and asks one that works to end after the item it holds."""
        runs = service.runs_of(member(request)).select_related("requested_by")
        service.request_stop(run=found(runs, pk))
        return found(runs, pk)
