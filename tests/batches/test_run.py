"""A run from pending rows to results, and every way in which it can go wrong or end early."""

from __future__ import annotations

import dataclasses
import os
import signal
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from django.utils import timezone

from album.batches import watchdog
from album.batches.ledger import Claimer, abandon, open_ledger
from album.batches.options import Redo
from album.batches.run import run_batch
from album.batches.run_state import take_run
from album.batches.stage_loop import weights_of
from album.exceptions import InferenceCancelled, WeightsCorrupt, WeightsMissing
from album.inference.results import WeightsRef
from album.media.decode import decode_photo
from album.models import BatchRun, Embedding, ItemTag, MediaItem, Stage, StageResult, Status, Tag
from tests.batches.fakes import FakeAnalyzer, Notebook, work_of

Reason = BatchRun.StopReason


def statuses() -> list[str]:
    return list(MediaItem.objects.order_by("pk").values_list("processing_status", flat=True))


def test_two_stages_complete_every_item_and_load_each_network_once(make_grays, photo_run, photos) -> None:
    make_grays(10, 20, 30)
    opened: list[str] = []
    embed = FakeAnalyzer(Stage.EMBED, WeightsRef("encoder", "7"))
    caption = FakeAnalyzer(Stage.CAPTION, WeightsRef("captioner", "9"))
    totals = run_batch(
        photo_run(), photos, [work_of(embed, opened=opened), work_of(caption, opened=opened)], Notebook()
    )
    assert (totals.completed, totals.failed, totals.remaining, totals.stop_reason) == (3, 0, 0, Reason.DONE)
    assert opened == ["encoder", "captioner"]
    assert embed.is_closed and caption.is_closed
    item = MediaItem.objects.get(original_name="gray-20.png")
    assert item.processing_status == Status.COMPLETED
    assert item.ai_description == "a picture of gray 20"
    assert item.ai_weights == "captioner"
    assert {tag.name for tag in item.tags.all()} == {"gray 20", "shade 20", "picture of gray"}
    vector = np.frombuffer(Embedding.objects.get(item=item).vector, "<f2")
    assert vector.argmax() == 20 % 8
    ledger = set(
        StageResult.objects.filter(item=item).values_list("stage", "state", "weights", "revision", "attempts")
    )
    assert ledger == {("embed", "completed", "encoder", "7", 1), ("caption", "completed", "captioner", "9", 1)}


def test_nothing_is_loaded_when_nothing_waits(photo_run, photos) -> None:
    opened: list[str] = []
    totals = run_batch(photo_run(), photos, [work_of(FakeAnalyzer(), opened=opened)], Notebook())
    assert opened == []
    assert totals.stop_reason == Reason.DONE


def test_one_poison_item_fails_with_words_and_the_others_complete(make_grays, photo_run, photos) -> None:
    make_grays(*range(10, 30))
    totals = run_batch(photo_run(), photos, [work_of(FakeAnalyzer(fails_on=frozenset({15})))], Notebook())
    assert (totals.completed, totals.failed) == (19, 1)
    failed = StageResult.objects.get(state=Status.FAILED)
    assert failed.item.original_name == "gray-15.png"
    assert failed.error == "the analysis failed: this picture breaks the network"
    assert failed.attempts == 1


def test_a_failed_item_is_tried_again_by_later_runs_until_it_is_quarantined(make_grays, photo_run, photos) -> None:
    make_grays(15)
    broken = work_of(FakeAnalyzer(fails_on=frozenset({15})))
    attempts = [run_batch(photo_run(), photos, [broken], Notebook()).failed for _ in range(4)]
    assert attempts == [1, 1, 1, 0]
    MediaItem.objects.update(processing_status=Status.PENDING)  # what the guide tells people to do
    totals = run_batch(photo_run(), photos, [work_of(FakeAnalyzer())], Notebook())
    assert totals.completed == 1


def test_unreadable_file_fails_with_its_reason(make_grays, photo_run, photos) -> None:
    item, _ = make_grays(10, 20)
    Path(item.original.path).write_bytes(b"\x89PNG\r\n\x1a\nno picture follows")
    run_batch(photo_run(), photos, [work_of(FakeAnalyzer())], Notebook())
    assert statuses() == ["failed", "completed"]
    assert "cannot be decoded" in StageResult.objects.get(item=item).error


