"""What reaches the journal and the files, with which fields, and that no secret does."""

from __future__ import annotations

import logging
import logging.handlers
import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from album.log_fields import about, inherited_fields, log_fields
from photo_album.logs import JournalHandler, Line, NoChores, describe_logging, passwords_of

REPOSITORY = Path(__file__).resolve().parents[2]
PAGE = REPOSITORY / "docs" / "logs.md"


class Journal:
    """The other end of the journal's socket."""

    def __init__(self, folder: Path) -> None:
        self.address = str(folder / "journal")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.address)
        self.socket.setblocking(False)

    def entries(self) -> list[dict[str, str]]:
        found = []
        while True:
            try:
                found.append(parse(self.socket.recv(1 << 20)))
            except BlockingIOError:
                return found


def parse(datagram: bytes) -> dict[str, str]:
    """The fields of an entry. Source: https://systemd.io/JOURNAL_NATIVE_PROTOCOL/"""
    fields, rest = {}, datagram
    while rest:
        line, _, rest = rest.partition(b"\n")
        name, is_short, value = line.partition(b"=")
        if not is_short:
            size = int.from_bytes(rest[:8], "little")
            value, rest = rest[8 : 8 + size], rest[9 + size :]
        fields[name.decode()] = value.decode()
    return fields


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    made = Journal(tmp_path)
    yield made
    made.socket.close()


@pytest.fixture
def log(journal: Journal) -> Iterator[logging.Logger]:
    handler = JournalHandler(journal.address)
    handler.setFormatter(Line("[%(levelname)s] %(name)s: %(message)s", ["s3cret-key"]))
    logger = logging.getLogger("album.test_logs")
    logger.addHandler(handler)
    yield logger
    logger.removeHandler(handler)
    handler.close()


def test_a_line_of_a_batch_carries_its_fields(journal, log) -> None:
    with log_fields(batch_run=42, stage="embed"):
        log.error("item %s failed", 7, extra={"media_id": 7})
    (entry,) = journal.entries()
    line = entry.pop("CODE_LINE")
    assert entry == {
        "MESSAGE": "[ERROR] album.test_logs: item 7 failed",
        "PRIORITY": "3",
        "SYSLOG_IDENTIFIER": "photo-album",
        "LOGGER": "album.test_logs",
        "CODE_FILE": __file__,
        "CODE_FUNC": "test_a_line_of_a_batch_carries_its_fields",
        "BATCH_RUN": "42",
        "MEDIA_ID": "7",
        "STAGE": "embed",
    }
    assert line.isdigit()


def test_the_fields_end_with_their_block_and_stay_in_their_thread(journal, log) -> None:
    with log_fields(batch_run=42):
        other = threading.Thread(target=log.warning, args=("elsewhere",))
        other.start()
        other.join()
        with log_fields(stage="caption"):
            log.warning("inside")
        assert inherited_fields() == {"BATCH_RUN": "42"}
    log.warning("after")
    stages = [(entry.get("BATCH_RUN"), entry.get("STAGE")) for entry in journal.entries()]
    assert stages == [(None, None), ("42", "caption"), (None, None)]


def test_what_a_line_says_of_itself_wins(journal, log) -> None:
    with log_fields(batch_run=42, stage="embed"):
        log.warning("no preview", extra=about(7))
    (entry,) = journal.entries()
    assert (entry["BATCH_RUN"], entry["STAGE"], entry["MEDIA_ID"]) == ("42", "preparation", "7")


def test_every_level_has_its_priority(journal, log) -> None:
    log.setLevel(logging.DEBUG)
    for level in (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR, logging.CRITICAL):
        log.log(level, "words")
    assert [entry["PRIORITY"] for entry in journal.entries()] == ["7", "6", "4", "3", "2"]


def test_a_traceback_is_one_entry_of_several_lines(journal, log) -> None:
    try:
        raise ValueError("broken")
    except ValueError:
        log.exception("it failed")
    (entry,) = journal.entries()
    assert entry["MESSAGE"].startswith("[ERROR] album.test_logs: it failed\nTraceback")
    assert entry["MESSAGE"].endswith("ValueError: broken")
    assert entry["LOGGER"] == "album.test_logs"  # what follows the long field is read


def test_a_line_that_is_too_long_is_cut_and_not_lost(journal, log) -> None:
    log.error("x" * 1_000_000)
    (entry,) = journal.entries()
    assert len(entry["MESSAGE"]) == 100_000


def test_a_name_of_a_file_cannot_forge_a_line(journal, log) -> None:
    log.warning("Item 7: %s", "a.jpg\n[ERROR] album: all is lost\x1b[2J\r")
    (entry,) = journal.entries()
    assert "\n    [ERROR] album: all is lost?[2J?" in entry["MESSAGE"]


