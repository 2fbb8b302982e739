"""How long it will take: the nights that the pending items need, from what earlier ones took."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from django.db.models import Avg

from album.models import AIProcessingSettings, MediaItem, Stage, StageResult, Status
from album.models.media import Kind
from album.models.processing import DELAYS
from album.queries import shown

SAMPLE = 200


@dataclass(frozen=True, slots=True)
class NightForecast:
    """What the nights ahead look like for one kind. ``each_s`` None: nothing was measured on this machine yet."""

    kind: Kind
    pending: int
    per_night: int
    each_s: float | None

    @property
    def nights(self) -> int:
        return math.ceil(self.pending / self.per_night)

    @property
    def night_s(self) -> float | None:
        """Seconds that the next night will take."""
        return None if self.each_s is None else min(self.pending, self.per_night) * self.each_s


def forecast_nights(kind: Kind, row: AIProcessingSettings, batch_size: int) -> NightForecast:
    """The forecast by these settings; ``batch_size`` is the hardware profile's, where they leave it to that."""
    pending = MediaItem.objects.filter(shown(), kind=kind, processing_status=Status.PENDING).count()
    measured = [seconds for stage in Stage if (seconds := measured_seconds(kind, stage)) is not None]
    each_s = sum(measured) or None
    per_night = row.batch_size or batch_size
    if each_s is not None and (allowed := _allowed_minutes(kind, row)) is not None:
        per_night = max(1, min(per_night, int(allowed * 60 / each_s)))
    return NightForecast(kind, pending, per_night, each_s)


def measured_seconds(kind: Kind, stage: Stage) -> float | None:
    """The mean seconds of an item in this stage, over the newest items that are done; None where there are none."""
    done = StageResult.objects.filter(
        stage=stage, state=Status.COMPLETED, item__kind=kind, duration_s__isnull=False
    )
    newest = done.exclude(duration_s=None).order_by("-item_id").values("duration_s")[:SAMPLE]
    mean: float | None = newest.aggregate(mean=Avg("duration_s"))["mean"]
    return mean


def _allowed_minutes(kind: Kind, row: AIProcessingSettings) -> float | None:
    """How long a night of this kind may last; None: as long as it takes."""
    allowed = [] if row.max_minutes is None else [float(row.max_minutes)]
    if row.window_end is not None:
        start = time(row.schedule_hour, row.schedule_minute)
        length = datetime.combine(date.min, row.window_end) - datetime.combine(date.min, start)
        window = length % timedelta(days=1) or timedelta(days=1)
        allowed.append((window - DELAYS[kind]) / timedelta(minutes=1))
    return min(allowed, default=None)
