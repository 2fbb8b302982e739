"""``manage.py bundle_models``: installed weights as one file, for machines without a network."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from album.exceptions import AlbumError
from album.inference.bundles import write_bundle
from album.inference.catalogue import CATALOGUE, find_entry
from album.inference.weights import installed


class Command(BaseCommand):
    help = "Writes installed weights, verified, into one tar that import_models reads on another machine."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("target", type=Path, help="the .tar to write")
        parser.add_argument("--model", action="append", metavar="ID", help="these; default: all that are installed")

    def handle(self, *args: Any, **options: Any) -> None:
        cache = settings.MODELS_CACHE_DIR
        try:
            entries = [find_entry(name) for name in options["model"] or ()]
            entries = entries or [entry for entry in CATALOGUE.values() if installed(entry, cache)]
            target = write_bundle(entries, cache, options["target"])
        except AlbumError as error:
            raise CommandError(str(error)) from error
        names = ", ".join(entry.id for entry in entries if entry.origin != "repository")
        self.stdout.write(f"{target}: {target.stat().st_size / 1e6:,.0f} MB with {names}")
