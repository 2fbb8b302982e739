"""Where the lines of the log go: the journal, with fields, and files, or a terminal. Secrets go nowhere."""

from __future__ import annotations

import logging
import os
import re
import socket
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from album.log_fields import fields_of

JOURNAL_SOCKET = "/run/systemd/journal/socket"
VALUE_MAX_BYTES = 100_000
"""All fields together must fit into one datagram. Source: net.core.wmem_default is 212,992 bytes."""
SECRET_MIN_LENGTH = 6
"""A shorter one is no secret, and would be found within other words."""
HIDDEN = "…"
PRIORITIES = ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6))
"""Source: sd-daemon(3). 5, notice, has no level in Python; what is below INFO is 7, debug."""
CONTROLS = dict.fromkeys((*range(9), *range(11, 32), 127), "?") | {ord("\n"): "\n    "}
"""What a file may be named like, and no terminal should obey; a second line is told from a new one."""
TOKENS = re.compile(r"(?<=/)(?=[^/\s]*[A-Z0-9])[\w-]{16,}")
"""Parts of addresses that open something for whoever has them: shared links, invitations, new passwords."""
NIGHT_TASKS = ("process_pending_", "process_photo_ai", "process_video_ai")


class Line(logging.Formatter):
    """One event on one line, with what follows it indented; secrets of this installation are left out."""

    def __init__(self, fmt: str, secrets: Iterable[str] = ()) -> None:
        super().__init__(fmt)
        self.secrets = [secret for secret in secrets if len(secret) >= SECRET_MIN_LENGTH]

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the name is logging's
        record.message = record.message.translate(CONTROLS)
        if record.name.startswith("django."):  # which logs addresses
            record.message = TOKENS.sub(HIDDEN, record.message)
        return super().formatMessage(record)

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        for secret in self.secrets:
            text = text.replace(secret, HIDDEN)
        return text


class JournalHandler(logging.Handler):
    """Sends lines to the journal in its own protocol, which knows fields.

    Source: https://systemd.io/JOURNAL_NATIVE_PROTOCOL/
    """

    def __init__(self, address: str = "") -> None:
        super().__init__()
        self.address = address or JOURNAL_SOCKET
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)

    def emit(self, record: logging.LogRecord) -> None:
        line = self.format(record)
        try:
            self._socket.sendto(_datagram(record, line), self.address)
        except OSError:  # the journal is being restarted, or has no memory for this: then without fields
            print(line, file=sys.__stderr__)

    def close(self) -> None:
        self._socket.close()
        super().close()


class NoChores(logging.Filter):
    """Leaves out that a chore was rung for or has succeeded: an idle album writes nothing to its disk."""

    def filter(self, record: logging.LogRecord) -> bool:
        words = record.getMessage()
        is_chore = "album.tasks." in words and not any(name in words for name in NIGHT_TASKS)
        return record.levelno > logging.INFO or not is_chore


def is_in_journal() -> bool:
    """True where stderr of this process is the journal, and the journal is there."""
    try:
        status = os.fstat(2)
    except OSError:
        return False
    stream = f"{status.st_dev}:{status.st_ino}"  # a terminal may have inherited the variable: systemd.exec(5)
    return os.environ.get("JOURNAL_STREAM") == stream and Path(JOURNAL_SOCKET).exists()


def passwords_of(*addresses: str) -> list[str]:
    """The passwords in addresses of servers, as they are written there and as they are."""
    written = [urlsplit(address).password or "" for address in addresses]
    return [*written, *map(unquote, written)]


def describe_logging(level: str, secrets: Iterable[str]) -> dict[str, Any]:
    """Django's LOGGING: the journal, else stderr; and a file where systemd has made a folder for it."""
    words = "[%(levelname)s] %(name)s: %(message)s"
    formatters = {
        "line": {"()": Line, "fmt": words, "secrets": list(secrets)},
        "dated": {"()": Line, "fmt": f"%(asctime)s {words}", "secrets": list(secrets)},
    }
    first = JournalHandler if is_in_journal() else logging.StreamHandler
    handlers: dict[str, Any] = {"first": {"()": first, "formatter": "line"}}
    folder = os.environ.get("LOGS_DIRECTORY", "").partition(":")[0]
    if folder and os.access(folder, os.W_OK):  # a service without its file is better than none
        # There from the start, for whoever wants to follow it, and made again after logrotate has moved it.
        handlers["file"] = {"class": "logging.handlers.WatchedFileHandler", "formatter": "dated"}
        handlers["file"] |= {"filename": f"{folder}/{_file_name()}", "errors": "backslashreplace"}
    # At INFO Celery tells of every start and every ring; what a ring led to is logged by the album.
    celery_level = "WARNING" if level == "INFO" else level
    told: dict[str, Any] = {"level": level, "filters": ["no_chores"]}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": formatters,
        "filters": {"no_chores": {"()": NoChores}},
        "handlers": handlers,
        "root": {"handlers": list(handlers), "level": "WARNING"},
        "loggers": {
            "album": {"level": level},
            "celery": {"level": celery_level},
            **dict.fromkeys(("celery.app.trace", "celery.beat", "celery.apps.worker"), told),
            "PIL": {"level": "ERROR"},
        },
    }


def _file_name() -> str:
    """Processes that a worker starts write into its file."""
    is_beat = Path(sys.argv[0]).stem == "celery_beat" or "beat" in sys.argv[1:]
    return "beat.log" if is_beat else "worker.log"


def _datagram(record: logging.LogRecord, line: str) -> bytes:
    priority = next((number for level, number in PRIORITIES if record.levelno >= level), 7)
    fields = {
        "MESSAGE": line,
        "PRIORITY": str(priority),
        "SYSLOG_IDENTIFIER": "photo-album",
        "LOGGER": record.name,
        "CODE_FILE": record.pathname,
        "CODE_LINE": str(record.lineno),
        "CODE_FUNC": record.funcName or "",
    }
    fields |= {name.upper(): value for name, value in fields_of(record).items()}
    return b"".join(_field(name, value) for name, value in fields.items())


def _field(name: str, value: str) -> bytes:
    """With its length in front where it has several lines, else as ``NAME=value``."""
    text = value.encode(errors="backslashreplace")[:VALUE_MAX_BYTES]
    if b"\n" not in text:
        return b"%s=%s\n" % (name.encode(), text)
    return b"%s\n%s%s\n" % (name.encode(), len(text).to_bytes(8, "little"), text)
