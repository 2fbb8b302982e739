"""``manage.py export_models``: ONNX and int8 weights made from others, with a report of how near they come."""

from __future__ import annotations

from argparse import ArgumentParser
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from album.exceptions import AlbumError
from album.inference.catalogue import CATALOGUE, find_entry
from album.inference.conversions import convert

DERIVED = [entry.id for entry in CATALOGUE.values() if entry.derived_from]


class Command(BaseCommand):
    help = f"Makes {', '.join(DERIVED)} from the weights they derive from; needs requirements-torch.txt and 3 GB."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--model", required=True, choices=DERIVED, help="what to make")
        parser.add_argument("--source", type=Path, help="a folder to start from; default: the installed source")

    def handle(self, *args: Any, **options: Any) -> None:
        entry = find_entry(options["model"])
        try:
            report = convert(entry, settings.MODELS_CACHE_DIR, options["source"])
        except AlbumError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{entry.id} is installed. Against {entry.derived_from}:")
        for name, value in asdict(report).items():
            shown = f"{value:.5g}" if isinstance(value, float) else str(value)
            self.stdout.write(f"  {name.replace('_', ' ')}: {shown}")
