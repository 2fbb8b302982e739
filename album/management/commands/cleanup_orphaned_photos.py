"""``manage.py cleanup_orphaned_photos``: removes what was never finished, and unused renditions."""

from __future__ import annotations

from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand
from django.template.defaultfilters import filesizeformat
from django.utils import timezone

from album.services.cleanup import clean_up


class Command(BaseCommand):
    help = "Removes files of interrupted uploads, and renditions of items that are gone. Never an original."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--incomplete-only", action="store_true", help="leave renditions alone")
        parser.add_argument(
            "--older-than-hours",
            type=float,
            default=24,
            metavar="HOURS",
            help="leave what was written since then, such as an upload under way (default: %(default)s)",
        )
        parser.add_argument("--dry-run", action="store_true", help="list, remove nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        totals = clean_up(
            before=timezone.now() - timedelta(hours=options["older_than_hours"]),
            incomplete_only=options["incomplete_only"],
            is_dry_run=options["dry_run"],
        )
        if options["dry_run"] or options["verbosity"] > 1:
            for name in totals.incomplete + totals.renditions:
                self.stdout.write(f"  {name}")
        self.stdout.write(
            f"{len(totals.incomplete)} incomplete files and the renditions of {len(totals.renditions)} contents "
            f"{'would be' if options['dry_run'] else 'were'} removed: {filesizeformat(totals.size_bytes)}."
        )
