"""How the album is, a line for each thing that may fail. The page, the command and the metrics tell the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from django.db import DatabaseError
from django.utils.translation import gettext as _

from album.exceptions import AlbumError
from album.services.status import library, machine, running
from album.services.status.line import Line, State, worst

CHECKS: tuple[Callable[[], Iterator[Line]], ...] = (running.check, library.check, machine.check)
__all__ = ("Line", "State", "check_status", "worst")


def check_status(*, asks_web: bool = True) -> list[Line]:
    """All lines. Takes about a second, in which workers answer. ``asks_web``: the web server is another process."""
    lines = list(running.check_web()) if asks_web else []
    fault: DatabaseError | None = None
    for check in CHECKS:
        try:
            lines += check()
        except DatabaseError as error:
            fault = fault or error
        except (AlbumError, OSError) as error:  # the rest shall be told all the same
            lines.append(Line(check.__module__.rpartition(".")[2], _("Status"), "problem", str(error)))
    if fault and not any(line.name == "version" and line.state == "problem" for line in lines):
        words = _("does not answer: %(reason)s") % {"reason": fault}
        lines = [line for line in lines if line.name != "database"]
        lines.append(Line("database", _("Database"), "problem", words, "manage.py check --database default"))
    return lines
