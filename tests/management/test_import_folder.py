"""``import_folder`` as an administrator runs it: words, exit codes, ended and started again."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from album.models import Album, MediaItem
from tests.architecture.test_docs import REPOSITORY, manage_lines
from tests.cast import Cast, scene_bytes
from tests.faults.installation import Installation, wait_until

MAKE_ADMIN = """
    from django.contrib.auth.models import User
    User.objects.create_superuser("admin", password="correct horse")
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "camera"
    root.mkdir()
    for n in range(3):
        (root / f"{n}.jpg").write_bytes(scene_bytes(seed=n))
    (root / "notes.txt").write_text("some words")
    return root


def test_the_totals_name_every_class(cast: Cast, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("import_folder", str(folder), owner="alice", album="Summer")
    call_command("import_folder", str(folder), owner="alice", in_place=True)
    out, err = capsys.readouterr()
    assert out.splitlines() == [
        "3 imported, 0 known already, 1 no photo or video, 0 failed.",
        "0 imported, 3 known already, 1 no photo or video, 0 failed.",
    ]
    assert "not imported: notes.txt: " in err
    assert Album.objects.get(title="Summer").items.count() == 3


def test_polling_without_watching_is_refused(cast: Cast, folder: Path) -> None:
    with pytest.raises(CommandError, match="add --watch"):
        call_command("import_folder", str(folder), owner="alice", poll=True)


def test_a_dry_run_tells_of_each_file_and_makes_no_album(
    cast: Cast, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("import_folder", str(folder), owner="alice", album="Summer", dry_run=True)
    lines = capsys.readouterr().out.splitlines()
    assert lines[:3] == ["0.jpg: new", "1.jpg: new", "2.jpg: new"]
    assert lines[3].startswith("notes.txt: ")
    assert not MediaItem.objects.exists()
    assert not Album.objects.filter(title="Summer").exists()


def test_a_dry_run_counts_as_the_import_does(cast: Cast, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "again.jpg").write_bytes((folder / "0.jpg").read_bytes())
    call_command("import_folder", str(folder), owner="alice", dry_run=True)
    call_command("import_folder", str(folder), owner="alice")
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if "known already" in line] == [
        "3 new, 1 known already, 1 no photo or video, 0 failed.",
        "3 imported, 1 known already, 1 no photo or video, 0 failed.",
    ]


@pytest.mark.parametrize("workers", ["0", "-1", "two"])
def test_a_number_of_workers_that_cannot_be_is_refused(cast: Cast, folder: Path, workers: str) -> None:
    with pytest.raises(CommandError, match="no whole number"):
        call_command("import_folder", str(folder), f"--workers={workers}")


def test_a_missing_disk_ends_with_an_error(cast: Cast, folder: Path) -> None:
    call_command("import_folder", str(folder), in_place=True)
    folder.rename(folder.with_name("away"))
    with pytest.raises(CommandError, match="storage missing"):
        call_command("import_folder", str(folder), in_place=True)
    assert MediaItem.objects.count() == 3


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_watch_ends_cleanly_when_it_is_asked_to(
    installation: Installation, folder: Path, number: signal.Signals
) -> None:
    installation.python(MAKE_ADMIN)
    process = installation.start_manage("import_folder", str(folder), "--watch")
    wait_until(lambda: installation.ask("MediaItem.objects.count()") == 3, 30, "the first pass")
    process.send_signal(number)
    output, _ = process.communicate(timeout=20)
    assert (process.returncode, "Traceback" in output) == (0, False), output


def test_an_import_that_was_killed_goes_on_where_it_was(installation: Installation, folder: Path) -> None:
    for n in range(3, 60):
        (folder / f"{n}.jpg").write_bytes(scene_bytes(seed=n))
    installation.python(MAKE_ADMIN)
    process = installation.start_manage("import_folder", str(folder))
    wait_until(lambda: installation.ask("MediaItem.objects.count()") > 2, 30, "some items")
    process.kill()
    process.wait()

    output = installation.manage("import_folder", str(folder))
    assert "1 no photo or video, 0 failed" in output
    rows = installation.ask("[list(row) for row in MediaItem.objects.values_list('preview_status', 'sha256')]")
    assert len(rows) == 60
    assert {status for status, _ in rows} == {"ready"}
    originals = (installation.folder / "var" / "media" / "originals").rglob("*.jpg")
    assert sorted(path.stem for path in originals) == sorted(sha256 for _, sha256 in rows)


def test_the_lines_of_the_guide(installation: Installation, folder: Path) -> None:
    installation.python(MAKE_ADMIN)
    for name in ("Takeout", "inbox"):
        (folder / name).mkdir()
    lines = [line for line in manage_lines(REPOSITORY / "docs" / "importing.md") if "--watch" not in line]
    assert len(lines) >= 4
    for line in lines:
        installation.manage(*(word.replace("/mnt/photos", str(folder)) for word in line))
    assert installation.ask("MediaItem.objects.filter(preview_status='ready').count()") == 3
    assert installation.ask("Album.objects.get(title='Old camera').items.count()") == 3
