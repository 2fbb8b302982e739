"""The queue in rows: opening stage rows, claiming them under a lease, giving them back.

The rule of exclusion: a run may touch an item only while the item's stage row is ``processing``, carries that
run's id, and its lease lives. At most one stage row of an item is ``processing`` at any time.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import timedelta

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Case, Exists, F, Min, OuterRef, Q, QuerySet, Value, When
from django.utils import timezone

from album.batches.options import BatchOptions, Redo
from album.models import Album, BatchRun, MediaItem, Stage, StageResult, Status
from album.queries import in_album

INSERT_CHUNK = 1000


@dataclass(frozen=True, slots=True)
class Claim:
    """One leased item in one stage."""

    result_id: int
    item: MediaItem
    attempts: int
    is_suspect: bool = False
    """A run vanished while it held this item."""


def items_in_scope(options: BatchOptions) -> QuerySet[MediaItem]:
    """All items that the options name, whatever their status; what lies in the trash or is a photo's clip rests."""
    items = MediaItem.objects.filter(kind=options.kind, trashed_at=None, clip_of=None)
    if options.album_id is not None:
        items = items.filter(_in_album(options.album_id))
    if options.item_ids:
        items = items.filter(pk__in=options.item_ids)
    return items


def _in_album(album_id: int) -> Q:
    """What lies there now, put in by hand or let in by a rule; nothing where the album is gone."""
    album = Album.objects.filter(pk=album_id).first()
    return in_album(album) if album else Q(pk__in=())


def open_ledger(
    options: BatchOptions, wanted: dict[Stage, tuple[str, str]], needed: Iterable[Stage] | None = None
) -> None:
    """Brings the ledger up to date before a run: every item in scope that waits has a row per needed stage.

    Args:
        wanted: per stage, the weights id and revision that the run will use.
        needed: all stages without which an item is not complete, also those that this run leaves to another;
            None: the wanted ones.

    Also mends what people may have done to ``processing_status`` by hand: setting it back to ``pending`` means
    "do this again".
    """
    if options.redo is not Redo.NOTHING:
        _reopen(options, wanted)
    waiting = items_in_scope(options).filter(processing_status__in=(Status.PENDING, Status.FAILED))
    for stage in wanted if needed is None else needed:
        rows = StageResult.objects.filter(item=OuterRef("pk"), stage=stage)
        missing = waiting.filter(~Exists(rows)).values_list("pk", flat=True)
        for chunk in _chunks(list(missing)):
            with transaction.atomic():
                living = MediaItem.objects.filter(pk__in=chunk).values_list("pk", flat=True)
                StageResult.objects.bulk_create(
                    [StageResult(item_id=pk, stage=stage) for pk in living], ignore_conflicts=True
                )
    pending = waiting.filter(processing_status=Status.PENDING).values("pk")
    reset = {"state": Status.PENDING, "run": None, "attempts": 0, "error": ""}
    StageResult.objects.filter(item__in=pending, state=Status.FAILED).update(**reset)
    unfinished = StageResult.objects.filter(item=OuterRef("item"), state__in=(Status.PENDING, Status.PROCESSING))
    StageResult.objects.filter(item__in=pending, state=Status.COMPLETED, stage__in=wanted).filter(
        ~Exists(unfinished)
    ).update(**reset)


def drop_stages(options: BatchOptions, stages: Collection[Stage]) -> None:
    """Forgets what is unfinished in stages that nobody does any more: it would keep its items from completion."""
    unfinished = Q(state__in=(Status.PENDING, Status.FAILED)) | _abandoned()
    ids = list(_rows(options, stages).filter(unfinished).values_list("item_id", flat=True).distinct())
    for chunk in _chunks(ids):
        with transaction.atomic():
            locked = list(MediaItem.objects.select_for_update().filter(pk__in=chunk).values_list("pk", flat=True))
            StageResult.objects.filter(unfinished, item__in=locked, stage__in=stages).delete()
            rows = StageResult.objects.filter(item=OuterRef("pk"))
            items = MediaItem.objects.filter(~Exists(rows.filter(state=Status.PROCESSING)), pk__in=locked)
            is_done = Exists(rows) & ~Exists(rows.exclude(state=Status.COMPLETED))
            failed = Exists(rows.filter(state=Status.FAILED))
            items.filter(is_done).update(processing_status=Status.COMPLETED, processed_at=timezone.now())
            items.exclude(is_done).update(
                processing_status=Case(When(failed, then=Value(Status.FAILED)), default=Value(Status.PENDING))
            )


