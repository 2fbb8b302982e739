"""The units, site files and limits as the installer fills them in: systemd, logrotate and Caddy take them."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from album.inference.hardware import GIB, Hardware, detect_hardware
from album.inference.profiles import PROFILES
from album.management.unit_limits import BEAT, GPU_LINES, WEB, WORKER, limits_of

REPOSITORY = Path(__file__).resolve().parents[2]
DEPLOYMENT = REPOSITORY / "deployment"
UNITS = (WEB, WORKER, BEAT)
EXPOSURE = "20"
"""At most 2.0, as systemd-analyze counts: tenths."""


def tool(name: str) -> str:
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def filled(template: Path, app: Path) -> str:
    """The text with what the installer puts in; ``app`` is a folder with ``venv/bin``."""
    values = {"APP_DIR": str(app), "DATA_DIR": "/var/lib/photo-album", "USER": "www-data", "GROUP": "www-data"}
    text = template.read_text()
    for name, value in values.items():
        text = text.replace(f"@{name}@", value)
    unknown = re.findall(r"@[A-Z_]+@", text)
    assert not unknown, f"{template}: the installer does not know {unknown}"
    return text


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """A folder like /etc/systemd/system after the installation on a small machine."""
    app, folder = tmp_path / "app", tmp_path / "units"
    (app / "venv/bin").mkdir(parents=True)
    for name in ("python", "gunicorn"):
        (app / "venv/bin" / name).symlink_to("/bin/true")
    for template in (DEPLOYMENT / "systemd").rglob("*"):
        if template.is_file():
            target = folder / template.relative_to(DEPLOYMENT / "systemd")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(filled(template, app))
    for unit in UNITS:
        write_limits(folder, unit, "raspberry-pi")
    return folder


def write_limits(folder: Path, unit: str, profile: str) -> None:
    target = folder / f"{unit}.service.d" / "50-profile.conf"
    target.parent.mkdir(exist_ok=True)
    lines = limits_of(f"{unit}.service", PROFILES[profile], machine(2), decode_mb=700)
    target.write_text("\n".join(["[Service]", *lines, ""]))


def machine(gib: float) -> Hardware:
    return Hardware(total_bytes=int(gib * GIB), available_bytes=int(gib * GIB), cores=4, architecture="aarch64")


def limit_mb(unit: str, profile: str, gib: float) -> int:
    lines = limits_of(unit, PROFILES[profile], machine(gib), decode_mb=700)
    (line,) = (line for line in lines if line.startswith("MemoryMax="))
    return int(line.removeprefix("MemoryMax=").removesuffix("M"))


def test_systemd_takes_every_unit_without_a_word(units) -> None:
    files = sorted(map(str, units.glob("photo-album*.*e*")))
    files = [file for file in files if Path(file).is_file()]
    assert len(files) == len(UNITS) + 1
    verify = [tool("systemd-analyze"), "verify", "--man=no", *files]
    done = subprocess.run(verify, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.mark.parametrize(("unit", "profile"), [(unit, "raspberry-pi") for unit in UNITS] + [(WORKER, "gpu")])
def test_units_are_exposed_by_two_at_most(units, unit, profile) -> None:
    write_limits(units, unit, profile)
    security = [tool("systemd-analyze"), "security", "--offline=yes", f"--threshold={EXPOSURE}", "--no-pager"]
    done = subprocess.run(
        [*security, str(units / f"{unit}.service")], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "ProtectSystem" in done.stdout


def test_every_unit_is_restarted_watched_and_ends_with_its_children(units) -> None:
    shared = (units / "photo-album-.service.d/10-album.conf").read_text().splitlines()
    for line in ("Restart=always", "WatchdogSec=180", "Type=notify", "KillMode=mixed", "OOMPolicy=continue"):
        assert line in shared
    assert "StartLimitIntervalSec=0" in shared
    for unit in UNITS:
        text = (units / f"{unit}.service").read_text()
        assert "TimeoutStopSec=" in text
        assert "WantedBy=photo-album.target" in text


def test_limits_leave_the_system_its_part_of_a_small_machine() -> None:
    assert limit_mb(WORKER, "raspberry-pi", 2) < 2048 - 350
    assert limit_mb(WEB, "raspberry-pi", 2) <= 1074
    assert limit_mb(WORKER, "minimal", 0.9) < 900
    assert limit_mb(WORKER, "mid-range", 8) == limit_mb(WORKER, "mid-range", 11) > 2000


def test_worker_stands_back_on_small_machines_and_gets_the_gpu_of_large_ones() -> None:
    small = limits_of(WORKER, PROFILES["raspberry-pi"], machine(2), decode_mb=700)
    large = limits_of(WORKER, PROFILES["gpu"], machine(64), decode_mb=700)
    assert {"CPUWeight=20", "IOWeight=20", "Nice=5"} <= set(small)
    assert set(GPU_LINES) <= set(large)
    assert set(GPU_LINES).isdisjoint(small)


def test_profile_does_not_follow_from_the_limit_of_our_own_unit(tmp_path) -> None:
    group = tmp_path / "sys/fs/cgroup/system.slice/photo-album-celery-worker.service"
    group.mkdir(parents=True)
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text(f"0::/{group.relative_to(tmp_path / 'sys/fs/cgroup')}\n")
    (group / "memory.max").write_text(str(GIB // 2))
    (group / "memory.current").write_text("0")
    found = detect_hardware(tmp_path)
    assert not found.is_limited_by_group
    assert found.available_bytes <= GIB // 2 < found.total_bytes


def test_show_profile_prints_the_drop_in_of_a_unit_and_refuses_others(capsys) -> None:
    from django.core.management import CommandError, call_command

    call_command("show_profile", systemd="photo-album-web.service")
    assert "[Service]\nMemoryHigh=" in capsys.readouterr().out
    with pytest.raises(CommandError, match=r"ssh\.service is no unit of the album"):
        call_command("show_profile", systemd="ssh.service")
    call_command("show_profile", env=True)
    assert "CELERY_WORKER_CONCURRENCY=" in capsys.readouterr().out


def test_logrotate_takes_its_file(tmp_path) -> None:
    target = tmp_path / "photo-album"
    target.write_text(filled(DEPLOYMENT / "logrotate/photo-album", tmp_path))
    target.chmod(0o644)
    dry = [tool("logrotate"), "--debug", "--state", str(tmp_path / "state"), str(target)]
    done = subprocess.run(dry, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert "error" not in done.stderr.lower()


def test_caddy_takes_its_file() -> None:
    validate = [
        tool("caddy"),
        "validate",
        "--adapter",
        "caddyfile",
        "--config",
        str(DEPLOYMENT / "caddy/Caddyfile"),
    ]
    done = subprocess.run(validate, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
