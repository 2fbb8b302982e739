"""Batches that people ask for: who may start which, one at a time, stopped at an item boundary, failures again."""

from __future__ import annotations

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from album.exceptions import BatchRefused
from album.models import AIProcessingSettings, Album, BatchRun, MediaItem, Status
from album.models.media import Kind
from album.queries import Viewer, editable_albums, editable_by

State = BatchRun.State
ACTIVE = (State.QUEUED, State.RUNNING)


def batch_albums(user: Viewer) -> QuerySet[Album]:
    """Albums that ``user`` may process: the administered ones."""
    return editable_albums(user)


def may_process(user: Viewer) -> bool:
    """True for site admins, and for whoever administers an album."""
    return bool(user.is_authenticated and user.is_superuser) or batch_albums(user).exists()


def runs_of(user: Viewer) -> QuerySet[BatchRun]:
    """Runs that ``user`` may watch and stop: all for a site admin, else those for an administered album."""
    if user.is_authenticated and user.is_superuser:
        return BatchRun.objects.all()
    return BatchRun.objects.filter(album__in=batch_albums(user).order_by().values("pk"))


def active_run(kind: Kind) -> BatchRun | None:
    """The batch of this kind that works or waits for its turn, whoever asked for it. Single items do not count."""
    active = BatchRun.objects.filter(kind=kind, item=None, state__in=ACTIVE)
    return active.select_related("requested_by", "album").order_by("-state", "pk").first()


def request_batch(
    *, user: User, kind: Kind, album: Album | None = None, limit: int | None = None, is_forced: bool = False
) -> BatchRun:
    """The queued run. The caller rings for it once the transaction is over.

    Args:
        album: one of ``batch_albums``; None, for site admins only: the whole library.
        limit: items at most; None: as many as ``user`` may, without end for a site admin.

    Raises:
        BatchRefused: AI is switched off, the limit is above what ``user`` may, or a batch is under way already.
    """
    with transaction.atomic():
        AIProcessingSettings.load()
        row = AIProcessingSettings.objects.select_for_update().get()  # two who start at once come one by one
        if not row.processing_enabled:
            raise BatchRefused(_("AI processing is switched off. Site admins switch it on in the AI settings."))
        if not user.is_superuser:
            limit = _bounded(user, album, limit, row.on_demand_limit)
        if (running := active_run(kind)) is not None:
            raise BatchRefused(_refusal(user, running))
        return BatchRun.objects.create(
            kind=kind,
            trigger=BatchRun.Trigger.ON_DEMAND,
            album=album,
            requested_by=user,
            item_limit=limit,
            is_forced=is_forced,
        )


def _bounded(user: User, album: Album | None, limit: int | None, most: int) -> int:
    if album is None or not batch_albums(user).filter(pk=album.pk).exists():
        raise BatchRefused(_("Choose one of the albums that you administer."))
    if limit is not None and limit > most:
        raise BatchRefused(_("Album admins may process at most %(count)d items in one batch.") % {"count": most})
    return most if limit is None else limit


def _refusal(user: User, running: BatchRun) -> str:
    if running.requested_by is not None and runs_of(user).filter(pk=running.pk).exists():
        words = _("%(name)s has started a batch already (number %(number)d). Wait for its end, or stop it first.")
        return words % {"name": running.requested_by.get_username(), "number": running.pk}
    return _("Another batch is under way. Try again when it has ended.")


def request_stop(*, run: BatchRun) -> None:
    """Ends a run that waits, and asks one that works to end at an item boundary. An ended one stays as it is."""
    same = BatchRun.objects.filter(pk=run.pk)
    ended = same.filter(state=State.QUEUED).update(
        state=State.FINISHED,
        is_stop_requested=True,
        stop_reason=BatchRun.StopReason.REQUESTED,
        finished_at=timezone.now(),
    )
    if not ended:
        same.filter(state=State.RUNNING).update(is_stop_requested=True)


def failed_items(user: Viewer, kind: Kind) -> QuerySet[MediaItem]:
    """Items of this kind that failed and that ``user`` may ask for again."""
    return editable_by(user).filter(kind=kind, processing_status=Status.FAILED)


def retry_failed(*, user: User, kind: Kind, item_id: int | None = None) -> int:
    """How many failed items wait again, with new attempts: this one, or all that ``user`` may ask for."""
    wanted = Q() if item_id is None else Q(pk=item_id)
    ids = failed_items(user, kind).filter(wanted).order_by().values("pk")
    return MediaItem.objects.filter(pk__in=ids).update(processing_status=Status.PENDING)
