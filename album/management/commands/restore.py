"""``manage.py restore``: exit code 1: refused or failed, with the reason; the database is as it was."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import connection
from django.template.defaultfilters import filesizeformat
from tqdm import tqdm

from album.exceptions import AlbumError, BackupError
from album.services.backup.child import run_manage, settings_below
from album.services.backup.restore import restore_backup
from album.services.backup.shelf import Backup, find_backup, verify_backup
from album.services.backup.transfer import Progress


class Command(BaseCommand):
    help = (
        "Puts a backup in the place of this library, after all of it was read and found whole. "
        "Stop the album first. Over a library that is here already only with --force; its database is kept."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("folder", type=Path, help="a backup, or the folder of all: then the newest full one")
        parser.add_argument("--verify-only", action="store_true", help="read all of it, change nothing")
        parser.add_argument("--into", type=Path, metavar="FOLDER", help="make a library there, beside this one")
        parser.add_argument("--force", action="store_true", help="although there is a library here already")
        parser.add_argument("--with-secrets", action="store_true", help="also secret_key")
        parser.add_argument("--no-progress", action="store_true", help="no progress bar")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            backup = find_backup(options["folder"])
            # disable=None: a bar on a terminal only
            with tqdm(unit="B", unit_scale=True, disable=options["no_progress"] or None) as bar:
                if options["verify_only"]:
                    manifest = verify_backup(backup, progress=bar.update)
                    size = filesizeformat(manifest.size_bytes)
                    words = f"whole: the database and {len(manifest.entries):,} files, {size}."
                elif options["into"]:
                    words = _restore_into(options["into"].absolute(), backup, options)
                else:
                    words = _restore_here(backup, options, bar.update)
        except AlbumError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{backup.folder}: {words}")


def _restore_here(backup: Backup, options: dict[str, Any], progress: Progress) -> str:
    report = restore_backup(
        backup, is_forced=options["force"], with_secrets=options["with_secrets"], progress=progress
    )
    words = (
        f"restored, {report.header.made_at[:16]}: {report.files:,} files, of which {report.brought:,} were missing."
    )
    if report.restore_point:
        words += f"\nThe state before: {report.restore_point}"
    return f"{words}\nStart the album. manage.py fsck makes missing previews, and items of photos that came later."


def _restore_into(folder: Path, backup: Backup, options: dict[str, Any]) -> str:
    if connection.vendor != "sqlite":
        raise BackupError(
            "--into needs a database, too. Name an empty one instead: PHOTO_ALBUM_VAR_DIR=FOLDER "
            f"MEDIA_ROOT=FOLDER/media DATABASE_URL=postgres://… manage.py restore {backup.folder}"
        )
    flags = [flag for flag in ("--force", "--with-secrets") if options[flag.strip("-").replace("-", "_")]]
    folder.mkdir(mode=0o750, parents=True, exist_ok=True)
    wanted = ["restore", str(backup.folder), "--no-progress", *flags]
    return run_manage(*wanted, failure=f"{folder} was not made", **settings_below(folder)).partition(": ")[2]