def test_without_the_journal_a_line_goes_to_stderr(capfd, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(sys, "__stderr__", sys.stderr)
    handler = JournalHandler(str(tmp_path / "gone"))
    handler.handle(logging.LogRecord("album", logging.ERROR, "file.py", 1, "still said", (), None))
    handler.close()
    assert capfd.readouterr().err == "still said\n"


def test_secrets_of_the_installation_are_left_out(journal, log) -> None:
    try:
        raise ValueError("s3cret-key is wrong")
    except ValueError:
        log.exception("the key s3cret-key")
    (entry,) = journal.entries()
    assert "s3cret" not in entry["MESSAGE"]
    assert entry["MESSAGE"].count("…") == 3  # also the line of code


@pytest.mark.parametrize(
    "path",
    ["/s/ab12-CD34_ef56-GH78/items/", "/join/Zb3kq0ssQ9Xw4T/", "/accounts/password/reset/key/2-d0ssq9-aa11bb22/"],
)
def test_addresses_that_open_something_are_left_out(path) -> None:
    token = max(path.split("/"), key=len)
    line = Line("%(message)s")
    record = logging.LogRecord("django.request", logging.WARNING, "", 0, "Not Found: %s", (path,), None)
    shown = line.format(record)
    assert (token in shown) == (len(token) < 16)
    assert shown.startswith("Not Found: /")


def test_addresses_of_pages_stay() -> None:
    record = logging.LogRecord("django.request", 30, "", 0, "Not Found: %s", ("/process-photos-ai/7/",), None)
    assert Line("%(message)s").format(record) == "Not Found: /process-photos-ai/7/"


def test_passwords_are_found_as_they_are_written_and_as_they_are() -> None:
    assert set(passwords_of("redis://:p%40ssword@host/0", "filesystem://")) == {"p%40ssword", "p@ssword", ""}


@pytest.mark.parametrize(
    ("words", "is_told"),
    [
        ("Task album.tasks.process_photo_ai[1] succeeded in 2s", True),
        ("Task album.tasks.process_pending_photos_batch[1] succeeded in 2s", True),
        ("Task album.tasks.prepare_waiting_media[1] succeeded in 2s", False),
        ("Scheduler: Sending due task previews that wait (album.tasks.prepare_waiting_media)", False),
        ("beat: Starting...", True),
    ],
)
def test_chores_are_not_told_of_and_nights_are(words, is_told) -> None:
    chores = NoChores()
    assert chores.filter(logging.makeLogRecord({"msg": words, "levelno": logging.INFO})) is is_told
    assert chores.filter(logging.makeLogRecord({"msg": words, "levelno": logging.ERROR}))


SAYS = """
import logging, os, sys
from photo_album import logs
logs.JOURNAL_SOCKET = sys.argv[1]
if sys.argv[2] == "journal":
    status = os.fstat(2)
    os.environ["JOURNAL_STREAM"] = f"{status.st_dev}:{status.st_ino}"
sys.argv[1:] = sys.argv[3:]
import django; django.setup()
logging.getLogger("album.batches").warning("a canary: %s", os.environ["SECRET_KEY"])
"""


def says(journal: Journal, tmp_path: Path, *argv: str, **env: str) -> str:
    environment = {
        **{name: value for name, value in os.environ.items() if name not in {"JOURNAL_STREAM", "LOGS_DIRECTORY"}},
        "DJANGO_SETTINGS_MODULE": "photo_album.settings",
        "PHOTO_ALBUM_VAR_DIR": str(tmp_path / "var"),
        "PHOTO_ALBUM_ENV_FILE": "/dev/null",
        "SECRET_KEY": "canary-of-this-test",
        **env,
    }
    command = [sys.executable, "-c", SAYS, journal.address, *argv]
    done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=True)
    return done.stderr


def test_a_service_writes_to_the_journal_and_to_its_file(journal, tmp_path) -> None:
    folder = tmp_path / "celery"
    folder.mkdir()
    env = {"LOGS_DIRECTORY": f"{folder}:/elsewhere", "BATCH_RUN": "42"}
    assert says(journal, tmp_path, "journal", "-A", "photo_album", "beat", **env) == ""
    (entry,) = journal.entries()
    assert entry["MESSAGE"] == "[WARNING] album.batches: a canary: …"
    assert entry["BATCH_RUN"] == "42"  # as its parent said
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\d [\d:,]+ \[WARNING\] album.batches: a canary: …\n", (folder / "beat.log").read_text()
    )
    says(journal, tmp_path, "journal", "analyze_photos", **env)
    assert sorted(path.name for path in folder.iterdir()) == ["beat.log", "worker.log"]


def test_a_terminal_below_a_service_stays_a_terminal(journal, tmp_path) -> None:
    told = says(journal, tmp_path, "terminal", JOURNAL_STREAM="1:2")
    assert told == "[WARNING] album.batches: a canary: …\n"
    assert journal.entries() == []


def test_a_file_of_the_log_is_opened_again_after_logrotate(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("LOGS_DIRECTORY", str(tmp_path))
    config = describe_logging("INFO", [])["handlers"]["file"]
    handler = logging.handlers.WatchedFileHandler(config["filename"])
    file = tmp_path / "worker.log"
    assert file.read_text() == ""
    for number in (1, 2):
        handler.handle(logging.makeLogRecord({"msg": f"line {number}"}))
        file.rename(tmp_path / f"worker.log.{number}")
    handler.close()
    assert (tmp_path / "worker.log.2").read_text() == "line 2\n"


def test_a_folder_that_cannot_be_written_costs_the_file_and_not_the_service(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("LOGS_DIRECTORY", str(tmp_path / "gone"))
    assert list(describe_logging("INFO", [])["handlers"]) == ["first"]


def test_the_page_explains_every_field() -> None:
    page = PAGE.read_text()
    assert all(
        f"`{name}`" in page for name in ("BATCH_RUN", "MEDIA_ID", "STAGE", "PRIORITY", "LOGGER", "CODE_FILE")
    )


def test_the_lines_of_the_page_name_what_the_album_sends() -> None:
    """Machines with systemd run these lines: tests/deployment."""
    lines = re.findall(r"^\$ (journalctl .*)$", PAGE.read_text(), re.MULTILINE)
    assert len(lines) >= 12
    units = set(re.findall(r"-u \"?([\w*-]+)", "\n".join(lines)))
    assert units == {"photo-album*", "photo-album-web", "photo-album-celery-worker", "photo-album-celery-beat"}
    assert set(re.findall(r"\b([A-Z_]+)=", "\n".join(lines))) == {"BATCH_RUN", "MEDIA_ID", "STAGE"}
