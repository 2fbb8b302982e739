from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.installation import Installation
from tests.faults.servers import Redis, postgresql


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    made = Installation(tmp_path)
    yield made
    made.end()


@pytest.fixture(params=["sqlite", "postgresql"])
def installation_on_each_database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Installation]:
    if request.param == "sqlite":
        made = Installation(tmp_path)
        yield made
        made.end()
        return
    with postgresql() as url:
        made = Installation(tmp_path, {"DATABASE_URL": url})
        yield made
        made.end()


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Redis]:
    server = Redis(tmp_path)
    yield server
    server.stop()
