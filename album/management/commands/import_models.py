"""``manage.py import_models``: weights without a network, from a bundle or a folder."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from album.exceptions import AlbumError
from album.inference.bundles import import_weights


class Command(BaseCommand):
    help = "Installs weights from a bundle of bundle_models, or from a folder that holds files of the catalogue."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("source", type=Path, help="a .tar of bundle_models, or a folder")
        parser.add_argument("--model", action="append", metavar="ID", default=[], help="only these; repeatable")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            entries = import_weights(options["source"], settings.MODELS_CACHE_DIR, only=options["model"])
        except AlbumError as error:
            raise CommandError(str(error)) from error
        for entry in entries:
            self.stdout.write(f"{entry.id} is installed (licence {entry.licence.spdx})")
