#!/usr/bin/env python3
"""Django's command line, run by the Python of ``.venv`` where the one that was called has no Django."""

import os
import sys
from pathlib import Path

ENVIRONMENT = Path(__file__).resolve().parent / ".venv"


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "photo_album.settings")
    try:
        from django.core.exceptions import ImproperlyConfigured
        from django.core.management import execute_from_command_line
    except ModuleNotFoundError:
        python = ENVIRONMENT / "bin" / "python"
        if Path(sys.prefix) == ENVIRONMENT or not python.exists():
            sys.exit("photo-album: Django is not installed. Run ./scripts/run, which makes .venv.")
        os.execv(python, [str(python), *sys.argv])  # noqa: S606 - the same program, no shell
    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        sys.exit(f"photo-album: {error}")


if __name__ == "__main__":
    main()
