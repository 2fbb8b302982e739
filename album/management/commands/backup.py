"""``manage.py backup``: exit code 1: made, but there are findings; 2: there is no new backup."""

from __future__ import annotations

import os
from argparse import ArgumentParser, ArgumentTypeError
from contextlib import suppress
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.template.defaultfilters import filesizeformat
from tqdm import tqdm

from album.exceptions import AlbumError
from album.services.backup.collect import BackupReport
from album.services.backup.make import FULL_FOLDERS, BackupOptions, make_backup
from album.services.polite import polite

LINES_SHOWN = 20


def count(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise ArgumentTypeError(f"{text!r} is no number of backups, 1 or more")
    return int(text)


class Command(BaseCommand):
    help = "Adds a backup to a folder: the database, then all originals and sidecars that no earlier one there has."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("folder", nargs="?", type=Path, help="where backups lie; else BACKUP_DIR")
        files = parser.add_mutually_exclusive_group()
        files.add_argument("--database-only", action="store_true", help="no originals, no sidecars")
        files.add_argument("--reread", action="store_true", help="bring again what is damaged in the folder")
        parser.add_argument("--keep", type=count, metavar="N", help="remove those of this kind before the last N")
        parser.add_argument("--with-secrets", action="store_true", help="also secret_key and .env")
        parser.add_argument("--new", action="store_true", help="begin anew in a folder that is empty now")
        parser.add_argument("--no-progress", action="store_true", help="no progress bar")

    def handle(self, *args: Any, **options: Any) -> None:
        wanted = BackupOptions(
            folders=() if options["database_only"] else FULL_FOLDERS,
            with_secrets=options["with_secrets"],
            keep=options["keep"],
            rereads=options["reread"],
            is_new_place=options["new"],
        )
        with suppress(OSError):
            os.nice(10)
        try:
            # disable=None: a bar on a terminal only
            with polite(), tqdm(unit="B", unit_scale=True, disable=options["no_progress"] or None) as bar:
                report = make_backup(options["folder"] or settings.BACKUP_DIR, wanted, progress=bar.update)
        except AlbumError as error:
            raise CommandError(str(error), returncode=2) from error
        self._print(report)
        if report.findings:
            raise CommandError(
                f"The backup is made, with {len(report.findings)} findings: see above.", returncode=1
            )

    def _print(self, report: BackupReport) -> None:
        for line in report.findings[:LINES_SHOWN]:
            self.stderr.write(f"  {line}")
        if len(report.findings) > LINES_SHOWN:
            self.stderr.write(f"  … and {len(report.findings) - LINES_SHOWN} more; fsck lists all")
        removed = f", {report.removed} older ones removed" if report.removed else ""
        self.stdout.write(
            f"{report.folder}: the database and {report.files:,} files, {filesizeformat(report.size_bytes)}; "
            f"new of it: {report.new_files:,} files, {filesizeformat(report.new_bytes)}{removed}."
        )
