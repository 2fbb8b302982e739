"""A wrong setting stops the start and names itself."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from photo_album.env import Environment

REPOSITORY = Path(__file__).resolve().parents[2]


def manage(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    """What ``manage.py`` of this checkout did with these arguments."""
    command = [sys.executable, "manage.py", *arguments]
    environment = {**os.environ, **env}
    return subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture
def env(tmp_path: Path) -> Environment:
    return Environment(tmp_path / "none.env")


def test_file_is_read_and_the_process_wins(tmp_path, monkeypatch) -> None:
    (tmp_path / ".env").write_text("AI_SCHEDULE_HOUR=3\nTIME_ZONE=Europe/Berlin\n")
    monkeypatch.setenv("AI_SCHEDULE_HOUR", "4")
    monkeypatch.delenv("TIME_ZONE", raising=False)
    env = Environment(tmp_path / ".env")
    assert env.integer("AI_SCHEDULE_HOUR", 2, 0, 23) == 4
    assert env.text("TIME_ZONE", "UTC") == "Europe/Berlin"
    monkeypatch.delenv("TIME_ZONE")


@pytest.mark.parametrize(
    ("value", "words"), [("two", "AI_SCHEDULE_HOUR='two' is not a whole number"), ("24", "outside 0 to 23")]
)
def test_malformed_number_names_the_variable(env, monkeypatch, value, words) -> None:
    monkeypatch.setenv("AI_SCHEDULE_HOUR", value)
    with pytest.raises(ImproperlyConfigured, match=words):
        env.integer("AI_SCHEDULE_HOUR", 2, 0, 23)


def test_malformed_boolean_names_the_variable(env, monkeypatch) -> None:
    monkeypatch.setenv("DEBUG", "perhaps")
    with pytest.raises(ImproperlyConfigured, match="DEBUG='perhaps'"):
        env.boolean("DEBUG", False)


def test_misspelt_name_is_refused(env, monkeypatch) -> None:
    env.integer("AI_SCHEDULE_HOUR", 2, 0, 23)
    monkeypatch.setenv("AI_SHEDULE_HOUR", "3")
    with pytest.raises(ImproperlyConfigured, match="AI_SHEDULE_HOUR"):
        env.refuse_unknown()


def test_secret_may_come_from_a_file(env, tmp_path, monkeypatch) -> None:
    (tmp_path / "key").write_text("s3cret\n")
    monkeypatch.setenv("SECRET_KEY_FILE", str(tmp_path / "key"))
    assert env.text("SECRET_KEY", "") == "s3cret"


def test_empty_value_means_the_default(env, monkeypatch) -> None:
    monkeypatch.setenv("AI_BATCH_SIZE", "")
    assert env.optional_integer("AI_BATCH_SIZE", 20, 10_000) is None


def test_missing_secret_file_names_the_variable(env, monkeypatch) -> None:
    monkeypatch.setenv("SECRET_KEY_FILE", "/nowhere/key")
    with pytest.raises(ImproperlyConfigured, match="SECRET_KEY_FILE=/nowhere/key cannot be read"):
        env.text("SECRET_KEY", "")


def test_time_zone_that_does_not_exist_names_the_variable(env, monkeypatch) -> None:
    monkeypatch.setenv("TIME_ZONE", "Europe")
    with pytest.raises(ImproperlyConfigured, match="TIME_ZONE='Europe'"):
        env.time_zone("TIME_ZONE", "UTC")


@pytest.mark.parametrize("url", ["foo", "foo://host/name", "postgres://user:secret@host:port/name"])
def test_malformed_database_url_names_the_variable_and_no_password(env, monkeypatch, url) -> None:
    monkeypatch.setenv("DATABASE_URL", url)
    with pytest.raises(ImproperlyConfigured, match=r"^DATABASE_URL is not a database URL(?!.*secret)"):
        env.database("DATABASE_URL", "sqlite:///x")


def test_file_in_place_of_a_folder_names_the_variable(env, tmp_path, monkeypatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("MEDIA_ROOT", str(tmp_path / "file"))
    with pytest.raises(ImproperlyConfigured, match=r"MEDIA_ROOT=.*is a file"):
        env.folder("MEDIA_ROOT", tmp_path)


def test_settings_file_that_was_asked_for_must_be_there(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("PHOTO_ALBUM_ENV_FILE", str(tmp_path / "none.env"))
    with pytest.raises(ImproperlyConfigured, match=r"PHOTO_ALBUM_ENV_FILE=.*none\.env"):
        Environment(tmp_path / ".env")


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("TIME_ZONE", "Mars/Base", "TIME_ZONE='Mars/Base'"),
        ("PHOTO_ALBUM_VAR_DIR", "/sys/photo-album", "/sys/photo-album: "),  # where not even root may write
    ],
)
def test_wrong_setting_ends_manage_py_in_one_line(name, value, words) -> None:
    ended = manage("check", **{name: value})
    assert (ended.returncode, ended.stdout, ended.stderr.count("\n")) == (1, "", 1)
    assert ended.stderr.startswith(f"photo-album: {words}")


@pytest.mark.parametrize("url", ["sqlite:////nowhere/x.sqlite3", "postgres://me:my-secret@127.0.0.1:1/album"])
def test_a_database_that_cannot_be_opened_ends_manage_py_in_one_line(url) -> None:
    ended = manage("migrate", DATABASE_URL=url)
    assert (ended.returncode, ended.stdout, ended.stderr.count("\n")) == (1, "", 1)
    assert "cannot be opened (" in ended.stderr
    assert "DATABASE_URL" in ended.stderr
    assert "my-secret" not in ended.stderr


def test_a_read_only_file_system_ends_manage_py_in_one_line() -> None:
    ended = manage("shell", "-c", "import errno; raise OSError(errno.EROFS, 'Read-only file system', '/srv/album')")
    assert (ended.returncode, ended.stderr.count("\n")) == (1, 1)
    assert ended.stderr.startswith("photo-album: /srv/album: Read-only file system. ")


@pytest.mark.parametrize(
    "code",
    [
        "from django.db import connection; connection.cursor().execute('nonsense')",
        "raise PermissionError('of no file')",
        "open('/nowhere/file')",
    ],
)
def test_an_error_of_the_program_keeps_its_traceback(tmp_path, code) -> None:
    ended = manage("shell", "-c", code, DATABASE_URL=f"sqlite:///{tmp_path / 'album.sqlite3'}")
    assert (ended.returncode, ended.stderr.splitlines()[0]) == (1, "Traceback (most recent call last):")
