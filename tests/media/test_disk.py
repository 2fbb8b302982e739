"""A file is known by its content, and takes its name when it is whole, on the disk, and readable like any other."""

from __future__ import annotations

import os
from hashlib import sha256
from pathlib import Path

import pytest

from album.disk import hash_file, written_whole


@pytest.mark.parametrize("is_needed_again", [True, False])
def test_the_hash_is_that_of_the_whole_content(tmp_path: Path, is_needed_again: bool) -> None:
    content = os.urandom(1000) * 1000
    (tmp_path / "a.jpg").write_bytes(content)
    assert hash_file(tmp_path / "a.jpg", is_needed_again=is_needed_again) == sha256(content).hexdigest()


def test_the_file_is_on_the_disk_before_it_takes_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target, seen = tmp_path / "new" / "a.jpg", []

    def look(descriptor: int) -> None:
        seen.append((os.fstat(descriptor).st_size, target.exists()))

    monkeypatch.setattr("os.fsync", look)
    with written_whole(target) as part:
        part.write_bytes(b"picture")
    assert seen == [(7, False)]
    assert [(path.name, path.read_bytes()) for path in target.parent.iterdir()] == [("a.jpg", b"picture")]


def test_its_mode_is_that_of_any_new_file(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        with written_whole(tmp_path / "a.jpg") as part:
            part.touch()
    finally:
        os.umask(before)
    assert (tmp_path / "a.jpg").stat().st_mode & 0o777 == 0o640


def test_what_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "a.jpg"
    target.write_bytes(b"old")
    with pytest.raises(OSError, match="full"), written_whole(target) as part:
        part.write_bytes(b"half")
        raise OSError("the disk is full")
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]