def test_missing_storage_ends_the_run_and_fails_no_item(make_grays, photo_run, photos, media_root) -> None:
    make_grays(10, 20)
    media_root.rename(media_root.with_name("unplugged"))
    media_root.mkdir()  # what an unmounted disk leaves behind
    totals = run_batch(photo_run(), photos, [work_of(FakeAnalyzer())], Notebook())
    assert totals.stop_reason == Reason.STORAGE
    assert totals.message.startswith("storage missing")
    assert statuses() == ["pending", "pending"]
    assert set(StageResult.objects.values_list("state", "attempts")) == {("pending", 0)}


def test_missing_weights_leave_items_pending(make_grays, photo_run, photos) -> None:
    make_grays(10)

    def refuse() -> FakeAnalyzer:
        raise WeightsMissing("blip is not installed: run manage.py download_models")

    work = dataclasses.replace(work_of(FakeAnalyzer()), choices=((WeightsRef("blip", "1"), refuse),))
    run = photo_run()
    with pytest.raises(WeightsMissing):
        run_batch(run, photos, [work], Notebook())
    run.refresh_from_db()
    assert (run.state, run.stop_reason) == (BatchRun.State.REFUSED, Reason.WEIGHTS)
    assert "download_models" in run.message
    assert statuses() == ["pending"]


def test_limit_leaves_whole_items_not_halves(make_grays, photo_run, photos) -> None:
    make_grays(*range(10, 20))
    options = dataclasses.replace(photos, limit=3)
    works = [work_of(FakeAnalyzer(Stage.EMBED)), work_of(FakeAnalyzer(Stage.CAPTION))]
    totals = run_batch(photo_run(), options, works, Notebook())
    assert (totals.completed, totals.remaining, totals.stop_reason) == (3, 7, Reason.LIMIT)
    assert statuses() == ["pending"] * 7 + ["completed"] * 3, "the newest come first"


def test_used_up_minutes_stop_at_an_item_boundary_and_the_rest_stays_pending(make_grays, photo_run, photos) -> None:
    make_grays(*range(10, 20))
    options = dataclasses.replace(photos, max_minutes=0.2 / 60)
    slow = FakeAnalyzer(micro_batch=1, on_analyze=lambda _: signal.sigtimedwait([], 0.15) and None)
    totals = run_batch(photo_run(), options, [work_of(slow)], Notebook())
    assert totals.stop_reason == Reason.MINUTES
    assert 1 <= totals.completed < 10
    assert statuses().count("pending") == 10 - totals.completed
    assert not StageResult.objects.filter(state=Status.PROCESSING).exists()


def test_end_of_the_window_stops_the_run(make_grays, photo_run, photos, monkeypatch) -> None:
    make_grays(10)
    ended = timezone.localtime() - timedelta(seconds=1)
    monkeypatch.setattr("album.batches.options.next_local", lambda *_: ended)
    options = dataclasses.replace(photos, until=ended.time())
    assert run_batch(photo_run(), options, [work_of(FakeAnalyzer())], Notebook()).stop_reason == Reason.WINDOW
    assert statuses() == ["pending"]


def test_sigterm_finishes_the_micro_batch_and_returns_the_rest(make_grays, photo_run, photos) -> None:
    make_grays(*range(10, 30))

    def send(call: int) -> None:
        if call == 2:
            os.kill(os.getpid(), signal.SIGTERM)

    run = photo_run()
    totals = run_batch(run, photos, [work_of(FakeAnalyzer(on_analyze=send))], Notebook())
    assert (totals.completed, totals.stop_reason) == (8, Reason.TERMINATED)
    run.refresh_from_db()
    assert run.state == BatchRun.State.INTERRUPTED, "a night that the system ended may be taken up again"
    assert set(StageResult.objects.filter(state=Status.PENDING).values_list("attempts", flat=True)) == {0}


def test_a_person_can_stop_a_run(make_grays, photo_run, photos, monkeypatch) -> None:
    make_grays(*range(10, 30))
    monkeypatch.setattr("album.batches.progress.ROW_INTERVAL_S", 0)

    def ask(_: int) -> None:
        BatchRun.objects.update(is_stop_requested=True)

    analyzer = FakeAnalyzer(on_analyze=ask)
    totals = run_batch(photo_run(), photos, [work_of(analyzer)], Notebook())
    assert totals.stop_reason == Reason.REQUESTED
    assert totals.completed == 4


