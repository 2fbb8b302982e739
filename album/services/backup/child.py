"""``manage.py`` in a process of its own, with other settings: a library beside this one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

from django.conf import settings

from album.exceptions import BackupError

LIMIT_S = 6 * 3600


def sqlite_url(path: Path) -> str:
    """The ``DATABASE_URL`` of a file."""
    return f"sqlite:///{quote(str(path))}"


def settings_below(folder: Path, database_url: str = "") -> dict[str, str]:
    """The settings of a library that lies in ``folder`` as a whole, its database too if no other is named."""
    return {
        "PHOTO_ALBUM_VAR_DIR": str(folder),
        "MEDIA_ROOT": str(folder / "media"),
        "STATIC_ROOT": str(folder / "static"),
        "BACKUP_DIR": str(folder / "backups"),
        "DATABASE_URL": database_url or sqlite_url(folder / "photo_album.sqlite3"),
    }


def run_manage(*arguments: str, failure: str, **changes: str) -> str:
    """What it printed. ``changes`` are settings that differ from those of this process.

    Raises:
        BackupError: it failed; the message is ``failure`` and the reason that it gave.
    """
    # What .env says stands in this process's environment already; it must not be added to what differs.
    inherited = {name: value for name, value in os.environ.items() if name.removesuffix("_FILE") not in changes}
    ended = subprocess.run(
        [sys.executable, str(settings.BASE_DIR / "manage.py"), *arguments, "--no-color"],
        cwd=settings.BASE_DIR,
        env={**inherited, "PHOTO_ALBUM_ENV_FILE": os.devnull, **changes},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    if ended.returncode:
        said = ended.stderr.strip() or ended.stdout.strip() or f"exit code {ended.returncode}"
        _, is_refused, reason = said.partition("CommandError: ")
        raise BackupError(f"{failure}: {reason if is_refused else said.splitlines()[-1]}")
    return ended.stdout
