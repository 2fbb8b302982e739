"""``manage.py import_folder``: a folder of photos and videos into the album."""

from __future__ import annotations

import os
import signal
from argparse import ArgumentParser, ArgumentTypeError
from pathlib import Path
from threading import Event
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from album.disk import printable
from album.exceptions import AlbumError
from album.inference.hardware import detect_hardware
from album.services.folders import Folder
from album.services.imports import ImportOptions, ImportTotals, import_folder
from album.services.ingest import find_album
from album.services.verdicts import Outcome
from album.services.watching import watch_folder

LINES_SHOWN = 20


def positive(text: str) -> int:
    """The whole number, 1 or more."""
    if not text.isdecimal() or int(text) < 1:
        raise ArgumentTypeError(f"{text!r} is no whole number from 1 on")
    return int(text)


class Command(BaseCommand):
    requires_system_checks = ()  # they load every page: as much work as four photos
    help = (
        "Imports all photos and videos below PATH, with the sidecars beside them, and prepares their previews. "
        "What is known is skipped: run it again to go on or to import what is new. PATH is only read."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("path", type=Path, metavar="PATH", help="folder to read; it is not changed")
        parser.add_argument("--owner", metavar="NAME", help="account that will own the items; else the first admin")
        parser.add_argument(
            "--album", metavar="TITLE", help="album of that owner to put them into; made if missing"
        )
        parser.add_argument(
            "--albums-from-folders", action="store_true", help="an album for each folder, named as it is"
        )
        ways = parser.add_mutually_exclusive_group()
        ways.add_argument("--copy", action="store_true", help="copy the files into the storage (the default)")
        ways.add_argument("--in-place", action="store_true", help="leave them where they are and index them there")
        ways = parser.add_mutually_exclusive_group()
        ways.add_argument("--watch", action="store_true", help="go on with what is put there until it is ended")
        ways.add_argument("--dry-run", action="store_true", help="only say what would become of each file")
        parser.add_argument("--poll", action="store_true", help="with --watch: look every few seconds")
        parser.add_argument("--workers", type=positive, metavar="N", help="files decoded at once; else by hardware")
        parser.add_argument("--no-progress", action="store_true", help="no progress bar")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["poll"] and not options["watch"]:
            raise CommandError("--poll is a way to watch: add --watch, or leave --poll out.")
        self.limit = None if options["verbosity"] > 1 else LINES_SHOWN
        self.stop = Event()
        self.handlers = {number: signal.signal(number, self._stop) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            if options["watch"]:
                self._watch(self._read_options(options), options["poll"] or None)
            else:
                self._import(self._read_options(options), show_bar=not options["no_progress"])
        except AlbumError as error:
            raise CommandError(str(error)) from error
        finally:
            for number, handler in self.handlers.items():
                signal.signal(number, handler)

    def _stop(self, number: int, frame: object) -> None:
        """Ends after the file at hand; asked a second time, at once."""
        self.stop.set()
        signal.signal(number, self.handlers[signal.Signals(number)])

    def _read_options(self, options: dict[str, Any]) -> ImportOptions:
        owner = find_owner(options["owner"])
        is_dry_run = options["dry_run"]
        return ImportOptions(
            owner=owner,
            # Not resolved: where a link or a mount point leads may change, its name is what people chose.
            folder=Path(os.path.abspath(options["path"].expanduser())),  # noqa: PTH100
            album=find_album(owner, options["album"]) if options["album"] and not is_dry_run else None,
            is_in_place=options["in_place"],
            has_folder_albums=options["albums_from_folders"],
            is_dry_run=is_dry_run,
            workers=options["workers"] or max(1, detect_hardware().cores // 2),  # the others serve pages
            stop=self.stop,
        )

    def _import(self, options: ImportOptions, *, show_bar: bool) -> None:
        # disable=None: a bar on a terminal only
        with tqdm(unit="file", disable=None if show_bar and not options.is_dry_run else True) as bar:

            def advance(path: Path, words: str) -> None:
                if bar.total is None and not bar.disable:
                    bar.total = sum(1 for _ in Folder(options.folder))
                bar.update()
                if options.is_dry_run:
                    self.stdout.write(f"{printable(path.relative_to(options.folder))}: {words}")

            totals = import_folder(options, advance)
        self._report(totals, "new" if options.is_dry_run else "imported")
        if self.stop.is_set():
            raise CommandError("Ended before all was done. Run it again to go on.", returncode=130)

    def _watch(self, options: ImportOptions, force_polling: bool | None) -> None:
        def report(what: ImportTotals | str) -> None:
            if isinstance(what, str):
                self.stderr.write(what)
            else:
                self._report(what)

        watch_folder(options, report, force_polling=force_polling)

    def _report(self, totals: ImportTotals, taken: str = "imported") -> None:
        for title, lines in (
            ("not imported", totals.failed + totals.unsupported),
            ("left out", totals.left_out),
            ("no preview", totals.without_preview),
        ):
            for line in lines[: self.limit]:
                self.stderr.write(f"  {title}: {line}")
            if self.limit is not None and len(lines) > self.limit:
                self.stderr.write(f"  … and {len(lines) - self.limit} more; -v 2 lists all")
        counts = totals.counts
        parts = [f"{counts[Outcome.NEW]} {taken}", f"{counts[Outcome.KNOWN]} known already"]
        parts += [
            f"{counts[one]} {one}" for one in (Outcome.CHANGED, Outcome.MOVED, Outcome.IN_TRASH) if counts[one]
        ]
        parts += [f"{len(totals.unsupported)} no photo or video", f"{len(totals.failed)} failed"]
        self.stdout.write(f"{', '.join(parts)}.")
        if totals.gone:
            self.stdout.write(f"{totals.gone} files are gone; nothing was marked.")


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
