"""The doors of preparation: what they do once, twice, without broker, and in a real worker."""

from __future__ import annotations

import io
from datetime import datetime, timedelta

import pytest
from django.utils import timezone
from kombu.exceptions import OperationalError

from album import tasks
from album.models import Album, MediaItem, Preview
from album.services.ingest import ingest_upload
from album.tasks import media
from tests.cast import Cast, scene_bytes
from tests.faults.installation import Installation, wait_until
from tests.tasks.test_worker import WORKER

BELLS = (tasks.process_photo_to_avif, tasks.make_video_proxy)


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """The messages that would be sent: the broker is replaced at its edge."""
    messages: list[tuple[str, int]] = []
    for task in BELLS:
        name = task.name.rpartition(".")[2]
        monkeypatch.setattr(task, "apply_async", lambda args, name=name, **_: messages.append((name, *args)))
    return messages


def store(cast: Cast, seed: int = 0, *, age_s: float = 0, content: bytes | None = None) -> MediaItem:
    """An item of alice's album that nobody has prepared, stored ``age_s`` seconds ago."""
    file = io.BytesIO(scene_bytes(seed=seed) if content is None else content)
    item = ingest_upload(owner=cast.alice, file=file, name="scene.jpg", album=cast.shared).item
    MediaItem.objects.filter(pk=item.pk).update(created_at=timezone.now() - timedelta(seconds=age_s))
    return item


def is_processing() -> bool:
    return Album.objects.get().is_processing_photos


def test_a_stored_photo_is_prepared_and_its_avif_rung_for(cast: Cast, sent: list[tuple[str, int]]) -> None:
    item = store(cast)
    assert is_processing()
    assert tasks.prepare_media(item.pk) == {"preview": Preview.READY, "problem": ""}
    assert sent == [("process_photo_to_avif", item.pk)]
    assert tasks.check_item_photo_processing(cast.shared.pk) == {"processing": True}
    assert tasks.process_photo_to_avif(item.pk) == {"made": True}
    assert not is_processing()
    assert tasks.process_photo_to_avif(item.pk) == {"skipped": f"there is no photo {item.pk} without AVIF"}
    assert tasks.prepare_media(item.pk) == {"preview": Preview.READY, "problem": ""}
    assert len(sent) == 1


def test_an_album_of_photos_that_cannot_be_shown_is_done(cast: Cast, sent: list[tuple[str, int]]) -> None:
    item = store(cast, content=b"\x89PNG\r\n\x1a\nno picture follows")
    assert tasks.prepare_media(item.pk)["preview"] == Preview.NONE
    assert (sent, is_processing()) == ([], False)


def test_an_empty_album_is_done(cast: Cast) -> None:
    Album.objects.update(is_processing_photos=True)
    assert tasks.check_item_photo_processing(cast.shared.pk) == {"processing": False}


@pytest.mark.parametrize("task", [tasks.prepare_media, tasks.process_photo_to_avif, tasks.make_video_proxy])
def test_an_item_that_is_gone_or_in_the_trash_is_skipped(cast: Cast, task) -> None:
    item = store(cast)
    MediaItem.objects.update(trashed_at=timezone.now())
    assert "skipped" in task(item.pk)
    assert "skipped" in task(999)


def test_missing_storage_lets_the_item_wait(cast: Cast, settings, tmp_path) -> None:
    item = store(cast, age_s=300)
    settings.MEDIA_ROOT = tmp_path / "elsewhere"
    assert tasks.prepare_media(item.pk)["waiting"].startswith("storage missing")
    assert tasks.prepare_waiting_media()["waiting"].startswith("storage missing")
    assert MediaItem.objects.get().preview_status == Preview.WAITING


