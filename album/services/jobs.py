"""Resize jobs of the public API: made by one request, done by a worker, removed a day later."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings
from django.contrib.auth.models import User
from django.db import OperationalError, transaction
from django.db.models import F, Q
from django.utils import timezone

from album.exceptions import AlbumError, MediaError, QuotaExceeded, StorageError, UnsupportedMedia
from album.media.resize import write_resized
from album.media.sandbox import DecoderCrashed, SandboxUnavailable
from album.media.storage import require_mark
from album.models import ImageJob, Status
from album.preparation.boxes import shared_box
from album.services.spool import Spooled, place, storage_errors

ORIGINALS, THUMBNAILS = "jobs/originals", "jobs/thumbnails"
SIDE_PX = 800
KEPT_FOR = timedelta(hours=24)
RING_AGAIN_AFTER = timedelta(minutes=1)
MAX_ATTEMPTS = 4
"""The first, and one after 1, 2 and 4 seconds each."""
TRANSIENT = (OSError, OperationalError, MemoryError, StorageError, DecoderCrashed, SandboxUnavailable)
"""What may be well a second later. A crash is among them: a busy machine ends decoders for their memory."""


def refuse_above_quota(owner: User) -> None:
    """Returns if ``owner`` may make another job within ``JOBS_PER_HOUR``. Rows are counted: no cache can forget.

    Raises:
        QuotaExceeded: with the seconds until the next one.
    """
    now, hour = timezone.now(), timedelta(hours=1)
    counted = ImageJob.objects.filter(owner=owner, created_at__gt=now - hour).order_by("-created_at")
    first = counted.values_list("created_at", flat=True)[settings.JOBS_PER_HOUR - 1 :].first()
    if first is not None:
        words = f"An account may make {settings.JOBS_PER_HOUR} jobs an hour."
        raise QuotaExceeded(words, retry_after_s=(first + hour - now).total_seconds())


def create_job(*, owner: User, spooled: Spooled) -> ImageJob:
    """A pending job whose original is durable: first the file, then the row.

    Raises:
        UnsupportedMedia: the file is no photo that can be decoded.
        QuotaExceeded: parallel requests of ``owner`` were faster.
        StorageError: disk or database failed. In each of these cases nothing stays behind.
    """
    media_type = spooled.media_type
    if media_type.kind != "photo" or media_type.decoder == "none":
        raise UnsupportedMedia(f"A file of type {media_type.mime} cannot be resized. Send a photo.")
    job_id = uuid.uuid4()
    name = f"{ORIGINALS}/{job_id}{media_type.extension}"
    path = _absolute(name)
    with storage_errors(spooled.name):
        place(spooled.path, path)
        try:
            with transaction.atomic():
                User.objects.select_for_update().get(pk=owner.pk)  # the account's requests count one by one
                refuse_above_quota(owner)
                return ImageJob.objects.create(pk=job_id, owner=owner, original_image=name)
        except BaseException:
            path.unlink(missing_ok=True)
            raise


def run_job(job_id: uuid.UUID) -> str:
    """What became of the job, in a word. Of two calls one does the work, and done work is not done again.

    Raises:
        one of ``TRANSIENT``: the job is pending again.
    """
    job = _claim(job_id)
    if job is None:
        return "not waiting"
    try:
        resized = _resize(job)
    except (MediaError, *TRANSIENT) as error:
        if isinstance(error, TRANSIENT) and job.attempts < MAX_ATTEMPTS:
            _end(job, Status.PENDING)
            raise
        return _end(job, Status.FAILED, error_message=_words(error))
    return _end(job, Status.COMPLETED, resized_image=resized)


def waiting_jobs(now: datetime) -> list[uuid.UUID]:
    """The oldest jobs for which no message may be under way: their worker died, or the broker did not answer.

    One whose worker died at each attempt has failed.
    """
    exhausted = ImageJob.objects.filter(_abandoned(now), attempts__gte=MAX_ATTEMPTS)
    exhausted.update(status=Status.FAILED, error_message=f"Gave up: the worker died {MAX_ATTEMPTS} times.")
    lost = Q(status=Status.PENDING, created_at__lt=now - RING_AGAIN_AFTER) | _abandoned(now)
    return list(ImageJob.objects.filter(lost).order_by("created_at").values_list("pk", flat=True)[:1000])


def remove_old_jobs(now: datetime) -> int:
    """How many jobs were older than a day; now they are gone, and each old file that no job refers to."""
    before = now - KEPT_FOR
    removed, _ = ImageJob.objects.filter(created_at__lt=before).delete()
    # Rows first: should this end in between, the next hour finds the files. A young file may be that of a request
    # which has not made its row yet.
    old = [path for path in _files() if path.stat().st_mtime < before.timestamp()]
    names = ImageJob.objects.values_list("original_image", "resized_image")
    kept = {name for pair in names for name in pair}
    for path in old:
        if str(path.relative_to(settings.MEDIA_ROOT)) not in kept:
            path.unlink(missing_ok=True)
    return removed


def _claim(job_id: uuid.UUID) -> ImageJob | None:
    """The job, now ours, if it is pending or its worker died."""
    now = timezone.now()
    free = ImageJob.objects.filter(Q(status=Status.PENDING) | _abandoned(now), pk=job_id, attempts__lt=MAX_ATTEMPTS)
    is_ours = free.update(status=Status.PROCESSING, started_at=now, attempts=F("attempts") + 1)
    return ImageJob.objects.filter(pk=job_id, started_at=now).first() if is_ours else None


def _abandoned(now: datetime) -> Q:
    """Jobs on which nobody works any more: their decoder would have been killed long ago."""
    limit = timedelta(seconds=2 * settings.DECODE_TIMEOUT_S + 60)
    return Q(status=Status.PROCESSING, started_at__lt=now - limit)


def _end(job: ImageJob, status: Status, **values: str) -> str:
    """The status, written unless another worker took the job over or it was removed."""
    ours = ImageJob.objects.filter(pk=job.pk, status=Status.PROCESSING, started_at=job.started_at)
    return status.value if ours.update(status=status, **values) else "taken over"


def _resize(job: ImageJob) -> str:
    """The name of the stored picture. It follows from the job: two attempts leave one file."""
    require_mark(Path(settings.MEDIA_ROOT))
    original = Path(job.original_image.path)
    name = f"{THUMBNAILS}/{job.pk}.jpg"
    target = _absolute(name)
    part = target.with_name(f"{job.pk}-{secrets.token_hex(4)}.part")
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        shared_box().run(write_resized, original, part, SIDE_PX)
        place(part, target)
    finally:
        part.unlink(missing_ok=True)
    return name


def _words(error: Exception) -> str:
    if isinstance(error, AlbumError):
        return str(error)
    reason = error.strerror if isinstance(error, OSError) else str(error)
    return f"The image could not be resized ({reason or type(error).__name__}). Send it again later."


def _files() -> Iterator[Path]:
    for folder in (ORIGINALS, THUMBNAILS):
        yield from _absolute(folder).glob("*")


def _absolute(name: str) -> Path:
    return Path(settings.MEDIA_ROOT, name)
