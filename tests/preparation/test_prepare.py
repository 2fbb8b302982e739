"""From a stored original to facts and renditions, once, whatever the file does to its decoder."""

from __future__ import annotations

import io
import shutil
import threading
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from threading import Barrier, Thread
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from PIL import Image

from album.exceptions import MediaError, StorageError
from album.media.renditions import ANIMATION, GRID, PREVIEW
from album.models import ItemTag, MediaItem, Preview, Tag
from album.preparation.locks import take_lock
from album.preparation.paths import rendition_path
from album.preparation.prepare import (
    BeingPrepared,
    ensure_rendition,
    prepare_item,
    prepare_many,
)
from album.services.ingest import ingest_upload
from tests.cast import Cast, scene_bytes
from tests.media import video_files
from tests.media.video_files import write_video
from tests.preparation.boxes import (
    CountingBox,
    CrashingBox,
    FullDiskBox,
    SlowBox,
)

TAKEN = datetime(2021, 5, 4, 13, 12, 11)
KEYWORDS = b"""<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:xmp="http://ns.adobe.com/xap/1.0/"
 xmp:Rating="4"><dc:title><rdf:Alt><rdf:li xml:lang="x-default">By the lake</rdf:li></rdf:Alt></dc:title>
<dc:subject><rdf:Bag><rdf:li>Lake</rdf:li><rdf:li>Grandma</rdf:li></rdf:Bag></dc:subject>
</rdf:Description></rdf:RDF></x:xmpmeta>"""


def store(owner: User, content: bytes | None = None, name: str = "scene.jpg", *, seed: int = 0) -> MediaItem:
    """An ingested item that nobody has prepared."""
    content = scene_bytes(seed=seed, size_px=(800, 600), taken_at_local=TAKEN) if content is None else content
    return ingest_upload(owner=owner, file=io.BytesIO(content), name=name).item


def test_a_photo_gets_its_facts_and_its_renditions(cast: Cast, box: CountingBox) -> None:
    item = store(cast.alice)
    assert (item.preview_status, item.width_px, item.taken_at) == (Preview.WAITING, None, None)
    prepare_item(item, box=box)
    stored = MediaItem.objects.get()
    for one in (item, stored):
        assert (one.preview_status, one.preview_problem, one.prepare_attempts) == (Preview.READY, "", 0)
        assert (one.width_px, one.height_px) == (800, 600)
        assert (one.taken_at_local, one.taken_at_source) == ("2021-05-04T13:12:11", "original")
        assert one.taken_at == TAKEN.replace(tzinfo=UTC)
        assert len(one.placeholder) > 6
        assert one.prepared_at is not None
    with Image.open(rendition_path(item, GRID)) as grid, Image.open(rendition_path(item, PREVIEW)) as preview:
        assert (grid.format, grid.size) == ("WEBP", (400, 300))
        assert (preview.format, preview.size) == ("JPEG", (800, 600))


def test_an_item_as_it_is_stored_is_read_no_further_and_an_old_one_anew(
    cast: Cast, box: CountingBox, django_assert_num_queries: Any
) -> None:
    item = store(cast.alice)
    old = MediaItem.objects.get(pk=item.pk)
    prepare_item(item, box=box)
    with django_assert_num_queries(1):
        prepare_item(item, box=box)
    with django_assert_num_queries(2):
        prepare_item(old, box=box)
    assert (old.preview_status, old.prepared_at) == (Preview.READY, item.prepared_at)
    assert box.calls == 1


def test_a_date_without_offset_is_read_in_the_zone_of_the_album(cast: Cast, box: CountingBox, settings) -> None:
    settings.TIME_ZONE = "Asia/Tokyo"
    item = prepare_item(store(cast.alice), box=box)
    assert item.taken_at == datetime(2021, 5, 4, 4, 12, 11, tzinfo=UTC)
    assert item.taken_at_local == "2021-05-04T13:12:11"


def test_a_prepared_item_is_left_alone(cast: Cast, box: CountingBox) -> None:
    item = prepare_item(store(cast.alice), box=box)
    prepare_item(MediaItem.objects.get(), box=box)
    ensure_rendition(item, GRID, box=box)
    assert box.calls == 1


def prepare_anew(item: MediaItem, box: CountingBox, **options: Any) -> MediaItem:
    """The same as after a new sidecar: facts and renditions once more."""
    again = {"preview_status": Preview.WAITING, "prepared_at": None, "prepare_attempts": 0}
    MediaItem.objects.filter(pk=item.pk).update(**again)
    return prepare_item(item, box=box, **options)


def test_what_people_correct_stays_until_the_file_is_asked_anew(cast: Cast, box: CountingBox) -> None:
    item = prepare_item(store(cast.alice), box=box)
    corrected = datetime(1999, 1, 1, tzinfo=UTC)
    MediaItem.objects.update(taken_at=corrected, camera="grandpa's box")
    shutil.rmtree(rendition_path(item, GRID).parent)
    prepare_item(item, box=box)
    assert rendition_path(item, GRID).is_file()
    item.refresh_from_db()
    assert (item.taken_at, item.camera) == (corrected, "grandpa's box")
    prepare_anew(item, box)
    assert (item.taken_at, item.camera) == (TAKEN.replace(tzinfo=UTC), "")
    MediaItem.objects.update(taken_at=corrected)
    prepare_anew(item, box)
    assert MediaItem.objects.get().taken_at == TAKEN.replace(tzinfo=UTC), "whatever the caller knew"


