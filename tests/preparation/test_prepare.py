"""From a stored original to facts and renditions, once, whatever the file does to its decoder."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from threading import Barrier, Thread

import pytest
from django.contrib.auth.models import User
from django.db import connection
from PIL import Image

from album.exceptions import MediaError, StorageError
from album.media.renditions import ANIMATION, GRID, PREVIEW
from album.models import ItemTag, MediaItem, Preview, Tag
from album.preparation.locks import take_lock
from album.preparation.paths import rendition_path
from album.preparation.prepare import StorageMissing, ensure_rendition, prepare_item, prepare_many
from album.services.ingest import ingest_upload
from tests.cast import Cast, scene_bytes
from tests.preparation.boxes import CountingBox, CrashingBox, FullDiskBox

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


def test_what_people_correct_stays_unless_forced(cast: Cast, box: CountingBox) -> None:
    item = prepare_item(store(cast.alice), box=box)
    corrected = datetime(1999, 1, 1, tzinfo=UTC)
    MediaItem.objects.update(taken_at=corrected, camera="grandpa's box")
    shutil.rmtree(rendition_path(item, GRID).parent)
    prepare_item(item, box=box)
    assert rendition_path(item, GRID).is_file()
    item.refresh_from_db()
    assert (item.taken_at, item.camera) == (corrected, "grandpa's box")
    prepare_item(item, box=box, force=True)
    assert (item.taken_at, item.camera) == (TAKEN.replace(tzinfo=UTC), "")
    MediaItem.objects.update(taken_at=corrected)
    prepare_item(item, box=box, force=True)
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


def test_keywords_that_the_file_states_no_more_go(cast: Cast, box: CountingBox, tmp_path: Path) -> None:
    sidecar = tmp_path / "scene.xmp"
    sidecar.write_bytes(KEYWORDS)
    item = prepare_item(store(cast.alice), box=box, sidecars=[sidecar])
    sidecar.write_bytes(KEYWORDS.replace(b"<rdf:li>Grandma</rdf:li>", b""))
    prepare_item(item, box=box, sidecars=[sidecar], force=True)
    assert list(item.tags.values_list("name", flat=True)) == ["lake"]


@pytest.mark.parametrize("name", ["photo.xmp", "photo.jpg.xmp"])
def test_sidecars_beside_an_original_in_place_are_read(
    cast: Cast, box: CountingBox, tmp_path: Path, name: str
) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(scene_bytes())
    (tmp_path / name).write_bytes(KEYWORDS)
    item = store(cast.alice)
    MediaItem.objects.update(source_path=str(path), original="")
    prepare_item(item, box=box)
    assert (item.title, item.rating, item.preview_status) == ("By the lake", 4, Preview.READY)


def test_a_type_without_decoder_is_kept_and_named(cast: Cast, box: CountingBox) -> None:
    item = prepare_item(store(cast.alice, b"\xff\x4f\xff\x51" + bytes(100), "scan.j2k"), box=box)
    assert (item.preview_status, item.width_px) == (Preview.NONE, None)
    assert item.preview_problem.startswith("The album cannot show J2K files (image/j2c). The original is kept")
    with pytest.raises(MediaError, match="cannot show J2K"):
        ensure_rendition(item, PREVIEW, box=box)
    assert box.calls == 1, "once is enough"


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
    prepare_item(item, box=box, force=True)
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


def test_missing_storage_marks_nothing(cast: Cast, box: CountingBox, settings) -> None:
    item = store(cast.alice)
    root = Path(settings.MEDIA_ROOT)
    root.rename(root.with_name("unplugged"))
    root.mkdir()
    with pytest.raises(StorageMissing, match="storage missing"):
        prepare_item(item, box=box)
    with pytest.raises(StorageMissing):
        list(prepare_many([item], box))
    assert untouched(item)


def test_a_missing_mount_of_originals_in_place_marks_nothing(cast: Cast, box: CountingBox, tmp_path: Path) -> None:
    item = store(cast.alice)
    mount = tmp_path / "disk"
    mount.mkdir()
    MediaItem.objects.update(source_path=str(mount / "2021" / "photo.jpg"), original="")
    with pytest.raises(StorageMissing, match="storage missing"):
        prepare_item(item, box=box)
    (mount / "2020").mkdir()
    with pytest.raises(MediaError, match="is missing"):
        prepare_item(item, box=box)
    assert untouched(item)


def test_a_missing_original_marks_nothing(cast: Cast, box: CountingBox) -> None:
    item, other = store(cast.alice), store(cast.alice, seed=1)
    item.path.unlink()
    with pytest.raises(MediaError, match="is missing from the storage"):
        prepare_item(item, box=box)
    assert [one.pk for one in prepare_many([item, other], box)] == [other.pk]
    assert untouched(item)


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