def test_a_missing_broker_costs_nothing_but_time(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(**_: object) -> None:
        raise OperationalError("connection refused")

    monkeypatch.setattr(tasks.process_photo_to_avif, "apply_async", fail)
    assert tasks.prepare_media(store(cast, age_s=300).pk)["preview"] == Preview.READY
    assert tasks.prepare_waiting_media() == {"prepared": 0, "avifs": 1}
    assert not is_processing()


def test_what_no_message_reached_is_prepared_later(cast: Cast, sent: list[tuple[str, int]]) -> None:
    waiting, fresh = [store(cast, seed, age_s=300) for seed in range(3)], store(cast, 9)
    trashed = store(cast, 10, age_s=300)
    MediaItem.objects.filter(pk=trashed.pk).update(trashed_at=timezone.now())
    assert tasks.prepare_waiting_media() == {"prepared": 3, "avifs": 3}
    ready = set(MediaItem.objects.filter(preview_status=Preview.READY).values_list("pk", flat=True))
    assert ready == {item.pk for item in waiting}
    assert is_processing(), f"{fresh} waits"


def test_the_periodic_task_ends_in_time(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    store(cast, age_s=300)
    monkeypatch.setattr(media, "PREPARE_FOR_S", 0.0)
    assert tasks.prepare_waiting_media() == {"prepared": 0, "avifs": 0}


def test_videos_without_proxy_are_rung_for(cast: Cast, sent: list[tuple[str, int]]) -> None:
    item = store(cast)
    MediaItem.objects.update(kind="video", needs_proxy=True, preview_status=Preview.READY)
    tasks.prepare_waiting_media()
    assert sent == [("make_video_proxy", item.pk)]
    assert tasks.make_video_proxy(item.pk) == {"made": False}, "it is no video"
    assert "cannot be decoded" in MediaItem.objects.get().proxy_problem


def test_lost_originals_keep_no_proxy_waiting(cast: Cast, sent: list[tuple[str, int]]) -> None:
    items = [store(cast, seed) for seed in range(media.PROXIES_AT_ONCE + 3)]
    MediaItem.objects.update(kind="video", needs_proxy=True, preview_status=Preview.READY)
    items[0].path.unlink()
    MediaItem.objects.filter(pk=items[1].pk).update(source_path="/nowhere/clip.avi", original="")
    MediaItem.objects.filter(pk=items[2].pk).update(proxy_attempts=2)
    tasks.prepare_waiting_media()
    assert sent == [("make_video_proxy", item.pk) for item in items[3:]]


def test_a_lost_original_and_an_absent_disk_stop_nobody(cast: Cast, sent: list[tuple[str, int]]) -> None:
    lost, away, photo = (store(cast, seed, age_s=300) for seed in range(3))
    lost.path.unlink()
    MediaItem.objects.filter(pk=away.pk).update(source_path="/nowhere/photo.jpg", original="")
    assert tasks.prepare_waiting_media() == {"prepared": 1, "avifs": 1}
    assert MediaItem.objects.get(preview_status=Preview.READY) == photo
    away.delete()
    for _ in range(2):
        assert is_processing()
        tasks.prepare_waiting_media()
    assert not is_processing(), "nothing can be made any more"


@pytest.mark.parametrize("uploads", [0, 1])
def test_avifs_are_made_until_an_upload_waits(
    cast: Cast, sent: list[tuple[str, int]], monkeypatch: pytest.MonkeyPatch, uploads: int
) -> None:
    monkeypatch.setattr(media, "AVIF_FOR_S", 0.0)
    for seed in range(2):
        store(cast, seed, age_s=300)

    def is_there_an_upload(moment: datetime) -> bool:
        if uploads and not MediaItem.objects.filter(created_at__gt=moment).exists():
            store(cast, 9)
        return has_upload(moment)

    has_upload = media._has_upload_since
    monkeypatch.setattr(media, "_has_upload_since", is_there_an_upload)
    assert tasks.prepare_waiting_media() == {"prepared": 2, "avifs": 0 if uploads else 2}


def test_a_worker_prepares_what_is_rung_for(installation: Installation) -> None:
    """In a pool process of Celery, which is daemonic; the AVIF follows by itself."""
    installation.make_photos(2)
    installation.start(*WORKER)
    installation.python(
        "from album import tasks\nfor item in MediaItem.objects.all(): tasks.prepare_media.delay(item.pk)"
    )
    wait_until(lambda: installation.ask("Photo.objects.exclude(image_avif='').count()") == 2, 40, "AVIFs are made")
    previews = installation.ask("list(Photo.objects.values_list('preview_status', 'width_px'))")
    assert previews == [["ready", 8], ["ready", 8]]
