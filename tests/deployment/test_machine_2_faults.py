"""What happens when processes die or hang, Redis goes away, memory is short, the machine reboots."""

from __future__ import annotations

import time

import pytest

from tests.deployment.album import BEAT, UNITS, WEB, WORKER, Album, photo
from tests.deployment.machine import wait_until

BACK_WITHIN_S = 15
WATCHDOG_S = 10
REDIS_AWAY_S = 60


def is_well(album: Album) -> bool:
    return album.active() == ["active"] * 3 and album.answers()


@pytest.mark.parametrize("unit", UNITS)
def test_killed_process_is_back_soon(album: Album, unit: str) -> None:
    restarts, pid = album.restarts(unit), album.machine.show(unit, "MainPID")

    album.machine.out(f"kill -9 {pid}")

    def back() -> bool:
        return album.machine.show(unit, "MainPID") not in {"0", pid} and is_well(album)

    took = wait_until(back, 60, lambda: album.machine.run(f"systemctl status {unit}")[1])
    assert album.restarts(unit) == restarts + 1
    assert took <= BACK_WITHIN_S


@pytest.mark.parametrize("unit", UNITS)
def test_process_that_hangs_is_replaced_by_the_watchdog(album: Album, unit: str) -> None:
    folder = f"/run/systemd/system/{unit}.service.d"
    assert album.machine.show(unit, "WatchdogUSec") == "3min"
    shorter = f"mkdir -p {folder} && printf '[Service]\\nWatchdogSec={WATCHDOG_S}\\n' >{folder}/99-test.conf"
    album.machine.out(f"{shorter} && systemctl daemon-reload && systemctl restart {unit}")
    try:
        restarts, pid = album.restarts(unit), album.machine.show(unit, "MainPID")

        album.machine.out(f"kill -STOP {pid}")

        wait_until(lambda: album.restarts(unit) > restarts and is_well(album), 90, f"{unit} is replaced")
        assert "Watchdog timeout" in album.machine.out(f"journalctl -u {unit} -n 50 --no-pager")
    finally:
        album.machine.out(f"rm -r {folder}; systemctl daemon-reload; systemctl restart {unit}")


def test_redis_away_for_a_minute_restarts_nothing_and_work_goes_on(album: Album) -> None:
    wait_until(lambda: is_well(album), 60, "all units run")
    restarts = [album.restarts(unit) for unit in UNITS]
    album.machine.out("systemctl stop redis-server")

    alice = album.alice()
    status, answer = alice.upload("while-redis-is-away.jpg", photo())
    assert (status, answer["status"]) == (201, "stored"), answer
    time.sleep(REDIS_AWAY_S)
    assert is_well(album)

    album.machine.out("systemctl start redis-server")
    album.begin_batch()
    album.wait_for([answer["id"]])
    assert [album.restarts(unit) for unit in UNITS] == restarts


def test_batch_of_large_photos_fits_into_two_gigabytes(album: Album) -> None:
    restarts = [album.restarts(unit) for unit in UNITS]
    killed = album.machine.killed_for_memory()
    alice = album.alice()
    answers = [alice.upload(f"large-{number}.jpg", photo(6000))[1] for number in range(6)]
    assert [answer["status"] for answer in answers] == ["stored"] * 6

    album.begin_batch()
    album.wait_for([answer["id"] for answer in answers])

    assert [album.restarts(unit) for unit in UNITS] == restarts
    assert album.machine.killed_for_memory() == killed
    assert album.machine.memory_peak_mb() <= 2000


def test_reboot_brings_everything_back_and_keeps_the_journal(album: Album) -> None:
    album.machine.reboot()

    wait_until(lambda: is_well(album), 60, "all units run")
    for unit in (WEB, WORKER, BEAT):
        assert "Stopped" in album.machine.out(f"journalctl -b -1 -u {unit} --no-pager")
    assert album.machine.run("systemctl --failed --no-legend")[1] == ""
