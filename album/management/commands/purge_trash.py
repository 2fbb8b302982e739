"""``manage.py purge_trash``: deletes for good what has lain in the trash for ``TRASH_DAYS``."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.template.defaultfilters import filesizeformat
from django.utils import timezone

from album.exceptions import AlbumError
from album.services.trash import purge_trash


class Command(BaseCommand):
    help = "Deletes for good what has lain in the trash for TRASH_DAYS. Beat does it every night."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            totals = purge_trash(now=timezone.now())
        except AlbumError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(
            f"{totals.items} items older than {settings.TRASH_DAYS} days deleted, "
            f"{totals.files} files removed: {filesizeformat(totals.size_bytes)}."
        )
