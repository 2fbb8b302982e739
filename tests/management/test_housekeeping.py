"""The commands and tasks of housekeeping, and when beat rings them."""

from __future__ import annotations

import io
import os
import signal
import time
from datetime import timedelta
from pathlib import Path
from textwrap import dedent

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from django_celery_beat.models import CrontabSchedule, PeriodicTask

from album import tasks
from album.management.commands.fsck import duration
from album.models import MediaItem
from album.services.schedule import CHORES, write_housekeeping
from album.services.trash import move_to_trash
from photo_album.celery import app
from tests.architecture.test_docs import REPOSITORY, manage_lines
from tests.cast import Cast, make_photo
from tests.faults.installation import MAKE_PHOTOS, Installation

GUIDE = REPOSITORY / "docs" / "housekeeping.md"


@pytest.fixture(autouse=True)
def _own_spool(settings, tmp_path: Path) -> None:
    settings.FILE_UPLOAD_TEMP_DIR = tmp_path / "spool"


def manage(*arguments: str) -> str:
    output = io.StringIO()
    call_command(*arguments, stdout=output, stderr=output)
    return output.getvalue()


def leave_part(settings, *, age_hours: float) -> Path:
    part = Path(settings.MEDIA_ROOT, "originals", f"{age_hours}.part")
    part.parent.mkdir(parents=True, exist_ok=True)
    part.write_bytes(bytes(2048))
    os.utime(part, (time.time() - age_hours * 3600,) * 2)
    return part


def test_cleanup_prints_what_it_removed(cast: Cast, settings) -> None:
    old, young = leave_part(settings, age_hours=25), leave_part(settings, age_hours=23)
    arguments = ("cleanup_orphaned_photos", "--incomplete-only", "--older-than-hours=24")

    listed = manage(*arguments, "--dry-run")
    assert "originals/25.part" in listed
    assert "1 incomplete files and the renditions of 0 contents would be removed: 2.0\xa0KB." in listed
    assert old.exists()
    assert "were removed: 2.0\xa0KB." in manage(*arguments)
    assert [old.exists(), young.exists()] == [False, True]


def test_the_daily_and_the_weekly_task_leave_the_young(cast: Cast, settings) -> None:
    leave_part(settings, age_hours=200)
    day_old, young = leave_part(settings, age_hours=30), leave_part(settings, age_hours=1)
    assert tasks.cleanup_old_incomplete_photos()["incomplete"] == 1
    assert day_old.exists()
    assert tasks.cleanup_orphaned_photos() == {"incomplete": 1, "renditions": 0, "size_bytes": 2048}
    assert young.exists()


def test_the_trash_is_purged_by_command_and_task(cast: Cast) -> None:
    first, second = make_photo(cast.alice), make_photo(cast.alice, seed=1)
    for item in (first, second):
        move_to_trash(user=cast.alice, items=[item])
        assert "0 items older than 30 days" in manage("purge_trash")
        MediaItem.objects.update(trashed_at=timezone.now() - timedelta(days=31))
        if item == first:
            MediaItem.objects.filter(pk=second.pk).update(trashed_at=None)
            assert "1 items older than 30 days deleted" in manage("purge_trash")
    assert tasks.purge_trash()["items"] == 1
    assert not MediaItem.objects.exists()


def test_fsck_of_a_whole_library_ends_well(cast: Cast) -> None:
    make_photo(cast.alice)
    assert "1 originals read" in manage("fsck")
    assert "0 originals read" in manage("fsck", "--incremental")


def test_fsck_lists_findings_and_ends_with_1(cast: Cast) -> None:
    photo = make_photo(cast.alice)
    photo.path.unlink()
    output = io.StringIO()
    with pytest.raises(CommandError, match="1 findings") as caught:
        call_command("fsck", stdout=output, stderr=output)
    assert caught.value.returncode == 1
    assert f"{photo.path} is missing" in output.getvalue()


def test_fsck_without_storage_ends_with_2(cast: Cast, settings) -> None:
    make_photo(cast.alice)
    Path(settings.MEDIA_ROOT).rename(Path(settings.MEDIA_ROOT).with_name("unplugged"))
    with pytest.raises(CommandError, match="storage missing") as caught:
        manage("fsck")
    assert caught.value.returncode == 2


def test_fsck_out_of_time_says_that_it_goes_on(cast: Cast) -> None:
    make_photo(cast.alice)
    assert "the next incremental run goes on" in manage("fsck", "--time-limit", "0s")


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("20m", 1200), ("1h", 3600), ("1h30m", 5400)])
def test_durations_are_written_as_people_do(text: str, seconds: int) -> None:
    assert duration(text).total_seconds() == seconds