def items_to_redo(options: BatchOptions, wanted: dict[Stage, tuple[str, str]]) -> QuerySet[MediaItem]:
    """Items of the scope to be done again: all of them, or those that lack a result of the wanted weights."""
    items = items_in_scope(options).exclude(processing_status=Status.PROCESSING)
    if options.redo is Redo.EVERYTHING:
        return items
    is_outdated: Q = Q(pk__in=[])
    for stage, (weights, revision) in wanted.items():
        current = StageResult.objects.filter(
            item=OuterRef("pk"), stage=stage, state=Status.COMPLETED, weights=weights, revision=revision
        )
        is_outdated |= Q(~Exists(current))
    return items.filter(is_outdated)


def _reopen(options: BatchOptions, wanted: dict[Stage, tuple[str, str]]) -> None:
    # What waits anyway, then the oldest results: by number a limit would take the same newest items each time.
    done = Q(stage_results__stage__in=wanted, stage_results__state__in=(Status.COMPLETED, Status.FAILED))
    done_at = Min("stage_results__updated_at", filter=done)
    outdated = items_to_redo(options, wanted).values("pk").annotate(done_at=done_at)
    by_age = outdated.order_by(F("done_at").asc(nulls_first=True), "-pk")
    ids = list(by_age.values_list("pk", flat=True)[: options.limit])
    for chunk in _chunks(ids):
        with transaction.atomic():
            # Another run may have claimed some of them since the ids were read.
            free = MediaItem.objects.select_for_update().filter(pk__in=chunk)
            idle = list(free.exclude(processing_status=Status.PROCESSING).values_list("pk", flat=True))
            rows = StageResult.objects.filter(item__in=idle, stage__in=wanted)
            if options.redo is Redo.OUTDATED:
                for stage, (weights, revision) in wanted.items():
                    rows = rows.exclude(stage=stage, state=Status.COMPLETED, weights=weights, revision=revision)
            rows.update(state=Status.PENDING, attempts=0, error="")
            MediaItem.objects.filter(pk__in=idle).update(processing_status=Status.PENDING)


def _fresh(run: BatchRun | None) -> Q:
    """Waiting, and not passed over by this run."""
    return Q(state=Status.PENDING) & ~Q(item__processing_status=Status.PROCESSING) & _not_of(run)


def _abandoned() -> Q:
    return Q(state=Status.PROCESSING, lease_expires_at__lt=timezone.now())


def _retry(run: BatchRun | None) -> Q:
    """Failed before, but not in this run, and with attempts left."""
    retry = Q(state=Status.FAILED, attempts__lt=settings.AI_MAX_ATTEMPTS)
    return retry & ~Q(item__processing_status=Status.PROCESSING) & _not_of(run)


def _not_of(run: BatchRun | None) -> Q:
    return ~Q(run=run) | Q(run=None)


def _rows(options: BatchOptions, stages: Iterable[Stage]) -> QuerySet[StageResult]:
    rows = StageResult.objects.filter(
        stage__in=stages, item__kind=options.kind, item__trashed_at=None, item__clip_of=None
    )
    if options.album_id is not None:
        rows = rows.filter(item__in=MediaItem.objects.filter(_in_album(options.album_id)))
    return rows.filter(item__in=options.item_ids) if options.item_ids else rows


def claimable(options: BatchOptions, stages: Iterable[Stage], run: BatchRun | None = None) -> QuerySet[StageResult]:
    """Rows of the stages that the run may take: waiting, abandoned, or failed with attempts left."""
    return _rows(options, stages).filter(_fresh(run) | _abandoned() | _retry(run))