def test_words_of_the_file_fill_only_what_is_blank(cast: Cast, box: CountingBox, tmp_path: Path) -> None:
    sidecar = tmp_path / "scene.xmp"
    sidecar.write_bytes(KEYWORDS)
    first, second = store(cast.alice), store(cast.alice, seed=1)
    MediaItem.objects.filter(pk=second.pk).update(title="Our title")
    tag = Tag.objects.create(name="lake")
    ItemTag.objects.create(item=second, tag=tag, source=ItemTag.Source.PERSON)
    for item in (first, second):
        prepare_item(item, box=box, sidecars=[sidecar])
    assert [item.title for item in MediaItem.objects.order_by("pk")] == ["By the lake", "Our title"]
    assert first.rating == 4
    tags = ItemTag.objects.filter(source=ItemTag.Source.FILE).values_list("item", "tag__name")
    assert set(tags) == {(item.pk, name) for item in (first, second) for name in ("lake", "grandma")}
    assert ItemTag.objects.filter(source=ItemTag.Source.PERSON).count() == 1


def test_a_type_without_decoder_is_kept_and_named(cast: Cast, box: CountingBox) -> None:
    item = prepare_item(store(cast.alice, b"\xff\x4f\xff\x51" + bytes(100), "scan.j2k"), box=box)
    assert (item.preview_status, item.width_px) == (Preview.NONE, None)
    assert item.preview_problem.startswith("The album cannot show J2K files (image/j2c). The original is kept")
    with pytest.raises(MediaError, match="cannot show J2K"):
        ensure_rendition(item, PREVIEW, box=box)
    assert box.calls == 1, "once is enough"


@pytest.mark.parametrize(("name", "kind"), [("a.jpg", "photo"), ("a.mp4", "video")])
def test_a_file_that_is_not_what_its_name_says_is_not_called_one_of_its_kind(
    cast: Cast, box: CountingBox, name: str, kind: str
) -> None:
    item = prepare_item(store(cast.alice, b"\x00garbage", name), box=box)
    assert item.preview_status == Preview.NONE
    words = f"The {kind} cannot be decoded: its format is damaged or unknown here. Download the original to see it"
    assert item.preview_problem.startswith(words)


def test_a_damaged_file_says_why_it_has_no_preview(cast: Cast, box: CountingBox) -> None:
    item = prepare_item(store(cast.alice, b"\x89PNG\r\n\x1a\nno picture follows"), box=box)
    assert item.preview_status == Preview.NONE
    assert "cannot be decoded" in item.preview_problem


