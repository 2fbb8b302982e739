"""Where the pictures of a batch come from, and which items it leaves alone."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.core.files import File
from django.db import DataError

from album.batches import run as run_module
from album.batches.decoding import find_source, load_frames, photo_facts
from album.batches.ledger import Claimer
from album.batches.run import run_batch
from album.media.renditions import PREVIEW
from album.media.sandbox import DecoderCrashed, Sandbox
from album.models import BatchRun, MediaItem, Preview, Stage, StageResult, Status
from album.models.media import Kind
from album.preparation.paths import rendition_path
from tests.batches.fakes import FakeAnalyzer, Notebook, work_of
from tests.media.video_files import write_video
from tests.preparation.boxes import CrashingBox


@pytest.fixture
def video(make_grays: Callable[..., list[MediaItem]], tmp_path: Path) -> MediaItem:
    (item,) = make_grays(10)
    write_video(tmp_path / "clip.mp4", ["red", "blue", "white"])
    with (tmp_path / "clip.mp4").open("rb") as file:
        item.original.save("clip.mp4", File(file), save=False)
    item.kind, item.mime_type = Kind.VIDEO, "video/mp4"
    item.save()
    return item


def test_a_video_is_sampled_in_a_child(video: MediaItem) -> None:
    with Sandbox(timeout_s=20) as box:
        path = find_source(video, box)
        assert path == video.path
        frames = load_frames(video, path, box, min_side_px=64, video_frames=3)
    assert [frame.pixels.shape[2] for frame in frames] == [3, 3, 3]


def test_a_video_that_kills_its_decoder_leaves_the_batch_alive(video: MediaItem) -> None:
    with CrashingBox(timeout_s=20) as box:
        box.with_facts = False
        with pytest.raises(DecoderCrashed, match="SIGSEGV"):
            load_frames(video, video.path, box, min_side_px=64, video_frames=3)


def test_a_photo_is_read_from_its_preview_which_is_made_if_missing(make_grays) -> None:
    (item,) = make_grays(10)
    with Sandbox(timeout_s=20) as box:
        assert find_source(item, box) == rendition_path(item, PREVIEW)
        assert rendition_path(item, PREVIEW).is_file()
        item.path.unlink()
        assert len(load_frames(item, find_source(item, box), box, min_side_px=8, video_frames=1)) == 1


@pytest.mark.parametrize(("source", "is_told"), [("original", True), ("person", True), ("file", False)])
def test_the_time_of_a_file_is_not_told_as_that_of_the_picture(source, is_told) -> None:
    item = MediaItem(taken_at_local="2019-07-01T09:30:00", taken_at_source=source)
    assert (photo_facts(item).taken_at_local is not None) == is_told


def test_a_photo_without_preview_fails_with_its_reason(make_grays, photo_run, photos) -> None:
    first, _ = make_grays(10, 20)
    problem = "The album cannot show PSD files."
    MediaItem.objects.filter(pk=first.pk).update(preview_status=Preview.NONE, preview_problem=problem)
    totals = run_batch(photo_run(), photos, [work_of(FakeAnalyzer())], Notebook())
    assert (totals.completed, totals.failed) == (1, 1)
    assert StageResult.objects.get(state=Status.FAILED).error == problem


def test_items_of_an_absent_disk_wait_and_the_others_are_done(make_grays, photo_run, photos, tmp_path) -> None:
    _, away, _ = make_grays(10, 20, 30)
    original = MediaItem.objects.filter(pk=away.pk).values("original", "source_path").get()
    MediaItem.objects.filter(pk=away.pk).update(original="", source_path=str(tmp_path / "disk" / "gray.png"))
    works = [work_of(FakeAnalyzer(Stage.EMBED)), work_of(FakeAnalyzer(Stage.CAPTION))]
    run = photo_run()
    totals = run_batch(run, photos, works, Notebook())
    assert (totals.completed, totals.failed, totals.remaining) == (2, 0, 1)
    assert totals.stop_reason == BatchRun.StopReason.DONE
    away.refresh_from_db()
    assert away.processing_status == Status.PENDING
    rows = StageResult.objects.filter(item=away).values_list("state", "attempts", "lease_expires_at")
    assert set(rows) == {(Status.PENDING, 0, None)}

    MediaItem.objects.filter(pk=away.pk).update(**original)
    works = [work_of(FakeAnalyzer(Stage.EMBED)), work_of(FakeAnalyzer(Stage.CAPTION))]
    assert run_batch(photo_run(), photos, works, Notebook()).completed == 1


def test_where_no_decoder_can_be_started_no_item_fails(make_grays, photo_run, photos, monkeypatch) -> None:
    make_grays(10, 20)
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    totals = run_batch(photo_run(), photos, [work_of(FakeAnalyzer())], Notebook())
    assert (totals.failed, totals.remaining, totals.stop_reason) == (0, 2, BatchRun.StopReason.MEMORY)
    assert totals.message.startswith("No decoder can be started")
    assert set(StageResult.objects.values_list("state", "attempts")) == {(Status.PENDING, 0)}


def test_what_nobody_expected_of_a_source_costs_one_item(make_grays, photo_run, photos, monkeypatch) -> None:
    odd, _ = make_grays(10, 20)

    def find(item: MediaItem, box: Sandbox) -> Path:
        if item == odd:
            raise DataError("integer out of range")
        return find_source(item, box)

    monkeypatch.setattr(run_module, "find_source", find)
    totals = run_batch(photo_run(), photos, [work_of(FakeAnalyzer())], Notebook())
    assert (totals.completed, totals.failed) == (1, 1)
    assert "integer out of range" in StageResult.objects.get(state=Status.FAILED).error


def test_leases_are_renewed_while_previews_are_made(make_grays, photo_run, photos, monkeypatch) -> None:
    make_grays(10, 20, 30)
    renewals: list[int] = []
    seen: list[int] = []
    monkeypatch.setattr(Claimer, "renew", lambda self: renewals.append(1))

    def find(item: MediaItem, box: Sandbox) -> Path:
        seen.append(len(renewals))
        return find_source(item, box)

    monkeypatch.setattr(run_module, "find_source", find)
    run_batch(photo_run(), photos, [work_of(FakeAnalyzer())], Notebook())
    assert seen == [0, 1, 2]


def test_what_lies_in_the_trash_or_is_a_clip_is_left_alone(make_grays, photo_run, photos) -> None:
    trashed, clip, photo = make_grays(10, 20, 30)
    MediaItem.objects.filter(pk=trashed.pk).update(trashed_at=datetime(2026, 1, 1, tzinfo=UTC))
    MediaItem.objects.filter(pk=clip.pk).update(clip_of=photo)
    totals = run_batch(photo_run(), photos, [work_of(FakeAnalyzer())], Notebook())
    assert (totals.completed, totals.remaining) == (1, 0)
    assert list(StageResult.objects.values_list("item", flat=True)) == [photo.pk]
