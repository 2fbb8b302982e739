"""Copies a folder of photos and videos into the album, as pending items."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from album.exceptions import AlbumError
from album.models import Album
from album.services.imports import ImportTotals, import_folder, list_files

REASONS_SHOWN = 20


class Command(BaseCommand):
    help = "Imports all photos and videos below PATH as pending items. Files that are known already are skipped."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("path", type=Path, metavar="PATH", help="folder to read; it is not changed")
        parser.add_argument("--owner", metavar="NAME", help="account that will own the items; else the first admin")
        parser.add_argument(
            "--album", metavar="TITLE", help="album of that owner to put them into; made if missing"
        )
        parser.add_argument("--no-progress", action="store_true", help="no progress bar")

    def handle(self, *args: Any, **options: Any) -> None:
        owner = find_owner(options["owner"])
        album = None
        if options["album"]:
            album = Album.objects.filter(owner=owner, title=options["album"]).first()
            album = album or Album.objects.create(owner=owner, title=options["album"])
        folder = options["path"].expanduser()
        try:
            count = sum(1 for _ in list_files(folder))
            # disable=None: a bar on a terminal only
            with tqdm(total=count, unit="file", disable=options["no_progress"] or None) as bar:

                def advance(path: Path, totals: ImportTotals) -> None:
                    bar.update()

                totals = import_folder(owner=owner, folder=folder, album=album, progress=advance)
        except AlbumError as error:
            raise CommandError(str(error)) from error
        self._report(totals, None if options["verbosity"] > 1 else REASONS_SHOWN)

    def _report(self, totals: ImportTotals, limit: int | None) -> None:
        reasons = totals.failed + totals.unsupported
        for reason in reasons[:limit]:
            self.stderr.write(f"  not imported: {reason}")
        if limit is not None and len(reasons) > limit:
            self.stderr.write(f"  … and {len(reasons) - limit} more; -v 2 lists all")
        self.stdout.write(
            f"{totals.imported} imported, {totals.known} known already, "
            f"{len(totals.unsupported)} no photo or video, {len(totals.failed)} failed."
        )


def find_owner(name: str | None) -> User:
    """The account called ``name``, or the first active site admin."""
    if name:
        owner = User.objects.filter(username=name).first()
        if owner is None:
            raise CommandError(f"There is no account {name!r}. Make it at /admin/auth/user/add/.")
        return owner
    owner = User.objects.filter(is_superuser=True, is_active=True).order_by("pk").first()
    if owner is None:
        raise CommandError("There is no admin account yet. Run: manage.py create_first_admin")
    return owner