class Claimer:
    """Takes rows of one stage for one run, small chunks at a time, newest items first.

    ``touched`` holds the items of the run so far: with an item limit a later stage finishes those before it
    takes others, so that a limit of 50 leaves 50 finished items and not 50 halves.
    """

    def __init__(self, run: BatchRun, options: BatchOptions, stage: Stage, touched: set[int]) -> None:
        self.run, self.options, self.stage, self.touched = run, options, stage, touched
        self.lease_s = float(settings.AI_LEASE_SECONDS)
        self._renewed_at = time.monotonic()
        self._own = sorted(touched, reverse=True)

    def claim(self, count: int, *, with_suspects: bool) -> list[Claim]:
        """Up to ``count`` leased items; an empty list when nothing is left for this run.

        An abandoned item may have killed its run. It comes alone and only to a caller who holds nothing else and
        says so by ``with_suspects``, so that it can only take itself along. It comes last, but half of a limit is
        kept for such items: behind a backlog larger than the limit they would stay ``processing`` for months.
        """
        while self._own:
            chunk, self._own = self._own[:count], self._own[count:]
            if claims := self._take(_fresh(self.run) & Q(item__in=chunk), count):
                return claims
        limit = self.options.limit
        left = count if limit is None else limit - len(self.touched)
        if left <= 0:
            return []
        room = min(count, left if limit is None else left - min(self._suspects(), max(1, limit // 2)))
        claims = self._take(_fresh(self.run), room) or self._take(_retry(self.run), room)
        if not claims and with_suspects:
            claims = [replace(claim, is_suspect=True) for claim in self._take(_abandoned(), 1)]
        return claims

    def _suspects(self) -> int:
        """How many wait now, also for the stages to come: this one must not use up their share."""
        return _rows(self.options, self.options.stages or [self.stage]).filter(_abandoned()).count()

    def _take(self, which: Q, count: int) -> list[Claim]:
        if count <= 0:
            return []
        rows = _rows(self.options, [self.stage]).filter(which).order_by("-item_id")
        with transaction.atomic():
            if connection.features.has_select_for_update_skip_locked:
                rows = rows.select_for_update(skip_locked=True, of=("self", "item"))
            taken = list(rows.select_related("item")[:count])
            if not taken:
                return []
            StageResult.objects.filter(pk__in=[row.pk for row in taken]).update(
                state=Status.PROCESSING,
                run=self.run,
                attempts=F("attempts") + 1,
                lease_expires_at=timezone.now() + timedelta(seconds=self.lease_s),
            )
            MediaItem.objects.filter(pk__in=[row.item_id for row in taken]).update(
                processing_status=Status.PROCESSING
            )
        self.touched.update(row.item_id for row in taken)
        return [Claim(row.pk, row.item, row.attempts + 1) for row in taken]

    def renew(self) -> None:
        """Extends the lease of everything that the run holds, once an eighth of it has passed."""
        now = time.monotonic()
        if now - self._renewed_at < self.lease_s / 8:
            return
        self._renewed_at = now
        held = StageResult.objects.filter(run=self.run, state=Status.PROCESSING)
        held.update(lease_expires_at=timezone.now() + timedelta(seconds=self.lease_s))

    def release_all(self) -> None:
        """Gives back what the run still holds in this stage; these attempts do not count."""
        self._give_back(StageResult.objects.filter(stage=self.stage), run=None)

    def pass_over(self, claim: Claim) -> None:
        """Gives this item back for later runs; the attempt does not count."""
        self._give_back(StageResult.objects.filter(pk=claim.result_id), run=self.run)

    def _give_back(self, rows: QuerySet[StageResult], run: BatchRun | None) -> None:
        """``run`` is the one that does not take them again."""
        with transaction.atomic():
            held = rows.filter(run=self.run, state=Status.PROCESSING)
            item_ids = list(held.values_list("item_id", flat=True))
            if not item_ids:
                return
            held.update(state=Status.PENDING, run=run, attempts=F("attempts") - 1, lease_expires_at=None)
            # Not simply pending: that word on an item with a failed stage would ask for that stage again.
            failed = Exists(StageResult.objects.filter(item=OuterRef("pk"), state=Status.FAILED))
            status = Case(When(failed, then=Value(Status.FAILED)), default=Value(Status.PENDING))
            MediaItem.objects.filter(pk__in=item_ids).update(processing_status=status)
        self.touched.difference_update(item_ids)


def abandon(run: BatchRun) -> int:
    """Ends the leases of a run whose process is gone, so that the next run takes its items; returns how many."""
    held = StageResult.objects.filter(run=run, state=Status.PROCESSING)
    # Not its items any more either: the same run, taken up again, must not renew the leases of its dead self.
    return held.update(lease_expires_at=timezone.now() - timedelta(seconds=1), run=None)


def _chunks(ids: list[int]) -> Iterable[list[int]]:
    return (ids[start : start + INSERT_CHUNK] for start in range(0, len(ids), INSERT_CHUNK))
