"""What is made in the background: the large AVIF, the proxy of a video, and the flag of an album."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from album.exceptions import StorageError
from album.media.frames import open_video
from album.media.proxy import make_proxy
from album.media.renditions import LARGE_AVIF, PROXY
from album.models import Album, MediaItem, Preview
from album.preparation import proxies
from album.preparation.avif import clear_processed_albums, make_large_avif
from album.preparation.extras import make_extra
from album.preparation.locks import take_lock
from album.preparation.originals import OriginalAway
from album.preparation.paths import rendition_path
from album.preparation.prepare import MAX_ATTEMPTS, prepare_item
from tests.cast import Cast, make_rows
from tests.media.video_files import write_video
from tests.preparation.boxes import CountingBox, CrashingBox, FullDiskBox, InterruptedBox
from tests.preparation.test_prepare import store


def test_the_large_avif_is_made_once(cast: Cast, box: CountingBox) -> None:
    item = store(cast.alice)
    assert make_large_avif(item, box=box)
    assert make_large_avif(item, box=box)
    assert box.calls == 1
    item = MediaItem.objects.get()
    assert Path(item.image_avif.path) == rendition_path(item, LARGE_AVIF)
    with Image.open(item.image_avif.path) as image:
        assert (image.format, image.size, dict(image.getexif())) == ("AVIF", (800, 600), {})


def test_one_that_vanished_is_made_again(cast: Cast, box: CountingBox) -> None:
    item = store(cast.alice)
    make_large_avif(item, box=box)
    rendition_path(item, LARGE_AVIF).unlink()
    assert make_large_avif(item, box=box)
    assert rendition_path(item, LARGE_AVIF).is_file()


def test_two_who_have_the_same_photo_have_one_file(cast: Cast, box: CountingBox) -> None:
    first, second = store(cast.alice), store(cast.bob)
    assert make_large_avif(first, box=box)
    assert make_large_avif(second, box=box)
    assert box.calls == 1
    assert len(set(MediaItem.objects.values_list("image_avif", flat=True)) - {""}) == 1
    assert not MediaItem.objects.filter(image_avif="").exists()


def test_a_missing_original_is_tried_three_times_and_an_absent_disk_for_ever(
    cast: Cast, box: CountingBox, tmp_path: Path
) -> None:
    lost, away = store(cast.alice), store(cast.alice, seed=1)
    lost.path.unlink()
    MediaItem.objects.filter(pk=away.pk).update(source_path=str(tmp_path / "disk" / "photo.jpg"), original="")
    for _ in range(4):
        assert not make_large_avif(lost, box=box)
        with pytest.raises(OriginalAway):
            make_large_avif(away, box=box)
    attempts = dict(MediaItem.objects.values_list("pk", "avif_attempts"))
    assert attempts == {lost.pk: MAX_ATTEMPTS, away.pk: 0}
    assert box.calls == 0


def test_nothing_is_written_where_the_storage_is_missing(cast: Cast, box: CountingBox, settings) -> None:
    item = store(cast.alice)
    settings.MEDIA_ROOT.rename(settings.MEDIA_ROOT.with_name("unplugged"))
    settings.MEDIA_ROOT.mkdir()
    with pytest.raises(StorageError, match="storage missing"):
        make_large_avif(item, box=box)
    assert list(settings.MEDIA_ROOT.iterdir()) == []


def test_one_that_is_being_made_elsewhere_is_left_to_them(cast: Cast, box: CountingBox) -> None:
    item = store(cast.alice)
    with take_lock(f"image_avif-{item.sha256[:2]}"):
        assert not make_large_avif(item, box=box)
    assert box.calls == 0


def test_a_damaged_photo_is_tried_once_and_one_that_crashes_three_times(cast: Cast, box: CountingBox) -> None:
    damaged, crashing = store(cast.alice, b"\x89PNG\r\n\x1a\nno picture follows"), store(cast.alice)
    for _ in range(2):
        assert not make_large_avif(damaged, box=box)
    assert box.calls == 1
    with CrashingBox(timeout_s=20) as bad_box:
        for _ in range(5):
            assert not make_large_avif(crashing, box=bad_box)
        assert bad_box.calls == 3
    assert set(MediaItem.objects.values_list("avif_attempts", flat=True)) == {MAX_ATTEMPTS}


@pytest.mark.parametrize("content", [None, b"\x89PNG\r\n\x1a\nno picture follows"])
def test_what_was_made_of_a_file_that_changed_meanwhile_is_not_that_of_the_new_one(
    cast: Cast, content: bytes | None
) -> None:
    item = store(cast.alice, content)
    with InterruptedBox(lambda: MediaItem.objects.update(sha256="f" * 64)) as box:
        make_large_avif(item, box=box)
    item = MediaItem.objects.get()
    assert (item.image_avif.name, item.avif_attempts) == ("", 0)


def test_a_full_disk_is_no_attempt(cast: Cast) -> None:
    item = store(cast.alice)
    with pytest.raises(StorageError):
        make_large_avif(item, box=FullDiskBox())
    assert MediaItem.objects.get().avif_attempts == 0


@pytest.mark.parametrize(
    ("values", "is_cleared"),
    [
        ([], True),
        ([{"preview_status": Preview.READY, "image_avif": "renditions/x"}], True),
        ([{"preview_status": Preview.NONE}], True),
        ([{"preview_status": Preview.READY, "avif_attempts": MAX_ATTEMPTS}], True),
        ([{"kind": "video"}], True),
        ([{"trashed_at": "2026-01-01T00:00Z"}], True),
        ([{"preview_status": Preview.WAITING, "prepare_attempts": MAX_ATTEMPTS}], True),
        ([{"preview_status": Preview.WAITING}], False),
        ([{"preview_status": Preview.READY}], False),
        (
            [{"preview_status": Preview.READY, "image_avif": "renditions/x"}, {"preview_status": Preview.READY}],
            False,
        ),
    ],
)
def test_an_album_is_done_when_no_photo_of_it_waits(
    cast: Cast, values: list[dict[str, object]], is_cleared
) -> None:
    Album.objects.update(is_processing_photos=True)
    for columns in values:
        cast.shared.items.add(*make_rows(cast.alice, 1, **columns))
    make_rows(cast.alice, 1)  # in no album
    assert clear_processed_albums(Album.objects.all()) == is_cleared
    cast.shared.refresh_from_db()
    assert cast.shared.is_processing_photos is not is_cleared


@pytest.fixture
def video(cast: Cast, box: CountingBox, tmp_path: Path) -> MediaItem:
    write_video(tmp_path / "clip.mp4", ["red", "blue"])
    item = store(cast.alice, (tmp_path / "clip.mp4").read_bytes(), "clip.mp4")
    MediaItem.objects.update(needs_proxy=True)
    return item


def test_a_video_gets_a_poster_and_the_copy_that_browsers_can_play(video: MediaItem, box: CountingBox) -> None:
    prepare_item(video, box=box)
    assert video.preview_status == Preview.READY
    assert video.duration_s and video.width_px
    assert proxies.make_video_proxy(video)
    video.refresh_from_db()
    assert Path(video.video_proxy.path) == rendition_path(video, PROXY)
    with open_video(Path(video.video_proxy.path)) as (_, stream):
        assert stream.codec_context.name == "h264"


def test_a_video_that_cannot_be_converted_says_why(video: MediaItem, box: CountingBox) -> None:
    video.path.write_bytes(video.path.read_bytes()[:200])
    assert not make_extra(video, proxies.VIDEO_PROXY, box, make_proxy)
    video.refresh_from_db()
    assert video.proxy_attempts == MAX_ATTEMPTS
    assert "cannot be decoded" in video.proxy_problem
    assert not MediaItem.objects.filter(proxies.WITHOUT_PROXY).exists()
