"""A machine that can do a stage no more forgets what waited for it; one that only lacks memory tonight does not."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from django.core.management import call_command
from django.utils import timezone

from album.batches.ledger import drop_stages
from album.batches.planning import Machine
from album.inference.profiles import PROFILES, Plan
from album.models import MediaItem, Stage, StageResult, Status

PI = PROFILES["raspberry-pi"]
EARLIER = timezone.now() - timedelta(seconds=1)


def test_described_items_are_complete_once_nobody_makes_vectors_any_more(
    make_grays, settings, tmp_path: Path
) -> None:
    make_grays(10, 11)
    for item in MediaItem.objects.all():
        StageResult.objects.create(item=item, stage=Stage.EMBED)
    settings.MODELS_CACHE_DIR, settings.AI_PROFILE = tmp_path / "weights", PI.name  # where no encoder is
    call_command("analyze_photos", weights=["built-in"], limit=1, no_progress=True)
    assert set(MediaItem.objects.values_list("processing_status", flat=True)) == {Status.PENDING}
    call_command("analyze_photos", no_progress=True)
    assert set(MediaItem.objects.values_list("processing_status", flat=True)) == {Status.COMPLETED}
    assert not StageResult.objects.filter(stage=Stage.EMBED).exists()


@pytest.mark.parametrize(
    ("embed", "caption", "status"),
    [
        (Status.PENDING, Status.COMPLETED, Status.COMPLETED),
        (Status.FAILED, Status.COMPLETED, Status.COMPLETED),
        (Status.PROCESSING, Status.COMPLETED, Status.COMPLETED),
        (Status.PROCESSING, Status.PENDING, Status.PENDING),
        (Status.PENDING, Status.FAILED, Status.FAILED),
        (Status.PENDING, Status.PROCESSING, Status.PROCESSING),
    ],
)
def test_the_status_is_that_of_what_is_left(make_grays, photos, embed, caption, status) -> None:
    make_grays(10)
    (item,) = MediaItem.objects.all()
    StageResult.objects.create(item=item, stage=Stage.EMBED, state=embed, lease_expires_at=EARLIER)
    StageResult.objects.create(item=item, stage=Stage.CAPTION, state=caption)
    MediaItem.objects.update(
        processing_status=Status.PROCESSING if Status.PROCESSING in (embed, caption) else Status.PENDING
    )
    drop_stages(photos, [Stage.EMBED])
    item.refresh_from_db()
    assert item.processing_status == status
    assert StageResult.objects.get().stage == Stage.CAPTION


def test_what_a_run_holds_under_a_living_lease_stays(make_grays, photos) -> None:
    (item,) = make_grays(10)
    later = timezone.now() + timedelta(minutes=1)
    StageResult.objects.create(item=item, stage=Stage.EMBED, state=Status.PROCESSING, lease_expires_at=later)
    drop_stages(photos, [Stage.EMBED])
    assert StageResult.objects.exists()


def test_a_stage_is_given_up_only_where_its_weights_can_never_be_used() -> None:
    assert Machine(PI, Plan((), postponed=("caption",))).given_up == [Stage.EMBED]
    assert Machine(PI, Plan((), postponed=("embed", "caption"))).given_up == []
    assert Machine(PI, Plan(()), is_by_name=True).given_up == []
