"""The machine: room on its disks, memory, load, temperature."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
from django.conf import settings
from django.template.defaultfilters import filesizeformat
from django.utils.translation import gettext as _

from album.inference.hardware import detect_hardware
from album.media.storage import is_marked
from album.models import MediaItem
from album.services.status.line import Figure, Line, State

LOW_BYTES, LOW_SHARE = 5_000_000_000, 0.05
FULL_BYTES = 500_000_000
"""Less is left: a database that cannot grow fails, whatever else is free."""
LOW_MEMORY_SHARE = 0.08
HOT_C, TOO_HOT_C = 75.0, 82.0
"""Source: raspberrypi.com, "Frequency management and thermal control": it slows down from 80 °C, more at 85 °C."""
THERMAL = Path("/sys/class/thermal")
THROTTLED = Path("/sys/devices/platform/soc/soc:firmware/get_throttled")
UNDER_VOLTAGE, SLOWED_NOW, UNDER_VOLTAGE_BEFORE = 0x1, 0xE, 0x10000
"""Bits. Source: raspberrypi.com, vcgencmd get_throttled."""


def check() -> Iterator[Line]:
    """A line for each disk that the album writes to, then memory and load, and what keeps a small machine slow."""
    yield from _check_storage()
    yield from _check_disks()
    yield _check_memory()
    yield _check_load()
    yield from _check_temperature()
    yield from _check_throttling()


def _check_storage() -> Iterator[Line]:
    root = Path(settings.MEDIA_ROOT)
    if not is_marked(root) and MediaItem.objects.exists():
        words = _("%(folder)s is not mounted") % {"folder": root}
        yield Line("storage", _("Storage of the originals"), "problem", words, f"mount {root}")


def _check_disks() -> Iterator[Line]:
    purposes: dict[str, Any] = {
        "originals": settings.MEDIA_ROOT,
        "database": settings.VAR_DIR,
        "models": settings.MODELS_CACHE_DIR,
        "backups": settings.BACKUP_DIR,
        "logs": os.environ.get("LOGS_DIRECTORY", "").partition(":")[0],
    }
    disks: dict[int, tuple[Path, list[str]]] = {}
    for purpose, folder in purposes.items():
        if folder and (path := _existing(Path(folder))):
            with suppress(OSError):
                disks.setdefault(path.stat().st_dev, (path, []))[1].append(purpose)
    for path, names in disks.values():
        yield _check_disk(path, names)


def _existing(path: Path) -> Path | None:
    """The folder, or the nearest one above that is there: it will be made on that disk."""
    return next((each for each in (path, *path.parents) if each.is_dir()), None)


def _check_disk(path: Path, names: list[str]) -> Line:
    usage = psutil.disk_usage(str(path))
    state: State = "ok"
    if usage.free < FULL_BYTES:
        state = "problem"
    elif usage.free < min(LOW_BYTES, usage.total * LOW_SHARE):
        state = "warning"
    words = _("%(free)s of %(total)s free (%(folder)s)") % {
        "free": filesizeformat(usage.free),
        "total": filesizeformat(usage.total),
        "folder": path,
    }
    labels = (("volume", names[0]),)
    figures = (Figure("disk_free_bytes", usage.free, labels), Figure("disk_total_bytes", usage.total, labels))
    if state != "ok":
        words += ". " + _("Free some space, or move to a larger disk.")
    return Line(f"disk_{names[0]}", _("Disk: %(what)s") % {"what": _what_of(names)}, state, words, "", figures)


def _what_of(names: list[str]) -> str:
    words = {
        "originals": _("originals"),
        "database": _("database"),
        "models": _("models"),
        "backups": _("backups"),
        "logs": _("logs"),
    }
    return ", ".join(words[name] for name in names)


def _check_memory() -> Line:
    """Of this process's control group, where that has a limit."""
    hardware, swap = detect_hardware(), psutil.swap_memory()
    words = _("%(free)s of %(total)s free") % {
        "free": filesizeformat(hardware.available_bytes),
        "total": filesizeformat(hardware.total_bytes),
    }
    if swap.used:
        words += ", " + _("%(size)s swapped out") % {"size": filesizeformat(swap.used)}
    is_low = hardware.available_bytes < hardware.total_bytes * LOW_MEMORY_SHARE
    figures = (
        Figure("memory_available_bytes", hardware.available_bytes),
        Figure("memory_total_bytes", hardware.total_bytes),
    )
    if is_low:
        words += ". " + _("A smaller AI_PROFILE needs less.")
    return Line("memory", _("Memory"), "warning" if is_low else "ok", words, "", figures)


def _check_load() -> Line:
    one, five, fifteen = os.getloadavg()
    cores = os.cpu_count() or 1
    words = _("%(loads)s on %(cores)s cores") % {"loads": f"{one:.1f}, {five:.1f}, {fifteen:.1f}", "cores": cores}
    state: State = "warning" if fifteen > 4 * cores else "ok"
    return Line("load", _("Load"), state, words, "", (Figure("load15", fifteen),))


def _check_temperature() -> Iterator[Line]:
    degrees = []
    for zone in sorted(THERMAL.glob("thermal_zone*/temp")):
        with suppress(OSError, ValueError):  # some zones cannot be read while they are idle
            degrees.append(int(zone.read_text(encoding="ascii")) / 1000)
    if not degrees:
        return
    hottest = max(degrees)
    state: State = "problem" if hottest >= TOO_HOT_C else "warning" if hottest >= HOT_C else "ok"
    words = f"{hottest:.0f} °C"
    if state != "ok":
        words += ". " + _("It works slower when it is hot: give it air or a heat sink.")
    yield Line("temperature", _("Temperature"), state, words, "", (Figure("temperature_celsius", hottest),))


def _check_throttling() -> Iterator[Line]:
    """A Raspberry Pi says whether it was slowed down, and whether its power supply is too weak."""
    with suppress(OSError, ValueError):
        bits = int(THROTTLED.read_text(encoding="ascii"), 16)
        figures = (Figure("throttled_bits", bits),)
        state: State = "warning"
        if bits & (UNDER_VOLTAGE | UNDER_VOLTAGE_BEFORE):
            state = "problem" if bits & UNDER_VOLTAGE else "warning"
            words = [_("The voltage was too low."), _("Use a stronger power supply and a short cable.")]
        elif bits & SLOWED_NOW:
            words = [_("It is slowed down."), _("It works slower when it is hot: give it air or a heat sink.")]
        else:
            state, words = "ok", [_("as it should be")]
        yield Line("throttling", _("Power and pace"), state, " ".join(words), "", figures)
