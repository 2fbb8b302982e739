"""What is told of a file whose readers fail."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from PIL import Image

from album.media import metadata
from album.media.facts import FileFacts, Origin
from album.media.inspection import inspect_file
from album.media.sniff import HEAD_BYTES, MediaType, sniff


@pytest.mark.parametrize(
    ("name", "source", "day"), [("IMG_20190321_110422.jpg", "name", 21), ("DSC_1.jpg", "file", 1)]
)
def test_facts_that_cannot_be_read_leave_the_dates_of_name_and_file_and_the_preview(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, source: str, day: int
) -> None:
    def fail(path: Path, media_type: MediaType, origin: Origin) -> FileFacts:
        raise OverflowError("a number without end")

    monkeypatch.setattr(metadata, "read_facts", fail)
    path = tmp_path / name
    Image.new("RGB", (60, 40)).save(path)
    media_type = sniff(path.read_bytes()[:HEAD_BYTES], name)
    origin = Origin(name, datetime(2026, 1, 1, 12, tzinfo=UTC))

    found = inspect_file(path, media_type, origin, tmp_path)

    assert found.facts.taken_at_local is not None
    assert (found.facts.taken_at_source, found.facts.taken_at_local.day) == (source, day)
    assert found.rendered is not None
    assert (found.problem, found.facts_problem) == (
        "",
        "The file cannot be read: OverflowError: a number without end",
    )
