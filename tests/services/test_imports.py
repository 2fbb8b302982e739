"""A folder becomes pending items; what is known or cannot be taken is counted with its reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from album.exceptions import AlbumError, StorageError
from album.models import MediaItem
from album.services.imports import import_folder
from tests.cast import Cast, scene_bytes


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two photos (one of them twice, once below), a text, an empty file, half a header and hidden things."""
    root = tmp_path / "camera"
    (root / "2024").mkdir(parents=True)
    (root / ".thumbnails").mkdir()
    (root / "a.jpg").write_bytes(scene_bytes(seed=1))
    (root / "b.JPG").write_bytes(scene_bytes(seed=2))
    (root / "2024" / "copy of a.jpg").write_bytes(scene_bytes(seed=1))
    (root / "notes.txt").write_text("some words")
    (root / "2024" / "empty.jpg").touch()
    (root / "broken.jpg").write_bytes(scene_bytes(seed=3)[:40])
    (root / ".hidden.jpg").write_bytes(scene_bytes(seed=4))
    (root / ".thumbnails" / "t.jpg").write_bytes(scene_bytes(seed=5))
    (root / "loop").symlink_to(root)
    (root / "dangling.jpg").symlink_to(root / "gone.jpg")
    return root


def test_every_file_is_counted_once_with_its_reason(cast: Cast, folder: Path) -> None:
    steps: list[int] = []
    totals = import_folder(
        owner=cast.alice, folder=folder, album=cast.shared, progress=lambda path, totals: steps.append(totals.total)
    )

    assert (totals.imported, totals.known, totals.total) == (2, 1, 7)
    assert [reason.partition(":")[0] for reason in totals.unsupported] == [
        "dangling.jpg",
        "notes.txt",
        "2024/empty.jpg",
    ]
    assert [reason.partition(":")[0] for reason in totals.failed] == ["broken.jpg"]
    assert steps == list(range(1, 8))
    assert cast.shared.items.count() == 2


def test_a_second_import_reads_and_writes_nothing_new(cast: Cast, folder: Path) -> None:
    import_folder(owner=cast.alice, folder=folder)
    item = MediaItem.objects.order_by("pk").first()
    assert item is not None
    inode = Path(item.original.path).stat().st_ino

    totals = import_folder(owner=cast.alice, folder=folder, album=cast.shared)

    assert (totals.imported, totals.known) == (0, 3)
    assert cast.shared.items.count() == 2
    assert Path(item.original.path).stat().st_ino == inode


def test_a_missing_folder_is_named(cast: Cast, tmp_path: Path) -> None:
    with pytest.raises(AlbumError, match="nowhere"):
        import_folder(owner=cast.alice, folder=tmp_path / "nowhere")


def test_a_failing_disk_ends_the_import_and_keeps_what_is_done(
    cast: Cast, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace, calls = Path.replace, []

    def fail_second(self: Path, target: Path) -> Path:
        calls.append(target)
        if len(calls) == 2:
            raise OSError(28, "No space left on device")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", fail_second)
    with pytest.raises(StorageError, match="disk is full"):
        import_folder(owner=cast.alice, folder=folder)
    assert MediaItem.objects.count() == 1