def test_a_stop_pressed_while_the_process_starts_is_heard(make_grays, photo_run, photos) -> None:
    make_grays(*range(10, 30))
    run = photo_run()
    BatchRun.objects.update(is_stop_requested=True)
    totals = run_batch(run, photos, [work_of(FakeAnalyzer())], Notebook())
    assert (totals.completed, totals.stop_reason) == (0, Reason.REQUESTED)


def test_out_of_memory_halves_the_micro_batch(make_grays, photo_run, photos) -> None:
    make_grays(*range(10, 18))
    analyzer = FakeAnalyzer(micro_batch=8, frames_that_fit=2)
    totals = run_batch(photo_run(), photos, [work_of(analyzer)], Notebook())
    assert totals.completed == 8
    assert [len(call) for call in analyzer.analyzed] == [8, 4, 2, 2, 2, 2]


def test_out_of_memory_then_tries_smaller_weights(make_grays, photo_run, photos) -> None:
    make_grays(*range(10, 14))
    large = FakeAnalyzer(weights=WeightsRef("large", "1"), frames_that_fit=0)
    small = FakeAnalyzer(weights=WeightsRef("small", "1"))
    totals = run_batch(photo_run(), photos, [work_of(large, small)], Notebook())
    assert totals.completed == 4
    assert large.is_closed
    assert set(StageResult.objects.values_list("weights", flat=True)) == {"small"}


def test_no_memory_at_all_stops_the_run_before_it_fails_the_library(make_grays, photo_run, photos) -> None:
    make_grays(*range(10, 30))
    totals = run_batch(photo_run(), photos, [work_of(FakeAnalyzer(frames_that_fit=0))], Notebook())
    assert totals.stop_reason == Reason.MEMORY
    assert totals.failed == 3
    assert statuses().count("pending") == 17


def test_an_item_that_takes_too_long_fails_alone(make_grays, photo_run, photos) -> None:
    make_grays(10, 11, 12)
    options = dataclasses.replace(photos, item_timeout_s=0.3)
    totals = run_batch(photo_run(), options, [work_of(FakeAnalyzer(hangs_on=frozenset({11})))], Notebook())
    assert (totals.completed, totals.failed) == (2, 1)
    assert StageResult.objects.get(state=Status.FAILED).error == "the analysis took longer than 0.3 s"


def test_a_decoder_that_hangs_costs_one_item(make_grays, photo_run, photos, monkeypatch) -> None:
    items = make_grays(10, 11, 12)
    original = decode_photo

    def decode(path, *, min_side_px):
        if items[1].sha256 in path.parts:
            signal.sigtimedwait([], 3)
        return original(path, min_side_px=min_side_px)

    monkeypatch.setattr("album.batches.decoding.decode_photo", decode)
    options = dataclasses.replace(photos, item_timeout_s=0.3)
    totals = run_batch(photo_run(), options, [work_of(FakeAnalyzer())], Notebook())
    assert (totals.completed, totals.failed) == (2, 1)
    assert StageResult.objects.get(state=Status.FAILED).error == "reading the file took longer than 0.3 s"


def test_words_of_people_survive_a_forced_run(make_grays, photo_run, photos) -> None:
    (item,) = make_grays(10)
    run_batch(photo_run(), photos, [work_of(FakeAnalyzer())], Notebook())
    MediaItem.objects.update(title="Our title", description="Our words")
    ItemTag.objects.create(item=item, tag=Tag.objects.create(name="grandma"), source=ItemTag.Source.PERSON)
    options = dataclasses.replace(photos, redo=Redo.EVERYTHING)
    totals = run_batch(photo_run(), options, [work_of(FakeAnalyzer())], Notebook())
    assert totals.completed == 1
    item.refresh_from_db()
    assert (item.title, item.description) == ("Our title", "Our words")
    assert ItemTag.objects.filter(item=item, source=ItemTag.Source.PERSON).count() == 1
    assert ItemTag.objects.filter(item=item).count() == 3, "machine tags are replaced, not added up"


