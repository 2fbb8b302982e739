"""``manage.py`` in a process of its own, with other settings: a library beside this one."""

from __future__ import annotations

import os
import subprocess
import sys

from django.conf import settings

from album.exceptions import BackupError

LIMIT_S = 6 * 3600


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
