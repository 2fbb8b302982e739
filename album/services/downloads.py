"""Weights that a page asks for: a row says what was asked, how far it got, and how it ended."""

from __future__ import annotations

import time
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from album.exceptions import AlbumError, BatchRefused, DownloadStopped
from album.inference.catalogue import find_entry
from album.models import Status
from album.models.processing import WeightsDownload

LOST_AFTER = timedelta(minutes=10)
"""Of a download that is silent for so long the worker is gone; it may be asked for again."""
ROW_INTERVAL_S = 1.0


def request_download(*, name: str, accepts_licence: bool) -> WeightsDownload:
    """The row of the download, which waits for a worker. The caller rings once the transaction is over.

    Raises:
        WeightsMissing: no such weights are known.
        BatchRefused: they are on no hub, their licence was not accepted, or they are being fetched already.
    """
    entry = find_entry(name)
    if entry.origin != "hub":
        raise BatchRefused(
            _("%(name)s is on no hub. Next step: %(command)s") % {"name": name, "command": entry.mending_command}
        )
    if entry.licence.needs_acceptance and not accepts_licence:
        words = _("%(name)s is under %(licence)s, which restricts its use. Read the terms and accept them first.")
        raise BatchRefused(words % {"name": name, "licence": entry.licence.spdx})
    with transaction.atomic():
        row, is_new = WeightsDownload.objects.select_for_update().get_or_create(name=name)
        if not is_new and is_under_way(row):
            raise BatchRefused(_("%(name)s is being fetched already.") % {"name": name})
        row.state, row.error, row.is_stop_requested = Status.PENDING, "", False
        row.done_bytes, row.total_bytes = 0, None
        row.save()
    return row


def is_under_way(row: WeightsDownload) -> bool:
    """True while a worker fetches it, or is expected to: behind a batch that takes hours."""
    if row.state == Status.PENDING:
        return True
    return row.state == Status.PROCESSING and row.updated_at > timezone.now() - LOST_AFTER


def stop_download(*, name: str) -> None:
    """Ends a download that waits, and asks one that runs to end. What has arrived is kept."""
    row = WeightsDownload.objects.filter(name=name)
    now = timezone.now()
    if not row.filter(state=Status.PENDING).update(state=Status.FAILED, error="Stopped.", updated_at=now):
        row.filter(state=Status.PROCESSING).update(is_stop_requested=True)


def fetch_weights(name: str) -> bool:
    """True when the weights are installed now; else the row says why not. False too where nobody waits for them."""
    from album.inference.downloads import download

    row = WeightsDownload.objects.filter(name=name)
    if not row.filter(state=Status.PENDING).update(state=Status.PROCESSING, updated_at=timezone.now()):
        return False
    written_at = 0.0

    def note(done_bytes: int, total_bytes: int) -> None:
        nonlocal written_at
        if done_bytes < total_bytes and time.monotonic() - written_at < ROW_INTERVAL_S:
            return
        written_at = time.monotonic()
        row.update(done_bytes=done_bytes, total_bytes=total_bytes, updated_at=timezone.now())
        if row.filter(is_stop_requested=True).exists():
            raise DownloadStopped("Stopped. What has arrived is kept; the next download goes on from there.")

    try:
        download(find_entry(name), settings.MODELS_CACHE_DIR, progress=note)
    except AlbumError as error:
        row.update(state=Status.FAILED, error=str(error), updated_at=timezone.now())
        return False
    row.update(state=Status.COMPLETED, error="", updated_at=timezone.now())
    return True


def close_download(name: str, exit_status: int) -> str:
    """The state in which the process of a download has left it; a process that died on the way has failed."""
    words = f"The process ended with {exit_status} before the download did; see the log of the worker."
    open_rows = WeightsDownload.objects.filter(name=name, state=Status.PROCESSING)
    open_rows.update(state=Status.FAILED, error=words, updated_at=timezone.now())
    return WeightsDownload.objects.filter(name=name).values_list("state", flat=True).first() or "gone"