@pytest.mark.parametrize("text", ["", "10", "h", "1d", "-1h"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(CommandError, match="duration"):
        call_command("fsck", f"--time-limit={text}")


def test_the_nightly_check_logs_what_it_found(cast: Cast, caplog) -> None:
    photo = make_photo(cast.alice)
    make_photo(cast.alice, seed=1)
    photo.path.unlink()
    assert tasks.check_library() == {"checked": 2, "findings": 1, "is_complete": True}
    assert f"{photo.path} is missing" in caplog.text
    assert tasks.check_library()["checked"] == 1, "the whole one is not read again"


def test_the_nightly_check_makes_no_items(cast: Cast, caplog) -> None:
    photo = make_photo(cast.alice)
    MediaItem.objects.all().delete()
    assert tasks.check_library() == {"checked": 0, "findings": 1, "is_complete": True}
    assert f"{photo.original.name}: belongs to no item" in caplog.text
    assert not MediaItem.objects.exists()
    assert "1 mended, 0 findings" in manage("fsck")


def test_beat_gets_an_entry_for_each_chore(db: None) -> None:
    manage("setup_beat_schedule")
    entries = {entry.task for entry in PeriodicTask.objects.filter(enabled=True)}
    assert {f"album.tasks.{chore.task}" for chore in CHORES if chore.is_enabled} <= entries
    assert "album.tasks.restore_drill" not in entries, "off until an admin wants it"
    weekly = PeriodicTask.objects.get(task="album.tasks.cleanup_old_incomplete_photos").crontab
    assert (weekly.hour, weekly.minute, weekly.day_of_week) == ("3", "53", "0")


def test_every_chore_is_a_task() -> None:
    app.loader.import_default_modules()
    assert [chore.task for chore in CHORES if f"album.tasks.{chore.task}" not in app.tasks] == []
    route = app.amqp.router.route({}, "album.tasks.check_library")
    assert route["queue"].name == "ai", "twenty minutes of reading keep nobody's preview waiting"


def test_what_an_admin_changed_stays(db: None) -> None:
    write_housekeeping()
    purge = PeriodicTask.objects.get(task="album.tasks.purge_trash")
    purge.crontab = CrontabSchedule.objects.create(hour="12", minute="1")
    purge.enabled = False
    purge.save()
    PeriodicTask.objects.filter(task="album.tasks.check_library").delete()

    manage("setup_beat_schedule")

    purge.refresh_from_db()
    assert (purge.enabled, purge.crontab.hour) == (False, "12")
    assert PeriodicTask.objects.filter(task="album.tasks.check_library", enabled=True).exists()
    assert PeriodicTask.objects.filter(task="album.tasks.purge_trash").count() == 1


def killed(installation: Installation, *arguments: str, step: str) -> None:
    process = installation.start_manage(*arguments, PHOTO_ALBUM_FAILPOINT=step)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL, output


def test_an_original_whose_upload_was_killed_before_its_row_is_adopted(installation: Installation) -> None:
    installation.python("from django.contrib.auth.models import User; User.objects.create_superuser('root')")
    upload = dedent(MAKE_PHOTOS.format(count=1))
    killed(installation, "shell", "--verbosity", "0", "-c", upload, step="upload-placed")
    assert installation.ask("MediaItem.objects.count()") == 0

    assert "1 mended, 0 findings" in installation.manage("fsck")

    rows = installation.ask("list(MediaItem.objects.values_list('owner__username', 'albums__title'))")
    assert rows == [["root", "Recovered"]]
    assert "0 mended, 0 findings" in installation.manage("fsck")


def test_a_purge_that_was_killed_between_row_and_file_leaves_what_fsck_finds(installation: Installation) -> None:
    installation.make_photos(2)
    installation.python("MediaItem.objects.update(trashed_at='2020-01-01T00:00:00Z')")
    killed(installation, "purge_trash", step="purge")
    assert installation.ask("MediaItem.objects.count()") == 1
    assert "1 items older" in installation.manage("purge_trash")
    output = installation.manage("fsck", expected=1)
    assert "belongs to no item" in output, "there is no admin who could get it"


def test_the_lines_of_the_guide_run(installation: Installation) -> None:
    installation.make_photos(3)
    lines = manage_lines(GUIDE)
    assert len(lines) >= 8
    for line in lines:
        installation.manage(*line)
    assert installation.ask("MediaItem.objects.filter(verified_at=None).count()") == 0


def test_the_guide_names_every_chore() -> None:
    page = GUIDE.read_text()
    assert [chore for chore in CHORES if f"| {chore.name} | `{chore.task}` |" not in page] == []
