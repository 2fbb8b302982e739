"""Fixtures of all tests: the cast, throw-away folders, and a test database that threads and browsers can share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest
from django.conf import settings as django_settings
from django.core.cache import caches
from django.test import Client
from django.utils import timezone, translation
from pytest_django import Settings

from tests.faults.installation import Installation
from tests.faults.servers import Redis, postgresql

if TYPE_CHECKING:
    from tests.cast import Cast


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    tmp_path_factory: pytest.TempPathFactory, django_db_modify_db_settings_parallel_suffix: None
) -> None:
    """SQLite in a file: in memory, threads would share one connection's locks and never wait for each other."""
    database = django_settings.DATABASES["default"]
    if database["ENGINE"] == "django.db.backends.sqlite3":
        database["TEST"] |= {"NAME": str(tmp_path_factory.mktemp("database") / "test.sqlite3")}


@pytest.fixture(scope="session", autouse=True)
def _no_collected_files(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Tests serve static files from where they are written; WhiteNoise warns if there is no folder at all."""
    django_settings.STATIC_ROOT = tmp_path_factory.mktemp("static")


@pytest.fixture(autouse=True)
def _own_folders(tmp_path: Path, settings: Settings) -> None:
    """No test reads or writes the folders of this installation; weights are tested where they are named."""
    settings.VAR_DIR = tmp_path / "var"
    settings.MEDIA_ROOT = tmp_path / "var" / "media"
    settings.BACKUP_DIR = tmp_path / "var" / "backups"
    settings.FILE_UPLOAD_TEMP_DIR = tmp_path / "var" / "spool"
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture(autouse=True)
def _same_place_in_the_queue(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No test leaves its process, and what later tests start from it, behind others or in front of all others."""
    monkeypatch.setattr(os, "nice", lambda increment: 0)  # commands make themselves polite, for good
    process, before = psutil.Process(), os.sched_getscheduler(0)
    yield
    process.ionice(psutil.IOPRIO_CLASS_NONE)
    after = os.sched_getscheduler(0)
    if after != before:
        os.sched_setscheduler(0, before, os.sched_param(0))
    assert after == before, "A library changed this process's scheduling policy; call it in a process of its own."


@pytest.fixture(autouse=True)
def _no_language_of_others() -> None:
    """No test speaks the language, or keeps the hours, of the last request of the one before."""
    translation.deactivate()
    timezone.deactivate()


@pytest.fixture(autouse=True)
def _fresh_ledger(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a process knows of grants it reads once in each test, not at moments that differ from run to run."""
    from album.web import files_door, grants  # here, as below

    monkeypatch.setattr(files_door, "close_old_connections", lambda: None)  # nor does Django's own test client
    monkeypatch.setattr(grants.ledger, "known", grants.Known())
    monkeypatch.setattr(grants, "KNOWN_FOR_S", 1e9)
    caches["memory"].clear()


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    """A whole installation, of its own processes."""
    made = Installation(tmp_path)
    yield made
    made.end()


@pytest.fixture(params=["sqlite", "postgresql"])
def installation_on_each_database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Installation]:
    with postgresql() if request.param == "postgresql" else nullcontext() as url:
        made = Installation(tmp_path, {"DATABASE_URL": url} if url else {})
        yield made
        made.end()


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Redis]:
    server = Redis(tmp_path)
    yield server
    server.stop()


@pytest.fixture
def cast(db: None) -> Cast:
    from tests.cast import make_cast  # here, so that tests of pure rooms do not depend on the services

    return make_cast()


@pytest.fixture
def alice_client(cast: Cast) -> Iterator[Client]:
    """A browser in which alice is signed in."""
    client = Client()
    client.force_login(cast.alice)
    yield client
