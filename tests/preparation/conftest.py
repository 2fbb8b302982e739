from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.preparation.boxes import CountingBox


@pytest.fixture(scope="session")
def _one_box() -> Iterator[CountingBox]:
    with CountingBox(timeout_s=60) as made:
        yield made


@pytest.fixture
def box(_one_box: CountingBox) -> CountingBox:
    """A real sandbox that counts its calls from here on."""
    _one_box.calls = 0
    return _one_box
