#!/usr/bin/env python3
"""Django's command line, run by the Python of ``.venv`` where the one that was called has no Django."""

import errno
import os
import sys
from pathlib import Path

ENVIRONMENT = Path(__file__).resolve().parent / ".venv"
NOT_ALLOWED = (errno.EPERM, errno.EACCES, errno.EROFS)


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "photo_album.settings")
    try:
        from django.core.exceptions import ImproperlyConfigured
        from django.core.management import execute_from_command_line
        from django.db import DatabaseError
    except ModuleNotFoundError:
        python = ENVIRONMENT / "bin" / "python"
        if Path(sys.prefix) == ENVIRONMENT or not python.exists():
            sys.exit("photo-album: Django is not installed. Run ./scripts/run, which makes .venv.")
        os.execv(python, [str(python), *sys.argv])  # noqa: S606 - the same program, no shell
    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        sys.exit(f"photo-album: {error}")
    except OSError as error:  # most often what another account has made, such as root with sudo
        if error.filename is None or error.errno not in NOT_ALLOWED:
            raise
        advice = "Run this as the account that owns it, and see that its disk can be written to."
        sys.exit(f"photo-album: {error.filename}: {error.strerror}. {advice}")
    except DatabaseError:
        if why := why_not_opened():
            sys.exit(why)
        raise  # an error of this program


def why_not_opened() -> str | None:
    """What, why and the next step where the database cannot be opened; None where it can."""
    from django.db import DatabaseError, connection

    try:
        connection.ensure_connection()
    except DatabaseError as error:
        said, database = " ".join(str(error).split()), connection.settings_dict["NAME"]
        advice = "See that it is there, that this account may use it, and what DATABASE_URL says."
        return f"photo-album: the database {database} cannot be opened ({said}). {advice}"
    return None


if __name__ == "__main__":
    main()
