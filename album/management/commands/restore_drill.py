"""``manage.py restore_drill``: exit code 1: this backup cannot be restored, with the reason."""

from __future__ import annotations

import json
from argparse import SUPPRESS, ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from album.exceptions import AlbumError
from album.services.backup.drill import SAMPLE, open_library, run_drill
from album.services.polite import polite


class Command(BaseCommand):
    help = "Restores the newest backup beside the library, opens it, tells how that went, and removes it again."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("folder", nargs="?", type=Path, help="a backup, or the folder of all; else BACKUP_DIR")
        parser.add_argument("--scratch", type=Path, metavar="FOLDER", help="where to; else beside the backups")
        parser.add_argument("--sample", type=int, default=SAMPLE, help="how many originals the album opens")
        parser.add_argument("--open", type=int, metavar="N", help=SUPPRESS)  # what runs in the restored library

    def handle(self, *args: Any, **options: Any) -> None:
        if options["open"] is not None:
            self.stdout.write(json.dumps(open_library(options["open"])))
            return
        try:
            with polite():
                report = run_drill(
                    options["folder"] or settings.BACKUP_DIR, scratch=options["scratch"], sample=options["sample"]
                )
        except AlbumError as error:
            raise CommandError(f"The drill failed: {error}") from error
        self.stdout.write(f"{report.backup.folder}")
        for step, result, seconds in report.steps:
            self.stdout.write(f"  {step:<10}{seconds:>7.1f} s  {result}")
        self.stdout.write("It can be restored. Nothing of the drill was kept.")
