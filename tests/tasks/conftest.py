from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.faults.installation import Installation
from tests.faults.servers import Redis


@pytest.fixture
def installation(tmp_path: Path, redis: Redis) -> Iterator[Installation]:
    """An installation with a Redis of its own; what its workers have started ends with them."""
    made = Installation(tmp_path, {"CELERY_BROKER_URL": redis.url, "CELERY_RESULT_BACKEND": redis.url})
    yield made
    for process in made.processes:
        if process.poll() is None:
            for child in psutil.Process(process.pid).children(recursive=True):
                child.kill()
    made.end()
