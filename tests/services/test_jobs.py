"""A resize job between its row and its files: taken once, tried again, removed with everything that is its own."""

from __future__ import annotations

import io
import os
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from django.db import connection
from django.utils import timezone
from PIL import ExifTags, Image

from album.exceptions import MediaError, QuotaExceeded, StorageError
from album.media.storage import MARKER
from album.models import ImageJob, Status
from album.services import jobs
from album.services.jobs import MAX_ATTEMPTS, create_job, remove_old_jobs, run_job, waiting_jobs
from album.services.spool import Spool
from tests.cast import Cast, scene_bytes


def make_job(cast: Cast, content: bytes | None = None) -> ImageJob:
    with Spool.open("photo.jpg") as spool:
        spool.write(scene_bytes(size_px=(1000, 600)) if content is None else content)
        return create_job(owner=cast.alice, spooled=spool.finish())


def media(name: str = "") -> Path:
    return Path(django_settings.MEDIA_ROOT, name)


def stored() -> list[str]:
    return sorted(str(path.relative_to(media("jobs"))) for path in media("jobs").rglob("*") if path.is_file())


def block_thumbnails() -> Path:
    """A file where the folder should be: no thumbnail can be written until it is gone."""
    blocker = media("jobs/thumbnails")
    blocker.touch()
    return blocker


def test_the_resized_picture_is_upright_and_says_nothing_of_its_maker(cast: Cast) -> None:
    exif, file = Image.Exif(), io.BytesIO()
    exif[ExifTags.Base.Orientation] = 6
    exif.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitude] = (41.0, 13.0, 12.0)
    Image.new("RGB", (1600, 1200), "teal").save(file, "JPEG", exif=exif, icc_profile=b"x" * 200, comment=b"secret")
    job = make_job(cast, file.getvalue())
    assert run_job(job.pk) == "completed"
    job.refresh_from_db()
    with Image.open(job.resized_image.path) as image:
        assert (image.format, image.size, dict(image.getexif())) == ("JPEG", (600, 800), {})
        assert not {"icc_profile", "exif", "comment"} & set(image.info)


def test_a_small_picture_is_not_enlarged(cast: Cast) -> None:
    job = make_job(cast, scene_bytes(size_px=(90, 60), image_format="PNG"))
    assert run_job(job.pk) == "completed"
    job.refresh_from_db()
    with Image.open(job.resized_image.path) as image:
        assert image.size == (90, 60)


def test_done_work_is_not_done_again(cast: Cast) -> None:
    job = make_job(cast)
    assert [run_job(job.pk) for _ in range(3)] == ["completed", "not waiting", "not waiting"]
    job.refresh_from_db()
    assert job.attempts == 1
    assert run_job(uuid.uuid4()) == "not waiting"


@pytest.mark.django_db(transaction=True)
def test_of_several_workers_one_does_the_work(cast: Cast) -> None:
    job = make_job(cast)

    def run(_: int) -> str:
        try:
            return run_job(job.pk)
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as pool:
        assert Counter(pool.map(run, range(6))) == {"completed": 1, "not waiting": 5}
    assert stored() == [f"originals/{job.pk}.jpg", f"thumbnails/{job.pk}.jpg"]


def test_what_may_pass_is_tried_again_and_then_told(cast: Cast) -> None:
    job = make_job(cast)
    block_thumbnails()
    for _ in range(MAX_ATTEMPTS - 1):
        with pytest.raises(FileExistsError):
            run_job(job.pk)
        job.refresh_from_db()
        assert (job.status, job.error_message) == ("pending", "")
    assert run_job(job.pk) == "failed"
    job.refresh_from_db()
    assert job.error_message == "The image could not be resized (File exists). Send it again later."


def test_an_absent_disk_gets_no_folders(cast: Cast) -> None:
    job = make_job(cast)
    media(MARKER).unlink()
    with pytest.raises(StorageError, match="storage missing"):
        run_job(job.pk)
    assert not media("jobs/thumbnails").exists()
    media(MARKER).touch()
    assert run_job(job.pk) == "completed"