def test_all_does_again_only_what_other_weights_made(make_grays, photo_run, photos) -> None:
    make_grays(10, 11)
    run_batch(
        photo_run(),
        dataclasses.replace(photos, limit=1),
        [work_of(FakeAnalyzer(weights=WeightsRef("old", "1")))],
        Notebook(),
    )
    run_batch(photo_run(), photos, [work_of(FakeAnalyzer(weights=WeightsRef("new", "1")))], Notebook())
    options = dataclasses.replace(photos, redo=Redo.OUTDATED)
    totals = run_batch(photo_run(), options, [work_of(FakeAnalyzer(weights=WeightsRef("new", "1")))], Notebook())
    assert totals.completed == 1
    assert set(StageResult.objects.values_list("weights", flat=True)) == {"new"}


def test_a_run_taken_up_again_finishes_what_its_dead_self_held(make_grays, photo_run, photos) -> None:
    make_grays(10, 11, 12)
    run = photo_run()
    claimer = Claimer(run, photos, Stage.CAPTION, set())
    open_ledger(photos, {Stage.CAPTION: ("fake", "1")})
    assert len(claimer.claim(2, with_suspects=False)) == 2
    abandon(run)
    analyzer = FakeAnalyzer()
    totals = run_batch(run, photos, [work_of(analyzer)], Notebook())
    assert (totals.completed, totals.remaining) == (3, 0)
    assert [len(call) for call in analyzer.analyzed] == [1, 1, 1], "suspects come alone"


@pytest.mark.parametrize("stage", Stage)
def test_a_broken_run_s_items_are_taken_although_the_backlog_is_larger_than_the_limit(
    make_grays, photo_run, photos, stage
) -> None:
    make_grays(*range(10, 30))
    run, works = photo_run(), [work_of(FakeAnalyzer(Stage.EMBED)), work_of(FakeAnalyzer(Stage.CAPTION))]
    open_ledger(photos, weights_of(works))
    Claimer(run, photos, stage, set()).claim(4, with_suspects=False)
    held = StageResult.objects.filter(item__processing_status=Status.PROCESSING)
    held.exclude(stage__in=(stage, Stage.CAPTION)).update(state=Status.COMPLETED)
    abandon(run)
    limited = dataclasses.replace(photos, limit=5)
    nights = [run_batch(photo_run(), limited, works, Notebook()).completed for _ in range(2)]
    assert (nights, statuses().count("processing")) == ([5, 5], 0)


def test_an_item_that_killed_its_run_too_often_is_failed_without_another_try(make_grays, photo_run, photos) -> None:
    (item,) = make_grays(10)
    StageResult.objects.create(
        item=item,
        stage=Stage.CAPTION,
        state=Status.PROCESSING,
        attempts=3,
        run=photo_run(),
        lease_expires_at=timezone.now() - timedelta(seconds=1),
    )
    MediaItem.objects.update(processing_status=Status.PROCESSING)
    analyzer = FakeAnalyzer()
    totals = run_batch(photo_run(), photos, [work_of(analyzer)], Notebook())
    assert totals.failed == 1
    assert analyzer.analyzed == []
    assert StageResult.objects.get().error == "the analysis ended abruptly at this item 3 times"


def test_a_hang_in_native_code_leaves_the_process_after_the_grace(monkeypatch) -> None:
    monkeypatch.setattr(watchdog, "GRACE_S", 0.1)
    given_up: list[bool] = []
    previous = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})  # native code sees no Python exception
    try:
        limit = watchdog.time_limit(0.1, cancel=lambda: None, give_up=lambda: given_up.append(True))
        with pytest.raises(InferenceCancelled), limit:
            signal.sigtimedwait([], 0.5)
            signal.pthread_sigmask(signal.SIG_SETMASK, previous)
            signal.sigtimedwait([], 0.1)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, previous)
    assert given_up == [True]


def test_one_stage_alone_completes_nothing(make_grays, photo_run, photos) -> None:
    make_grays(10)
    embed, caption = work_of(FakeAnalyzer(Stage.EMBED)), work_of(FakeAnalyzer(Stage.CAPTION))
    totals = run_batch(photo_run(), photos, [embed], Notebook(), [Stage.EMBED, Stage.CAPTION])
    assert (totals.completed, statuses()) == (0, ["pending"])
    assert run_batch(photo_run(), photos, [embed, caption], Notebook()).completed == 1