def test_a_truncated_photo_is_shown_with_a_warning(cast: Cast, box: CountingBox) -> None:
    content = scene_bytes(size_px=(800, 600))
    item = prepare_item(store(cast.alice, content[: len(content) // 2]), box=box)
    assert item.preview_status == Preview.READY
    assert "truncated" in item.preview_problem


def test_a_crash_costs_the_preview_but_not_the_date(cast: Cast, box: CountingBox) -> None:
    with CrashingBox(timeout_s=20) as crashing:
        item = store(cast.alice)
        statuses = [prepare_item(item, box=crashing).preview_status for _ in range(4)]
        assert statuses == [Preview.WAITING, Preview.WAITING, Preview.NONE, Preview.NONE]
        assert crashing.calls == 3 * 2, "with and without rendering, three times"
    assert item.prepare_attempts == 3
    assert "the decoder crashed (SIGSEGV)" in item.preview_problem
    assert item.taken_at == TAKEN.replace(tzinfo=UTC)
    prepare_anew(item, box)
    assert (item.preview_status, item.preview_problem) == (Preview.READY, "")


def test_a_file_that_breaks_its_readers_too_is_asked_again(cast: Cast, box: CountingBox) -> None:
    item = store(cast.alice)
    with CrashingBox(timeout_s=20) as crashing:
        crashing.with_facts = False
        prepare_item(item, box=crashing)
    assert (item.prepared_at, item.taken_at) == (None, None)
    prepare_item(item, box=box)
    assert (item.preview_status, item.taken_at) == (Preview.READY, TAKEN.replace(tzinfo=UTC))


def untouched(item: MediaItem) -> bool:
    item.refresh_from_db()
    return (item.preview_status, item.prepare_attempts, item.prepared_at) == (Preview.WAITING, 0, None)


def test_a_full_disk_marks_nothing(cast: Cast) -> None:
    item = store(cast.alice)
    with pytest.raises(StorageError, match="No space left"):
        prepare_item(item, box=FullDiskBox())
    assert untouched(item)


def test_an_item_deleted_meanwhile_is_an_error_in_words(cast: Cast, box: CountingBox) -> None:
    item = store(cast.alice)
    MediaItem.objects.all().delete()
    with pytest.raises(MediaError, match=r"scene\.jpg was deleted meanwhile"):
        prepare_item(item, box=box)


def test_a_moving_preview_that_was_lost_comes_back(cast: Cast, box: CountingBox, tmp_path: Path) -> None:
    write_video(tmp_path / "clip.mp4", ["red", "blue"])
    item = prepare_item(store(cast.alice, (tmp_path / "clip.mp4").read_bytes(), "clip.mp4"), box=box)
    rendition_path(item, ANIMATION).unlink()
    assert ensure_rendition(item, ANIMATION, box=box).stat().st_size


def test_a_video_of_one_picture_is_asked_once_for_a_moving_preview(
    cast: Cast, box: CountingBox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(video_files, "FRAMES_PER_S", 1)
    write_video(tmp_path / "clip.mp4", ["red"])
    item = store(cast.alice, (tmp_path / "clip.mp4").read_bytes(), "clip.mp4")
    for _ in range(2):
        with pytest.raises(MediaError, match=r"There is no animation\.webp"):
            ensure_rendition(item, ANIMATION, box=box)
    assert (item.preview_status, box.calls) == (Preview.READY, 1)


def test_a_photo_has_no_animation(cast: Cast, box: CountingBox) -> None:
    with pytest.raises(MediaError, match=r"There is no animation\.webp"):
        ensure_rendition(store(cast.alice), ANIMATION, box=box)


def in_threads(count: int, work: Callable[[], object]) -> None:
    barrier, failures = Barrier(count), []

    def run() -> None:
        barrier.wait()
        try:
            work()
        except Exception as error:  # noqa: BLE001 - shown below
            failures.append(error)
        finally:
            connection.close()

    threads = [Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


@pytest.mark.django_db(transaction=True)
def test_fifty_parallel_requests_make_a_rendition_once(cast: Cast, box: CountingBox) -> None:
    pk = store(cast.alice).pk
    in_threads(50, lambda: ensure_rendition(MediaItem.objects.get(pk=pk), PREVIEW, box=box))
    assert box.calls == 1


def wait_until(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.05)


@pytest.mark.django_db(transaction=True)
def test_who_waits_for_so_long_only_leaves_and_the_work_goes_on(cast: Cast) -> None:
    item, small = store(cast.alice), store(cast.alice, seed=1)
    with SlowBox(timeout_s=20) as slow:
        for one in (item, item, small):  # by another request, and behind it in the queue
            started = time.monotonic()
            with pytest.raises(BeingPrepared, match=r"scene\.jpg is (still )?being prepared"):
                ensure_rendition(MediaItem.objects.get(pk=one.pk), GRID, box=slow, wait_s=0.2)
            assert time.monotonic() - started < 1
        wait_until(lambda: MediaItem.objects.filter(preview_status=Preview.READY).count() == 2)
        assert slow.calls == 2 * 2
        assert ensure_rendition(MediaItem.objects.get(pk=item.pk), GRID, box=slow, wait_s=0).is_file()
    take_lock(item.sha256[:2]).close()


@pytest.mark.django_db(transaction=True)
def test_who_waits_for_so_long_only_does_not_wait_for_facts_after_a_crash(cast: Cast) -> None:
    item = store(cast.alice)
    with CrashingBox(timeout_s=20) as crashing:
        with pytest.raises(BeingPrepared):
            ensure_rendition(item, GRID, box=crashing, wait_s=10)
        wait_until(lambda: MediaItem.objects.get().prepare_attempts == 1)
        wait_until(lambda: not any(thread.name == "preparation" for thread in threading.enumerate()))


def test_many_are_prepared_and_each_is_returned_once(cast: Cast, box: CountingBox) -> None:
    items = [store(cast.alice, seed=seed) for seed in range(6)]
    same_content = store(cast.bob, seed=3)
    prepare_item(items[0], box=box)
    done = [item.pk for item in prepare_many([*items, same_content], box)]
    assert sorted(done) == sorted([item.pk for item in items] + [same_content.pk])
    assert set(MediaItem.objects.values_list("preview_status", flat=True)) == {Preview.READY}


def test_an_item_that_is_prepared_elsewhere_comes_last(cast: Cast, box: CountingBox) -> None:
    items = [store(cast.alice, seed=seed) for seed in range(3)]
    lock = take_lock(items[0].sha256[:2])
    done = prepare_many(items, box)
    with closing(lock):
        assert [next(done).pk, next(done).pk] == [items[1].pk, items[2].pk]
    assert [item.pk for item in done] == [items[0].pk]


def test_an_import_that_breaks_off_holds_no_lock(cast: Cast, box: CountingBox) -> None:
    items = [store(cast.alice, seed=seed) for seed in range(4)]
    done = prepare_many(items, box)
    next(done)
    done.close()
    for item in items:
        take_lock(item.sha256[:2]).close()