def test_the_job_of_a_dead_worker_is_taken_over(cast: Cast) -> None:
    job = make_job(cast)
    ImageJob.objects.update(status=Status.PROCESSING, started_at=timezone.now() - timedelta(seconds=30), attempts=1)
    assert run_job(job.pk) == "not waiting" and waiting_jobs(timezone.now()) == []
    later = timezone.now() - timedelta(seconds=3 * django_settings.DECODE_TIMEOUT_S + 60)
    ImageJob.objects.update(started_at=later)
    assert waiting_jobs(timezone.now()) == [job.pk]
    assert run_job(job.pk) == "completed"


@pytest.mark.parametrize("ending", ["completed", "failed", "pending"])
def test_a_worker_that_comes_late_leaves_the_job_to_the_one_that_took_it_over(
    cast: Cast, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    job = make_job(cast)
    resize, taken_over_at = jobs._resize, timezone.now()

    def resize_slowly(late: ImageJob) -> str:
        ImageJob.objects.update(started_at=taken_over_at, attempts=2)
        if ending == "completed":
            return resize(late)
        raise MediaError("broken") if ending == "failed" else OSError("busy")

    monkeypatch.setattr(jobs, "_resize", resize_slowly)
    if ending == "pending":
        with pytest.raises(OSError, match="busy"):
            run_job(job.pk)
    else:
        assert run_job(job.pk) == "taken over"
    job.refresh_from_db()
    assert (job.status, job.started_at, job.resized_image.name, job.error_message) == (
        "processing",
        taken_over_at,
        "",
        "",
    )


def test_a_job_at_which_workers_die_ends(cast: Cast) -> None:
    job = make_job(cast)
    long_ago = timezone.now() - timedelta(hours=1)
    ImageJob.objects.update(status=Status.PROCESSING, started_at=long_ago, attempts=MAX_ATTEMPTS)
    assert waiting_jobs(timezone.now()) == []
    job.refresh_from_db()
    assert (job.status, job.error_message) == ("failed", "Gave up: the worker died 4 times.")


def test_only_jobs_without_message_are_rung_for_again(cast: Cast) -> None:
    old, new = make_job(cast), make_job(cast)
    ImageJob.objects.filter(pk=old.pk).update(created_at=timezone.now() - timedelta(minutes=2))
    assert waiting_jobs(timezone.now()) == [old.pk]
    assert new.status == "pending"


def test_jobs_of_yesterday_go_with_their_files(cast: Cast) -> None:
    old, failed, new = make_job(cast), make_job(cast, scene_bytes()[:700]), make_job(cast)
    for job in (old, failed, new):
        run_job(job.pk)
    yesterday = timezone.now() - timedelta(hours=24, seconds=1)
    ImageJob.objects.filter(pk__in=(old.pk, failed.pk)).update(created_at=yesterday)
    for path in media("jobs").rglob("*.jpg"):
        os.utime(path, (yesterday.timestamp(), yesterday.timestamp()))
    assert remove_old_jobs(timezone.now()) == 2
    assert stored() == [f"originals/{new.pk}.jpg", f"thumbnails/{new.pk}.jpg"]
    assert remove_old_jobs(timezone.now()) == 0


def test_files_that_a_crash_left_go_a_day_later(cast: Cast) -> None:
    job = make_job(cast)
    left = media(f"jobs/originals/{uuid.uuid4()}.jpg")
    left.touch()
    remove_old_jobs(timezone.now())
    assert left.exists(), "it may belong to a request that has not made its row yet"
    remove_old_jobs(timezone.now() + timedelta(hours=23, minutes=59))
    assert left.exists()
    ImageJob.objects.update(created_at=timezone.now() + timedelta(hours=1))
    remove_old_jobs(timezone.now() + timedelta(hours=24, minutes=1))
    assert stored() == [f"originals/{job.pk}.jpg"]


@pytest.mark.django_db(transaction=True)
def test_parallel_requests_do_not_pass_the_quota(cast: Cast, settings) -> None:
    settings.JOBS_PER_HOUR = 3

    def make(_: int) -> bool:
        try:
            make_job(cast)
        except QuotaExceeded:
            return False
        finally:
            connection.close()
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(make, range(8))) == 3
    assert len(stored()) == 3 and not list(media().rglob("*.part"))
