"""One stage of one run: claim, decode ahead, infer together, record each."""

from __future__ import annotations

import logging
import os
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextvars import copy_context
from dataclasses import dataclass
from functools import partial

from django.conf import settings
from django.db import connection

from album.batches.decoding import DecodeAhead
from album.batches.ledger import Claim, Claimer, abandon
from album.batches.options import BatchOptions, Budget, StopReason
from album.batches.progress import Progress
from album.batches.recording import Recorder
from album.batches.watchdog import time_limit
from album.exceptions import (
    AlbumError,
    InferenceCancelled,
    InferenceError,
    InferenceOutOfMemory,
    MediaError,
    NotEnoughMemory,
    StorageError,
    WeightsError,
)
from album.failpoints import failpoint
from album.inference.merging import merge_analyses
from album.inference.results import Analysis, Analyzer, Frame, WeightsRef
from album.media.sandbox import SandboxUnavailable
from album.models import Stage
from album.models.media import Kind
from album.preparation.originals import OriginalAway

logger = logging.getLogger(__name__)

EXIT_HANGING = 75
"""Exit status of a process whose network hung: start it again (EX_TEMPFAIL of sysexits.h)."""
MAX_ITEMS_WITHOUT_MEMORY = 3
"""After so many items in a row that did not fit even alone, memory is the machine's trouble, not theirs."""


@dataclass(frozen=True, slots=True)
class StageWork:
    """A stage and the weights that can do it, best first; the next are tried when memory runs out."""

    stage: Stage
    choices: tuple[tuple[WeightsRef, Callable[[], Analyzer]], ...]
    decode_threads: int = 1
    min_side_px: int = 512

    @property
    def weights(self) -> WeightsRef:
        return self.choices[0][0]


def weights_of(works: Sequence[StageWork]) -> dict[Stage, tuple[str, str]]:
    """Per stage, the id and revision of the weights it will use: what the ledger compares results with."""
    return {work.stage: (work.weights.id, work.weights.revision) for work in works}


@dataclass(slots=True)
class Ready:
    """A claimed item with its pictures."""

    claim: Claim
    frames: list[Frame]


class OutOfChoices(AlbumError):
    """Not even the smallest weights fit into memory."""


