"""What ``analyze_photos`` and ``analyze_videos`` share: arguments in, totals out."""

from __future__ import annotations

import argparse
import logging
import math
import os
from argparse import ArgumentParser
from collections.abc import Sequence
from contextlib import nullcontext, suppress
from datetime import time
from pathlib import Path
from typing import Any

import psutil
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from album.batches.ledger import drop_stages
from album.batches.options import BatchOptions, Redo
from album.batches.planning import Machine, forecast, inspect_machine, options_of, with_item_costs
from album.batches.run import run_batch
from album.batches.run_state import BatchTotals, end_run
from album.exceptions import AlbumError
from album.inference.results import Analysis
from album.models import Album, BatchRun, MediaItem, Stage
from album.models.media import Kind

logger = logging.getLogger(__name__)
OOM_SCORE = 600
"""The batch is what the kernel should end first when memory runs out: its items just go back to the queue."""


class AnalyzeCommand(BaseCommand):
    """Describes, tags and embeds what is pending; subclasses say of which kind."""

    kind: Kind

    def add_arguments(self, parser: ArgumentParser) -> None:
        things = f"{self.kind}s"
        parser.add_argument("--all", action="store_true", help=f"all {things} without a result of today's weights")
        parser.add_argument("--force", action="store_true", help=f"with or without --all: finished {things} again")
        parser.add_argument("--album", help="only this album: its number or title")
        parser.add_argument("--limit", type=_whole_number, help=f"at most so many {things}")
        parser.add_argument("--max-minutes", type=_minutes, help="stop at an item boundary after so many minutes")
        parser.add_argument("--until", type=_clock, metavar="HH:MM", help="stop when local clocks show this time")
        parser.add_argument("--stage", action="append", choices=Stage.values, help="only this stage; repeatable")
        parser.add_argument("--weights", action="append", metavar="ID", help="use these weights; repeatable")
        parser.add_argument("--plan", action="store_true", help="say what would be done, and do nothing")
        parser.add_argument("--no-progress", action="store_true", help="no progress bar, one line at the end")
        parser.add_argument("--run", type=int, help=argparse.SUPPRESS)

    def handle(self, *args: Any, **options: Any) -> None:
        if options["run"] is not None:
            self._work_on(_existing_run(options["run"], self.kind))
            return
        try:
            machine = inspect_machine(options["weights"])
            bounds = self._bounds(machine, options)
            if options["plan"]:
                self._print_plan(machine, bounds)
                return
            run = BatchRun(
                kind=self.kind,
                trigger=BatchRun.Trigger.COMMAND,
                album_id=bounds.album_id,
                item_limit=bounds.limit,
                is_forced=options["force"],
            )
            totals = self._run(machine, run, bounds, show_progress=not options["no_progress"])
            _remove_idle_before(run)
            self.stdout.write(self._sentence(run, totals))
        except AlbumError as error:
            raise CommandError(str(error)) from error

    def _bounds(self, machine: Machine, options: dict[str, Any]) -> BatchOptions:
        redo = Redo.EVERYTHING if options["force"] else Redo.OUTDATED if options["all"] else Redo.NOTHING
        bounds = BatchOptions(
            kind=self.kind,
            album_id=_album_id(options["album"]),
            limit=options["limit"],
            max_minutes=options["max_minutes"],
            until=options["until"],
            stages=tuple(map(Stage, options["stage"])) if options["stage"] else None,
            redo=redo,
        )
        return with_item_costs(bounds, machine.profile)

    def _work_on(self, run: BatchRun) -> None:
        """The child of a Celery task: polite to everyone else on the machine, its refusals kept in the row."""
        try:
            machine = inspect_machine()
        except AlbumError as error:
            end_run(run, BatchRun.State.REFUSED, BatchRun.StopReason.WEIGHTS, str(error))
            raise CommandError(str(error)) from error
        # A sandbox may refuse any of these; politeness is no reason not to work.
        with suppress(OSError):
            os.nice(10)
        with suppress(OSError):
            Path("/proc/self/oom_score_adj").write_text(str(OOM_SCORE), encoding="ascii")
        with suppress(OSError, psutil.Error):
            psutil.Process().ionice(psutil.IOPRIO_CLASS_IDLE)
        self._run(machine, run, options_of(run, machine.profile, timezone.now()), show_progress=False)

    def _run(self, machine: Machine, run: BatchRun, bounds: BatchOptions, *, show_progress: bool) -> BatchTotals:
        run.profile = machine.profile.name
        works = machine.works(bounds.stages)
        if run.pk is not None:
            for reason in machine.plan.reasons:
                logger.info("batch %s: %s", run.pk, reason, extra={"batch_run": run.pk})
        drop_stages(bounds, machine.given_up)
        terminal = Terminal(self, machine.plan.reasons if show_progress else None)
        # Only where there is a bar: it would say each line once more, without its fields.
        redirected = logging_redirect_tqdm([logging.getLogger()]) if show_progress else nullcontext()
        try:
            with redirected:
                return run_batch(run, bounds, works, terminal, machine.needed)
        finally:
            terminal.close()

    def _sentence(self, run: BatchRun, totals: BatchTotals) -> str:
        label = BatchRun.StopReason(totals.stop_reason).label
        things = self.kind if totals.completed == 1 else f"{self.kind}s"
        message = f" {totals.message}" if totals.message else ""
        return (
            f"Batch {run.pk}: {totals.completed} {things} described, {totals.failed} failed, "
            f"{totals.remaining} still pending. {label}.{message}"
        )

    def _print_plan(self, machine: Machine, bounds: BatchOptions) -> None:
        for reason in machine.plan.reasons:
            self.stdout.write(reason)
        for each in forecast(bounds, machine.works(bounds.stages)):
            cost = "unknown: nothing was measured yet"
            if each.each_s is not None and each.total_s is not None:
                cost = f"{each.each_s:.2f} s each, {each.total_s / 60:.1f} minutes in all"
            self.stdout.write(f"{each.stage}: {each.waiting} {self.kind}s with {each.weights}; {cost}")


