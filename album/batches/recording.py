"""Writing what a stage found: each item in its own short transaction, machine columns only."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from django.db import IntegrityError, transaction
from django.utils import timezone

from album.batches.ledger import Claim
from album.failpoints import failpoint
from album.inference.results import Analysis, Tag, TagSource, WeightsRef
from album.models import BatchRun, Embedding, ItemTag, MediaItem, Stage, StageResult, Status
from album.models import Tag as TagRow

MACHINE_SOURCES = {
    Stage.EMBED: (TagSource.ZERO_SHOT,),
    Stage.CAPTION: (TagSource.CAPTION, TagSource.DETECTOR, TagSource.CLASSIFIER, TagSource.BUILT_IN),
}


class Recorder:
    """Stores results of one run in one stage. A result counts only while the run still holds the item."""

    def __init__(self, run: BatchRun, stage: Stage) -> None:
        self.run, self.stage = run, stage
        self._tag_ids: dict[str, int] = {}

    def completed(self, claim: Claim, analysis: Analysis, weights: WeightsRef, duration_s: float) -> Status | None:
        """The item's status after storing the analysis; None when another run has taken the item over."""
        try:
            return self._complete(claim, analysis, weights, duration_s)
        except IntegrityError:  # somebody has deleted a tag since its id was read
            self._tag_ids.clear()
            return self._complete(claim, analysis, weights, duration_s)

    def _complete(self, claim: Claim, analysis: Analysis, weights: WeightsRef, duration_s: float) -> Status | None:
        tag_ids = self._ids_of(tag.name for tag in analysis.tags)
        failpoint("write")
        with transaction.atomic():
            values = {"weights": weights.id, "revision": weights.revision, "duration_s": duration_s}
            if not self._close(claim, Status.COMPLETED, error="", **values):
                return None
            columns: dict[str, object] = {}
            if self.stage == Stage.CAPTION:
                columns["ai_description"] = analysis.description or ""
                columns["ai_description_score"] = analysis.description_score
                columns["ai_weights"] = weights.id
            self._write_tags(claim.item.pk, analysis.tags, tag_ids)
            if analysis.embedding is not None:
                self._write_embedding(claim.item.pk, analysis, weights)
            status = self._set_status(claim, columns)
            failpoint("commit")
        return status

    def failed(self, claim: Claim, error: str) -> Status | None:
        """The item's status after noting, in words, why it failed; None when another run holds it."""
        with transaction.atomic():
            if not self._close(claim, Status.FAILED, error=error):
                return None
            return self._set_status(claim, {})

    def _close(self, claim: Claim, state: Status, **values: object) -> bool:
        held = StageResult.objects.filter(pk=claim.result_id, run=self.run, state=Status.PROCESSING)
        return bool(held.update(state=state, lease_expires_at=None, updated_at=timezone.now(), **values))

    def _set_status(self, claim: Claim, columns: dict[str, object]) -> Status:
        states = set(StageResult.objects.filter(item=claim.item).values_list("state", flat=True))
        status = Status.COMPLETED
        if Status.FAILED in states:
            status = Status.FAILED
        elif states != {Status.COMPLETED}:
            status = Status.PENDING
        if status == Status.COMPLETED:
            columns["processed_at"] = timezone.now()
        MediaItem.objects.filter(pk=claim.item.pk).update(processing_status=status, **columns)
        return status

    def _ids_of(self, names: Iterable[str]) -> dict[str, int]:
        wanted = set(names)
        if unknown := wanted - self._tag_ids.keys():
            TagRow.objects.bulk_create([TagRow(name=name) for name in sorted(unknown)], ignore_conflicts=True)
            self._tag_ids.update(TagRow.objects.filter(name__in=unknown).values_list("name", "pk"))
        return {name: self._tag_ids[name] for name in wanted}

    def _write_tags(self, item_id: int, tags: tuple[Tag, ...], tag_ids: dict[str, int]) -> None:
        tagged = ItemTag.objects.filter(item=item_id)
        had = list(tagged.values_list("source", "tag"))
        if any(source in MACHINE_SOURCES[self.stage] for source, _ in had):
            tagged.filter(source__in=MACHINE_SOURCES[self.stage]).delete()
        removed = {tag for source, tag in had if source == ItemTag.Source.REMOVED}
        best = {(tag.name, tag.source): tag for tag in sorted(tags, key=lambda tag: tag.score)}
        ItemTag.objects.bulk_create(
            ItemTag(item_id=item_id, tag_id=tag_ids[tag.name], source=tag.source.value, score=tag.score)
            for tag in best.values()
            if tag_ids[tag.name] not in removed
        )

    def _write_embedding(self, item_id: int, analysis: Analysis, weights: WeightsRef) -> None:
        vector = np.asarray(analysis.embedding, "<f2").tobytes()
        Embedding.objects.bulk_create(
            [Embedding(item_id=item_id, weights=weights.id, revision=weights.revision, vector=vector)],
            update_conflicts=True,
            unique_fields=["item", "weights"],
            update_fields=["revision", "vector"],
        )
