"""A fresh machine after the installer: what runs, what the guide's lines say, what it costs at rest."""

from __future__ import annotations

import re
import time

import pytest

from tests.deployment.album import APP, DATA, UNITS, WORKER, Album, photo
from tests.deployment.machine import wait_until
from tests.deployment.tree import REPOSITORY

REST_LIMIT_MIB = 350
IDLE_WINDOW_S = 60
SETTLING_S = 35
"""Linux writes what was changed before after 30 s."""
WATCHED = "/etc /var /root /home /opt /srv /usr"
MAY_BE_WRITTEN_AT_REST = re.compile(r"^/var/log/journal/|^/var/lib/redis/")
GUIDES = ("docs/*.md", "deployment/*.md")
# What the installed album consists of, its times included: a second run must leave all of it alone.
STATE = f"""
find /etc {APP} /var/spool/cron -xdev -path '*/__pycache__' -prune -o -printf '%p %T@ %m %u %g %s %l\\n' | sort
find /etc {APP}/.env -xdev -type f -print0 | sort -z | xargs -0 sha256sum
getent passwd; getent group
for unit in photo-album.target {" ".join(UNITS)} redis-server nginx systemd-journald; do
    systemctl show --property=Id,ActiveEnterTimestampMonotonic,MainPID,UnitFileState "$unit"
done
"""


def test_units_are_active_and_enabled(album: Album) -> None:
    names = ["photo-album.target", *UNITS]

    assert album.machine.out(f"systemctl is-active {' '.join(names)}").split() == ["active"] * 4
    assert album.machine.out(f"systemctl is-enabled {' '.join(names)}").split() == ["enabled"] * 4
    assert album.machine.run("systemctl --failed --no-legend")[1] == ""
    assert album.answers()


@pytest.mark.parametrize("unit", UNITS)
def test_status_and_journal_of_a_unit_show_what_it_does(album: Album, unit: str) -> None:
    status = album.machine.out(f"systemctl status --no-pager {unit}")
    assert "active (running)" in status
    assert "Started" in album.machine.out(f"journalctl -u {unit} -n 50 --no-pager")
    assert "-- No entries --" not in album.machine.out(f"journalctl -u {unit} --since today --no-pager")


def test_lines_of_the_guide_work(album: Album) -> None:
    out = album.machine.out
    for name in ("worker", "beat"):
        out(f"tail -n 5 /var/log/celery/{name}.log")
        out(f"timeout 2 tail -f /var/log/celery/{name}.log || [ $? -eq 124 ]")
        out(f"timeout 2 journalctl -u photo-album-celery-{name} -f || [ $? -eq 124 ]")
    assert out("redis-cli ping") == "PONG"
    for question in ("ping", "active", "stats", "scheduled", "registered", "reserved"):
        said = out(f"cd {APP} && runuser -u www-data -- venv/bin/celery -A photo_album inspect {question}")
        assert "1 node online" in said or "2 nodes online" in said, said
    out(f"{APP}/venv/bin/python -c 'import celery; print(celery.__version__)'")


def test_uploaded_photo_is_pending_until_the_worker_described_it(album: Album) -> None:
    status, answer = album.alice().upload("beach.jpg", photo())
    assert (status, answer["status"]) == (201, "stored"), answer
    assert album.status_of(answer["id"]) == "pending"

    album.begin_batch()

    album.wait_for([answer["id"]])
    run = album.ask("BatchRun.objects.latest('pk').pk")
    story = album.machine.out(f"journalctl BATCH_RUN={run} --no-pager")
    assert len(story.splitlines()) >= 2, story


def journal_lines() -> list[str]:
    """The journalctl lines of the guides."""
    found = set()
    for pattern in GUIDES:
        for page in REPOSITORY.glob(pattern):
            for line in re.findall(r"^\s*(?:\$ )?(?:sudo )?(journalctl .+)$", page.read_text(), re.MULTILINE):
                found.add(line.partition("  #")[0].strip())
    return sorted(found)


@pytest.mark.parametrize("line", journal_lines())
def test_journalctl_lines_of_the_guides_are_understood(album: Album, line: str) -> None:
    status, said = album.machine.run(f"set -o pipefail; timeout 5 {line} 2>&1 >/dev/null")

    assert status in {0, 1, 124}, said  # 1: nothing matches; 124: it goes on with -f
    assert not re.search(r"(?i)unknown|invalid|unrecognized|failed to", said), said


def test_settings_and_library_are_closed_to_others(album: Album) -> None:
    out = album.machine.out
    assert out(f"stat -c '%a %U:%G' {APP}/.env") == "640 root:www-data"
    assert out(f"stat -c '%a %U:%G' {DATA}") == "750 www-data:www-data"
    assert out(f"find {DATA}/media {DATA}/photo_album.sqlite3 -perm /o+rwx ! -type l") == ""
    assert out(f"find {APP} -xdev -perm /o+w ! -type l") == ""
    secret = f"<(sed -n s/^SECRET_KEY=//p {APP}/.env)"  # by its file: this line itself is in the journal
    assert out(f"wc -l < {secret}") == "1"
    assert out(f"journalctl --no-pager -o verbose | grep -cFf {secret} || true") == "0"


def test_second_run_of_the_installer_changes_nothing(album: Album) -> None:
    before = album.machine.out(STATE)

    album.install()

    after = album.machine.out(STATE)
    assert sorted(set(after.splitlines()) ^ set(before.splitlines())) == []


def test_appliance_is_small_at_rest(album: Album) -> None:
    album.machine.out(f"systemctl restart {' '.join(UNITS)}")
    wait_until(album.answers, 60, "the web server answers")
    time.sleep(10)

    total, words = album.resident_mib()

    print(words)
    assert total <= REST_LIMIT_MIB, words


def test_nothing_is_written_while_idle(album: Album) -> None:
    time.sleep(SETTLING_S)
    for _minute in range(2):  # into one of them may fall what beat writes down once an hour: that a chore has run
        album.machine.out("rm -f /run/mark; touch /run/mark")
        written = album.machine.sectors_written()
        time.sleep(IDLE_WINDOW_S)
        if album.machine.sectors_written() == written:
            break

    assert album.machine.sectors_written() == written
    newer = album.machine.out(
        f"find {WATCHED} -xdev -newer /run/mark -type f; find {DATA} -newer /run/mark -type f"
    )
    assert [name for name in newer.splitlines() if not MAY_BE_WRITTEN_AT_REST.match(name)] == []


def test_worker_says_what_it_does(album: Album) -> None:
    assert "ready" in album.machine.show(WORKER, "StatusText")
