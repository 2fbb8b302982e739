"""``manage.py fsck``: compares rows, files and hashes. Exit code 1: there are findings, 2: it could not check."""

from __future__ import annotations

import os
import re
from argparse import ArgumentParser, ArgumentTypeError
from contextlib import suppress
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db.models import Sum
from django.template.defaultfilters import filesizeformat
from tqdm import tqdm

from album.exceptions import AlbumError
from album.management.commands.import_folder import find_owner
from album.services.fsck import FsckOptions, FsckReport, check_library, due_items
from album.services.polite import polite

LINES_SHOWN = 20


def duration(text: str) -> timedelta:
    """``90s``, ``20m``, ``1h`` or ``1h30m``."""
    parts = re.fullmatch(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?", text)
    if not text or parts is None:
        raise ArgumentTypeError(f"{text!r} is no duration such as 90s, 20m or 1h30m")
    hours, minutes, seconds = (int(part or 0) for part in parts.groups())
    return timedelta(hours=hours, minutes=minutes, seconds=seconds)


class Command(BaseCommand):
    help = (
        "Reads all originals and compares them with what came in. Makes missing previews, and items of originals "
        "that have none. Deletes nothing."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--incremental", action="store_true", help="skip what was read within 30 days")
        parser.add_argument(
            "--time-limit", type=duration, metavar="1h", help="stop after so long; the next run goes on"
        )
        parser.add_argument(
            "--owner", metavar="NAME", help="who gets originals without an item; else the first admin"
        )
        parser.add_argument(
            "--no-repair-renditions",
            dest="repair_renditions",
            action="store_false",
            help="list missing previews, make none",
        )
        parser.add_argument("--no-progress", action="store_true", help="no progress bar")

    def handle(self, *args: Any, **options: Any) -> None:
        wanted = FsckOptions(
            is_incremental=options["incremental"],
            time_limit=options["time_limit"],
            repairs_renditions=options["repair_renditions"],
            owner=find_owner(options["owner"]) if options["owner"] else None,
        )
        with suppress(OSError):
            os.nice(10)
        due = due_items(is_incremental=wanted.is_incremental).order_by()
        size_bytes = due.aggregate(total=Sum("size_bytes"))["total"]
        try:
            # disable=None: a bar on a terminal only
            with (
                polite(),
                tqdm(total=size_bytes, unit="B", unit_scale=True, disable=options["no_progress"] or None) as bar,
            ):
                report = check_library(wanted, progress=bar.update)
        except AlbumError as error:
            raise CommandError(str(error), returncode=2) from error
        self._print(report, None if options["verbosity"] > 1 else LINES_SHOWN)
        if report.findings:
            raise CommandError(f"{len(report.findings)} findings, see above. Nothing was deleted.", returncode=1)

    def _print(self, report: FsckReport, limit: int | None) -> None:
        for stream, lines in ((self.stdout, report.mended), (self.stderr, report.findings)):
            for line in lines[:limit]:
                stream.write(f"  {line}")
            if limit is not None and len(lines) > limit:
                stream.write(f"  … and {len(lines) - limit} more; -v 2 lists all")
        self.stdout.write(
            f"{report.checked} originals read ({filesizeformat(report.size_bytes)}), {len(report.mended)} mended, "
            f"{len(report.findings)} findings."
        )
        if not report.is_complete:
            self.stdout.write("The time was over before the end; the next incremental run goes on from here.")
