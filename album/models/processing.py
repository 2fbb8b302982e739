"""The batch in rows: its settings, its runs, and the ledger of item x stage."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from album.models.media import Kind, Status

VIDEO_DELAY = timedelta(minutes=30)
"""Videos follow the photos: 02:00 and 02:30 by default."""
DELAYS = {Kind.PHOTO: timedelta(), Kind.VIDEO: VIDEO_DELAY}
"""How long after its start a night begins with each kind; its window is counted from the start for both."""


class Stage(models.TextChoices):
    """What a batch does to an item, in order of value: a vector makes it findable, a caption explains it."""

    EMBED = "embed", _("Vector and tags")
    CAPTION = "caption", _("Description")


class AIProcessingSettings(models.Model):
    """The one row that steers the batch. Change it through ``services.ai_settings``, which tells beat as well."""

    processing_enabled = models.BooleanField(default=True)
    auto_process_on_upload = models.BooleanField(
        default=False, help_text="Off is recommended: a batch loads the model once for all photos."
    )
    scheduled_processing = models.BooleanField(default=True, help_text="Run every night at the hour below.")
    batch_size = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(20), MaxValueValidator(10_000)],
        help_text="Items per scheduled run, 20 to 10,000. Empty: what the hardware profile advises.",
    )
    processing_timeout = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(5), MaxValueValidator(86_400)],
        help_text="Seconds one item may take before it counts as failed. Empty: by hardware profile.",
    )
    schedule_hour = models.PositiveSmallIntegerField(default=2, validators=[MaxValueValidator(23)])
    schedule_minute = models.PositiveSmallIntegerField(default=0, validators=[MaxValueValidator(59)])
    window_end = models.TimeField(
        null=True, blank=True, help_text="A night run stops at this local time. Empty: it runs to its end."
    )
    max_minutes = models.PositiveIntegerField(
        null=True, blank=True, help_text="A night run stops after so many minutes. Empty: no limit."
    )
    on_demand_limit = models.PositiveIntegerField(
        default=50, help_text="Items per on-demand run for album admins. Site admins have no limit."
    )
    schedule_changed_at = models.DateTimeField(
        auto_now_add=True, help_text="A night before this moment was never promised, so it is never caught up."
    )

    class Meta:
        verbose_name = verbose_name_plural = "AI processing settings"

    def __str__(self) -> str:
        return "AI processing settings"

    def clean(self) -> None:
        if self.pk is None and AIProcessingSettings.objects.exists():
            raise ValidationError("There is one settings row; change that one.")

    @classmethod
    def load(cls) -> AIProcessingSettings:
        """The row, made from the ``AI_*`` environment at its first use."""
        row, _made = cls.objects.get_or_create(
            pk=1,
            defaults={
                "processing_enabled": settings.AI_PROCESSING_ENABLED,
                "auto_process_on_upload": settings.AI_AUTO_PROCESS_ON_UPLOAD,
                "scheduled_processing": settings.AI_SCHEDULED_PROCESSING,
                "batch_size": settings.AI_BATCH_SIZE,
                "processing_timeout": settings.AI_PROCESSING_TIMEOUT,
                "schedule_hour": settings.AI_SCHEDULE_HOUR,
                "schedule_minute": settings.AI_SCHEDULE_MINUTE,
            },
        )
        return row

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.pk = 1
        super().save(*args, **kwargs)


class BatchRun(models.Model):
    """One run of ``analyze_photos`` or ``analyze_videos``: what was asked, how far it got, why it ended."""

    class Trigger(models.TextChoices):
        SCHEDULE = "schedule", _("Schedule")
        ON_DEMAND = "on-demand", _("On demand")
        UPLOAD = "upload", _("Upload")
        COMMAND = "command", _("Command line")

    class State(models.TextChoices):
        QUEUED = "queued", _("Queued")
        RUNNING = "running", _("Running")
        FINISHED = "finished", _("Finished")
        INTERRUPTED = "interrupted", _("Interrupted")
        REFUSED = "refused", _("Refused")

    class StopReason(models.TextChoices):
        DONE = "done", _("Nothing left to do")
        LIMIT = "limit", _("Item limit reached")
        MINUTES = "minutes", _("Time budget used up")
        WINDOW = "window", _("End of the window reached")
        REQUESTED = "requested", _("Stopped on request")
        TERMINATED = "terminated", _("Asked by the system to end")
        KILLED = "killed", _("The process ended without a word")
        ERROR = "error", _("An unexpected error")
        STORAGE = "storage", _("The media storage is missing")
        WEIGHTS = "weights", _("The weights cannot be used")
        MEMORY = "memory", _("Not enough memory")

    IDLE = models.Q(stop_reason=StopReason.DONE, items_total=0, items_completed=0, items_failed=0)
    """The condition that a run had nothing to do."""

    kind = models.CharField(max_length=5, choices=Kind)
    trigger = models.CharField(max_length=10, choices=Trigger)
    scheduled_for = models.DateTimeField(
        null=True, blank=True, help_text="The night this run belongs to; one run per kind and moment."
    )
    # CASCADE: without its album, a run for one album would be a run over everybody's library.
    album = models.ForeignKey("album.Album", models.CASCADE, null=True, blank=True)
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True)
    item = models.ForeignKey(
        "album.MediaItem", models.CASCADE, null=True, blank=True, help_text="Set when the run is for one item"
    )
    item_limit = models.PositiveIntegerField(null=True, blank=True, help_text="Empty: no limit")
    is_forced = models.BooleanField(default=False, help_text="Do finished items again as well")

    state = models.CharField(max_length=11, choices=State, default=State.QUEUED)
    stop_reason = models.CharField(max_length=10, choices=StopReason, blank=True)
    message = models.TextField(blank=True, help_text="What happened, in words, and what to do next")
    is_stop_requested = models.BooleanField(default=False)
    restarts = models.PositiveSmallIntegerField(default=0)

    profile = models.CharField(max_length=20, blank=True)
    current_stage = models.CharField(max_length=10, choices=Stage, blank=True)
    items_total = models.PositiveIntegerField(default=0)
    items_completed = models.PositiveIntegerField(default=0)
    items_failed = models.PositiveIntegerField(default=0)
    items_per_second = models.FloatField(null=True, blank=True)
    peak_memory_bytes = models.BigIntegerField(null=True, blank=True)
    host = models.CharField(max_length=120, blank=True)
    pid = models.PositiveIntegerField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True, blank=True)
    heartbeat_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-id",)
        constraints = [
            models.UniqueConstraint(fields=("kind", "scheduled_for"), name="one_run_per_scheduled_moment")
        ]

    def __str__(self) -> str:
        return f"batch {self.pk} ({self.kind}, {self.state})"


class StageResult(models.Model):
    """The ledger: what happened to one item in one stage. A live lease means that a run holds the item."""

    item = models.ForeignKey("album.MediaItem", models.CASCADE, related_name="stage_results")
    stage = models.CharField(max_length=10, choices=Stage)
    state = models.CharField(max_length=10, choices=Status, default=Status.PENDING)
    attempts = models.PositiveSmallIntegerField(default=0)
    run = models.ForeignKey(BatchRun, models.SET_NULL, null=True, blank=True, related_name="stage_results")
    lease_expires_at = models.DateTimeField(null=True, blank=True)
    weights = models.CharField(max_length=120, blank=True)
    revision = models.CharField(max_length=64, blank=True)
    error = models.TextField(blank=True, help_text="Why it failed, in words")
    duration_s = models.FloatField(null=True, blank=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=("item", "stage"), name="one_result_per_stage")]
        indexes = [models.Index(fields=("stage", "state", "item"), name="stage_queue")]

    def __str__(self) -> str:
        return f"{self.stage} of {self.item_id}: {self.state}"


class Embedding(models.Model):
    """The vector of an item in the space of one encoder: ``(D,) float16`` little-endian bytes, L2 norm 1."""

    item = models.ForeignKey("album.MediaItem", models.CASCADE, related_name="embeddings")
    weights = models.CharField(max_length=120)
    revision = models.CharField(max_length=64)
    vector = models.BinaryField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=("item", "weights"), name="one_vector_per_encoder")]

    def __str__(self) -> str:
        return f"{self.weights} vector of {self.item_id}"


class WeightsDownload(models.Model):
    """A download of weights that somebody asked for on a page."""

    name = models.CharField(max_length=120, unique=True)
    state = models.CharField(max_length=10, choices=Status, default=Status.PENDING)
    done_bytes = models.BigIntegerField(default=0)
    total_bytes = models.BigIntegerField(null=True, blank=True)
    error = models.TextField(blank=True)
    is_stop_requested = models.BooleanField(default=False)
    requested_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return f"{self.name}: {self.state}"
