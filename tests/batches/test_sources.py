"""Where the pictures of a batch come from, and which items it leaves alone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.core.files import File

from album.batches.decoding import find_source, load_frames
from album.batches.run import run_batch
from album.media.renditions import PREVIEW
from album.media.sandbox import DecoderCrashed, Sandbox
from album.models import MediaItem, Preview, StageResult, Status
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


def test_a_photo_without_preview_fails_with_its_reason(make_grays, photo_run, photos) -> None:
    first, _ = make_grays(10, 20)
    problem = "The album cannot show PSD files."
    MediaItem.objects.filter(pk=first.pk).update(preview_status=Preview.NONE, preview_problem=problem)
    totals = run_batch(photo_run(), photos, [work_of(FakeAnalyzer())], Notebook())
    assert (totals.completed, totals.failed) == (1, 1)
    assert StageResult.objects.get(state=Status.FAILED).error == problem


def test_what_lies_in_the_trash_or_is_a_clip_is_left_alone(make_grays, photo_run, photos) -> None:
    trashed, clip, photo = make_grays(10, 20, 30)
    MediaItem.objects.filter(pk=trashed.pk).update(trashed_at=datetime(2026, 1, 1, tzinfo=UTC))
    MediaItem.objects.filter(pk=clip.pk).update(clip_of=photo)
    totals = run_batch(photo_run(), photos, [work_of(FakeAnalyzer())], Notebook())
    assert (totals.completed, totals.remaining) == (1, 0)
    assert list(StageResult.objects.values_list("item", flat=True)) == [photo.pk]