def test_an_item_broken_in_two_stages_is_one_failed_item(make_grays, photo_run, photos) -> None:
    item, *_ = make_grays(10, 20, 30)
    Path(item.original.path).write_bytes(b"no picture")
    works = [work_of(FakeAnalyzer(Stage.EMBED)), work_of(FakeAnalyzer(Stage.CAPTION))]
    totals = run_batch(photo_run(), photos, works, Notebook())
    assert (totals.completed, totals.failed) == (2, 1)


def test_giving_back_does_not_take_an_item_out_of_quarantine(make_grays, photo_run, photos) -> None:
    (item,) = make_grays(10)
    StageResult.objects.create(item=item, stage=Stage.EMBED, state=Status.FAILED, attempts=3)
    MediaItem.objects.update(processing_status=Status.FAILED)
    open_ledger(photos, {Stage.CAPTION: ("fake", "1")})
    claimer = Claimer(photo_run(), photos, Stage.CAPTION, set())
    assert len(claimer.claim(1, with_suspects=False)) == 1
    claimer.release_all()
    assert statuses() == ["failed"]


def test_weights_found_damaged_in_the_middle_fail_no_item(make_grays, photo_run, photos) -> None:
    make_grays(10, 11)

    def break_down(_: int) -> None:
        raise WeightsCorrupt("encoder.onnx gives vectors of zeros: run manage.py download_models --verify")

    run = photo_run()
    with pytest.raises(WeightsCorrupt):
        run_batch(run, photos, [work_of(FakeAnalyzer(on_analyze=break_down))], Notebook())
    assert statuses() == ["pending", "pending"]
    assert set(StageResult.objects.values_list("state", "attempts")) == {("pending", 0)}


@pytest.mark.django_db(transaction=True)
def test_a_tag_deleted_in_the_middle_is_made_again(make_grays, photo_run, photos) -> None:
    make_grays(10, 10)

    def delete_tags(call: int) -> None:
        if call == 2:
            Tag.objects.all().delete()

    analyzer = FakeAnalyzer(micro_batch=1, on_analyze=delete_tags)
    assert run_batch(photo_run(), photos, [work_of(analyzer)], Notebook()).completed == 2


def test_a_forced_run_taken_up_again_does_not_begin_anew(make_grays, photo_run, photos) -> None:
    make_grays(10, 11, 12)
    run_batch(photo_run(), photos, [work_of(FakeAnalyzer())], Notebook())
    forced = dataclasses.replace(photos, redo=Redo.EVERYTHING)

    def stop(_: int) -> None:
        os.kill(os.getpid(), signal.SIGTERM)

    run = photo_run()
    first = run_batch(run, forced, [work_of(FakeAnalyzer(micro_batch=1, on_analyze=stop))], Notebook())
    assert first.completed == 1
    second = run_batch(run, forced, [work_of(FakeAnalyzer())], Notebook())
    assert second.completed == 3, "one before, two now"
    assert set(StageResult.objects.values_list("attempts", flat=True)) == {1}


def test_forced_runs_with_a_limit_get_round_what_waits_first_then_the_oldest_results(
    make_grays, photo_run, photos
) -> None:
    make_grays(*range(10, 16))
    run_batch(photo_run(), photos, [work_of(FakeAnalyzer())], Notebook())
    make_grays(16)
    options = dataclasses.replace(photos, redo=Redo.EVERYTHING, limit=3)
    done = [FakeAnalyzer(), FakeAnalyzer()]
    for analyzer in done:
        assert run_batch(photo_run(), options, [work_of(analyzer)], Notebook()).remaining == 0
    assert [gray for analyzer in done for call in analyzer.analyzed for gray in call] == [16, 15, 14, 13, 12, 11]


def test_a_limit_holds_over_restarts(make_grays, photo_run, photos) -> None:
    make_grays(*range(10, 20))
    options = dataclasses.replace(photos, limit=4)

    def stop(_: int) -> None:
        os.kill(os.getpid(), signal.SIGTERM)

    run = photo_run()
    run_batch(run, options, [work_of(FakeAnalyzer(micro_batch=1, on_analyze=stop))], Notebook())
    assert run_batch(run, options, [work_of(FakeAnalyzer())], Notebook()).completed == 4
    assert statuses().count("completed") == 4


def test_a_run_is_taken_by_one_worker(photo_run) -> None:
    run = photo_run()
    assert take_run(run)
    assert not take_run(BatchRun.objects.get(pk=run.pk))