class Terminal:
    """Progress for a person: a bar, and each description as it comes."""

    def __init__(self, command: BaseCommand, reasons: Sequence[str] | None) -> None:
        """``reasons`` are said when there is something to do; None: nobody looks, so only notes are passed on."""
        self.command, self.reasons = command, reasons
        self._bar: tqdm[Any] | None = None

    def stage_started(self, stage: Stage, total: int, weights: str) -> None:
        self.close()
        if self.reasons is not None:
            for reason in self.reasons:
                self.command.stdout.write(reason)
            self.reasons = ()
            label = f"{stage.label} ({weights})"
            self._bar = tqdm(total=total, desc=label, unit="item", disable=None)  # None: no bar in a file or pipe

    def item_done(self, item: MediaItem, stage: Stage, outcome: Analysis | str) -> None:
        if self._bar is None:
            if isinstance(outcome, str):
                about = {"media_id": item.pk}
                logger.warning("item %s failed in %s: %s", item.pk, stage, outcome, extra=about)
            return
        self._bar.update()
        if isinstance(outcome, str):
            self._bar.write(f"{item.original_name}: failed: {outcome}")
        elif stage == Stage.CAPTION:
            names = item.item_tags.select_related("tag").values_list("tag__name", flat=True)
            tags = ", ".join(sorted(set(names)))
            self._bar.write(f"{item.original_name}: {outcome.description or 'no description'} [{tags}]")

    def note(self, message: str) -> None:
        if self.reasons is None:
            logger.warning("%s", message)
        else:
            self.command.stderr.write(message)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def _existing_run(run_id: int, kind: Kind) -> BatchRun:
    run = BatchRun.objects.filter(pk=run_id, kind=kind).first()
    if run is None:
        raise CommandError(f"there is no batch {run_id} for {kind}s")
    return run


def _remove_idle_before(run: BatchRun) -> None:
    """Earlier commands that had nothing to do: no litter of every start of scripts/run, but the last end stays."""
    idle = BatchRun.objects.filter(BatchRun.IDLE, trigger=BatchRun.Trigger.COMMAND, stage_results=None)
    idle.filter(kind=run.kind, pk__lt=run.pk).delete()


def _album_id(name: str | None) -> int | None:
    if name is None:
        return None
    by_id = Album.objects.filter(pk=int(name)) if name.isdecimal() else Album.objects.none()
    albums = by_id or Album.objects.filter(title=name)
    if len(albums) != 1:
        found = "no album" if not albums else "several albums"
        raise AlbumError(f"--album {name}: {found} of that number or title")
    return albums[0].pk


def _whole_number(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of 1 or more")
    return int(text)


def _minutes(text: str) -> float:
    try:
        minutes = float(text)
    except ValueError:
        minutes = math.nan
    if not 0 < minutes < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of minutes above 0")
    return minutes


def _clock(text: str) -> time:
    try:
        return time.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time like 06:30") from None
