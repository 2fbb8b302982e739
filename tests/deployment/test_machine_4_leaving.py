"""Upgrades that fail, upgrades that work, and the end: nothing is left but the library, then not even that."""

from __future__ import annotations

import pytest

from tests.deployment.album import APP, DATA, UNITS, Album, photo, sha256
from tests.deployment.machine import CommandFailed, wait_until
from tests.deployment.tree import CHECKOUT

BROKEN_MIGRATION = """
from django.db import migrations

def fail(apps, schema_editor):
    schema_editor.execute("CREATE TABLE half_done (id integer)")
    raise RuntimeError("this migration cannot work")

class Migration(migrations.Migration):
    atomic = False
    dependencies = [("album", "{last}")]
    operations = [migrations.RunPython(fail)]
"""
TRACES = """
find /etc /var/log /var/spool /run /usr/lib/systemd -xdev | grep -iE 'photo.album|celery'
grep -rliE 'photo.album' /etc /var/spool/cron 2>/dev/null
systemctl list-unit-files --no-legend 'photo-album*'
systemctl list-units --all --no-legend 'photo-album*'
ls -d {app}* 2>/dev/null
find /proc -maxdepth 2 -name cwd -lname '{app}*' 2>/dev/null
"""


def release(album: Album) -> str:
    return album.machine.out(
        f"cat {APP}/.release; cd {APP} && find album photo_album -name '*.py' | sort | xargs cat | sha256sum"
    )


def test_upgrade_with_a_failing_migration_goes_back_by_itself(album: Album) -> None:
    content = photo()
    assert album.alice().upload("before-the-upgrade.jpg", content)[1]["status"] == "stored"
    migrations = album.machine.tree / CHECKOUT / "album/migrations"
    last = sorted(path.stem for path in migrations.glob("0*.py"))[-1]
    broken = migrations / "9999_broken.py"
    broken.write_text(BROKEN_MIGRATION.format(last=last))
    before = release(album)

    with pytest.raises(CommandFailed, match="this migration cannot work") as failure:
        album.install("--upgrade")

    broken.unlink()
    assert "release before is running again" in str(failure.value)
    assert release(album) == before
    wait_until(album.answers, 30, "the web server answers")
    assert album.active() == ["active"] * 3
    assert album.ask(f"MediaItem.objects.filter(sha256='{sha256(content)}').count()") == 1
    assert "half_done" not in album.ask("__import__('django.db').db.connection.introspection.table_names()")


def test_upgrade_brings_the_new_release_and_keeps_the_library(album: Album) -> None:
    items = album.ask("MediaItem.objects.count()")
    page = album.machine.tree / CHECKOUT / "album/apps.py"
    page.write_text(page.read_text() + "\n# A newer release.\n")
    before = release(album)

    album.install("--upgrade")

    assert release(album) != before
    assert album.answers()
    assert album.ask("MediaItem.objects.count()") == items


def test_uninstall_leaves_nothing_but_the_library(album: Album) -> None:
    originals = album.ask("{row.sha256: row.original.path for row in MediaItem.objects.all()}")
    accounts = album.machine.out("getent passwd; getent group")

    album.machine.out(f"cd /{CHECKOUT} && ./deployment/setup_celery_systemd.sh --yes --uninstall", timeout=300)

    assert album.machine.run(TRACES.format(app=APP))[1] == ""
    assert album.machine.out("getent passwd; getent group") == accounts  # www-data is Debian's own
    assert album.machine.run(f"systemctl is-active {' '.join(UNITS)}")[1].split() == ["inactive"] * 3
    assert originals
    for expected, path in originals.items():
        assert sha256(album.machine.path(path).read_bytes()) == expected


def test_purge_takes_the_library_away_and_a_bare_word_is_not_enough(album: Album) -> None:
    line = f"cd /{CHECKOUT} && ./deployment/setup_celery_systemd.sh"
    status, _ = album.machine.run(f"{line} --purge")  # nobody says yes
    assert status != 0
    assert list((album.machine.data / "media").iterdir())

    album.machine.out(f"{line} --purge --yes")

    assert album.machine.out(f"find {DATA} -mindepth 1 -not -name lost+found") == ""
