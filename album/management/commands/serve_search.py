"""``manage.py serve_search``: the helper process of the search by looks. The web processes start it themselves."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from album.search.lines import LOCK


class Command(BaseCommand):
    help = (
        "Answers what looks like a text or a picture. The web server starts this by itself and ends it when idle."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--parent", type=int, help="End when the process with this id is no longer the parent")
        parser.add_argument("--idle", type=float, default=None, help="End after so many seconds without a question")

    def handle(self, *args: Any, **options: Any) -> None:
        from album.search.looks import open_looks  # numpy, here alone
        from album.search.server import IDLE_S, Server

        if options["parent"] is None and not _is_alone(settings.VAR_DIR / "search"):
            raise CommandError(
                "The web server has started one already. It ends when nobody has searched for a while."
            )
        idle_s = IDLE_S if options["idle"] is None else options["idle"]
        Server(settings.VAR_DIR / "search", open_looks, parent=options["parent"], idle_s=idle_s).serve()


def _is_alone(folder: Path) -> bool:
    """True if nobody else holds the lock; then this process does until it ends. Who has a parent was given it."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        fcntl.flock(
            os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), fcntl.LOCK_EX | fcntl.LOCK_NB
        )
    except BlockingIOError:
        return False
    return True