class StageLoop:
    """Runs a stage to its end or to the end of the budget. The analyzer is opened once, closed by ``close``."""

    def __init__(self, work: StageWork, options: BatchOptions, claimer: Claimer, progress: Progress) -> None:
        self.work, self.options, self.claimer, self.progress = work, options, claimer, progress
        self.recorder = Recorder(claimer.run, work.stage)
        self._untried = deque(work.choices)
        self.analyzer: Analyzer
        self._open_next()
        self._queue: deque[tuple[Claim, Future[list[Frame]]]] = deque()
        self._without_memory = 0

    def _open_next(self) -> None:
        """Opens the best weights not tried yet; whatever does not fit is passed over."""
        while self._untried:
            weights, open_analyzer = self._untried.popleft()
            try:
                self.analyzer = open_analyzer()
            except (InferenceOutOfMemory, NotEnoughMemory) as error:
                self.progress.listener.note(f"{weights.id} does not fit into memory: {error}")
                continue
            self.micro_batch = max(1, self.analyzer.micro_batch >> self.claimer.run.restarts)
            hold_s = self.options.item_timeout_s * (2 * self.micro_batch + 1)
            self.claimer.lease_s = max(float(settings.AI_LEASE_SECONDS), hold_s)
            return
        raise OutOfChoices("the smallest weights for this stage do not fit into the free memory")

    def close(self) -> None:
        self.analyzer.close()

    def run(self, decoder: DecodeAhead, budget: Budget) -> StopReason | None:
        """Why the run has to end, or None when the stage has nothing left to do."""
        try:
            reason = self._work_through(decoder, budget)
        except StorageError as error:
            self.claimer.run.message = str(error)
            reason = StopReason.STORAGE
        except (OutOfChoices, SandboxUnavailable) as error:
            self.claimer.run.message = str(error)
            reason = StopReason.MEMORY
        except (WeightsError, KeyboardInterrupt):  # no fault of the items at hand
            self.claimer.release_all()
            raise
        self.claimer.release_all()
        return reason

    def _work_through(self, decoder: DecodeAhead, budget: Budget) -> StopReason | None:
        while (reason := budget.stop_reason()) is None:
            self._fill(decoder)
            if not self._queue:
                return None
            if ready := self._next_ready(decoder):
                self._infer(ready)
            self.claimer.renew()
            self.progress.beat()
        return reason

    def _fill(self, decoder: DecodeAhead) -> None:
        """Claims and starts decoding until two micro-batches are under way; of videos, whose frames add up, two."""
        ahead = 2 if self.options.kind == Kind.VIDEO else 2 * self.micro_batch
        if len(self._queue) > ahead // 2 or (self._queue and self._queue[0][0].is_suspect):
            return
        while len(self._queue) < ahead:
            claims = self.claimer.claim(ahead - len(self._queue), with_suspects=not self._queue)
            failpoint("claim")
            if not claims:
                return
            if claims[0].attempts > settings.AI_MAX_ATTEMPTS:  # before its decoder can kill one more process
                self._fail(claims[0], f"the analysis ended abruptly at this item {claims[0].attempts - 1} times")
                continue
            for claim in claims:
                self._queue.append((claim, decoder.submit(claim.item)))
                self.claimer.renew()  # its preview may have been made, in up to twice the time limit
            if claims[0].is_suspect:
                return

    def _next_ready(self, decoder: DecodeAhead) -> list[Ready]:
        ready: list[Ready] = []
        while self._queue and len(ready) < self.micro_batch:
            claim, future = self._queue[0]
            try:
                frames = future.result(self.options.item_timeout_s)
            except TimeoutError:
                decoder.replace_lost_thread()
                self._fail(claim, f"reading the file took longer than {self.options.item_timeout_s:g} s")
            except OriginalAway as error:
                logger.warning("item %s waits: %s", claim.item.pk, error, extra={"media_id": claim.item.pk})
                self.claimer.pass_over(claim)
            except MediaError as error:
                self._fail(claim, str(error))
            except (StorageError, SandboxUnavailable):
                raise
            except Exception as error:
                logger.exception("item %s cannot be decoded", claim.item.pk, extra={"media_id": claim.item.pk})
                self._fail(claim, f"the file cannot be decoded: {error!r}")
            else:
                ready.append(Ready(claim, frames))
            self._queue.popleft()
        return ready

    def _infer(self, ready: list[Ready]) -> None:
        """Analyzes together what fits together; after trouble, one by one, to find the item that makes it."""
        started = time.monotonic()
        try:
            analyses = self._analyze(ready)
        except InferenceOutOfMemory as error:
            self._shrink(ready, error)
        except WeightsError:
            raise
        except Exception as error:  # noqa: BLE001 - one bad item never ends a run; logged in _words
            if len(ready) > 1:
                for one in ready:
                    self._infer([one])
            else:
                self._fail(ready[0].claim, self._words(error, ready[0].claim))
        else:
            self._without_memory = 0
            each_s = (time.monotonic() - started) / len(ready)
            for one, analysis in zip(ready, analyses, strict=True):
                status = self.recorder.completed(one.claim, analysis, self.analyzer.weights, each_s)
                self.progress.item_done(one.claim.item, status, analysis)
            self.claimer.renew()

    def _analyze(self, ready: list[Ready]) -> list[Analysis]:
        frames = [frame for one in ready for frame in one.frames]
        parts: list[Analysis] = []
        limit_s = self.options.item_timeout_s * len(ready)
        context = copy_context()  # the watchdog's thread, too, says which batch it is
        give_up = partial(context.run, self._give_up, ready)
        with time_limit(limit_s, cancel=self.analyzer.cancel, give_up=give_up):
            for start in range(0, len(frames), self.micro_batch):
                parts += self.analyzer.analyze(frames[start : start + self.micro_batch])
        failpoint("model")
        analyses, position = [], 0
        for one in ready:
            analyses.append(merge_analyses(parts[position : position + len(one.frames)]))
            position += len(one.frames)
        return analyses

    def _words(self, error: Exception, claim: Claim) -> str:
        if isinstance(error, InferenceCancelled):
            return f"the analysis took longer than {self.options.item_timeout_s:g} s"
        if not isinstance(error, InferenceError):
            about = {"media_id": claim.item.pk}
            logger.error("item %s failed in %s", claim.item.pk, self.work.stage, exc_info=error, extra=about)
        return (
            f"the analysis failed: {error}" if isinstance(error, AlbumError) else f"the analysis failed: {error!r}"
        )

    def _shrink(self, ready: list[Ready], error: InferenceOutOfMemory) -> None:
        """Smaller micro-batch, then smaller weights, then failed."""
        if self.micro_batch > 1:
            self.micro_batch //= 2
            self.progress.listener.note(f"out of memory: going on with {self.micro_batch} at a time")
        elif self._untried:
            self.analyzer.close()
            self._open_next()
            self.progress.listener.note(f"out of memory: going on with {self.analyzer.weights.id}")
        else:
            self._fail(ready[0].claim, f"not enough memory for this item: {error}")
            self._without_memory += 1
            if self._without_memory >= MAX_ITEMS_WITHOUT_MEMORY:
                raise OutOfChoices(str(error)) from error
            return
        while ready:
            part, ready = ready[: self.micro_batch], ready[self.micro_batch :]
            self._infer(part)

    def _fail(self, claim: Claim, error: str) -> None:
        status = self.recorder.failed(claim, error)
        self.claimer.renew()
        self.progress.item_done(claim.item, status, error)

    def _give_up(self, ready: list[Ready]) -> None:
        """Called from the watchdog's thread when the network did not come back: leaves the process."""
        try:
            logger.critical("the network hangs: leaving the process, start the batch again")
            if len(ready) == 1:
                self._fail(ready[0].claim, f"the analysis hung for more than {self.options.item_timeout_s:g} s")
            # Whoever is left behind is taken alone by the next process, which so finds the one that hangs.
            abandon(self.claimer.run)
            connection.close()
        finally:  # whatever the database says: the lease ends by itself, a hanging process does not
            os._exit(EXIT_HANGING)
