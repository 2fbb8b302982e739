"""A wrong setting stops the start and names itself."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from photo_album.env import Environment


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
