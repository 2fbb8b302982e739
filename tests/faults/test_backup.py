"""Backup and restore as an administrator does them: on both databases, with kill -9 in the middle."""

from __future__ import annotations

import gzip
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import pytest

from tests.faults.installation import MAKE_PHOTOS, Installation
from tests.faults.servers import postgresql

COUNTS = "[MediaItem.objects.count(), Album.objects.count(), MediaItem.objects.filter(title='mine').count()]"
OTHER_LIBRARY = """
    from album.models import MediaItem
    MediaItem.objects.all().delete()
    from django.contrib.auth.models import User
    User.objects.all().delete()
"""


def killed(installation: Installation, *arguments: str, step: str) -> None:
    process = installation.start_manage(*arguments, PHOTO_ALBUM_FAILPOINT=step)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == -signal.SIGKILL, output


def test_a_library_that_was_lost_comes_back(installation_on_each_database: Installation) -> None:
    installation = installation_on_each_database
    backups, originals = str(installation.folder / "usb"), installation.folder / "var" / "media" / "originals"
    installation.python(
        dedent(MAKE_PHOTOS.format(count=5))
        + "from album.models import MediaItem; MediaItem.objects.update(title='mine')"
    )
    names = sorted(path.name for path in originals.glob("*/*"))
    assert "new of it: 5 files" in installation.manage("backup", backups)
    drill = installation.manage("restore_drill", backups)
    assert "5 files and" in drill and "5 items of 1 accounts; 5 originals read and whole" in drill
    assert not (installation.folder / "usb" / "drill").exists()

    shutil.rmtree(originals)
    installation.python(OTHER_LIBRARY)
    killed(installation, "restore", backups, step="restore-file:3")
    killed(installation, "restore", backups, "--force", step="restore-database")
    assert installation.ask(COUNTS) == [0, 0, 0], "the database changes in one step, or not at all"
    assert "5 files" in installation.manage("restore", backups, "--force")

    assert installation.ask(COUNTS) == [5, 0, 5]
    assert sorted(path.name for path in originals.glob("*/*")) == names


def test_a_backup_killed_at_any_step_leaves_the_last_one_and_the_next_goes_on(installation: Installation) -> None:
    root = installation.folder / "usb"
    installation.make_photos(5)
    installation.manage("backup", str(root), "--database-only")
    for step in ("backup-database", "backup-file:3", "backup-manifest"):
        killed(installation, "backup", str(root), step=step)
        assert [path.parent.name[:6] for path in root.glob("*[!l]/manifest.jsonl")] == ["000001"]
    assert "new of it: 0 files" in installation.manage("backup", str(root)), "what was brought is used"
    assert "whole: the database and 5 files" in installation.manage("restore", str(root), "--verify-only")
    assert not list(root.glob("*.partial"))


@pytest.fixture
def on_postgresql(tmp_path: Path) -> Iterator[Installation]:
    with postgresql() as url:
        made = Installation(tmp_path, {"DATABASE_URL": url})
        yield made
        made.end()


def test_postgresql_takes_a_dump_whole_or_not_at_all(on_postgresql: Installation, tmp_path: Path) -> None:
    installation = on_postgresql
    installation.make_photos(2)
    installation.manage("backup", str(tmp_path / "usb"), "--database-only")
    dump = next((tmp_path / "usb").glob("*/database.sql.gz"))
    load = """
        from pathlib import Path
        from album.exceptions import BackupError
        from album.services.backup import postgresql
        try:
            postgresql.load(Path({path!r}), {counts})
        except BackupError as error:
            print(error)
    """
    said = installation.python(load.format(path=str(dump), counts={"album_mediaitem": 3}))
    assert "nothing was changed" in said and "table album_mediaitem has not the 3 rows" in said
    cut = tmp_path / "cut.sql.gz"
    with gzip.open(dump, "rt") as whole, gzip.open(cut, "wt") as short:
        short.writelines(line for line in whole if not line.startswith("CREATE TABLE public.album_mediaitem"))
    assert "nothing was changed: ERROR" in installation.python(load.format(path=str(cut), counts={}))
    assert installation.ask(COUNTS) == [2, 0, 0]

    hold = "from album.models import *; import time; print(MediaItem.objects.count(), flush=True); time.sleep(300)"
    busy = installation.start_manage("shell", "--verbosity", "0", "-c", hold)
    assert busy.stdout is not None and busy.stdout.readline() == "2\n"
    assert "The database is in use by" in installation.manage("restore", str(dump.parent), "--force", expected=1)
