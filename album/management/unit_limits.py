"""What each unit of systemd may take of this machine: the drop-in ``50-profile.conf``."""

from __future__ import annotations

from album.inference.hardware import Hardware
from album.inference.profiles import Profile

MIB = 1 << 20
"""What systemd means by M."""
WEB, WORKER, BEAT = "photo-album-web", "photo-album-celery-worker", "photo-album-celery-beat"
REST_MB = {WEB: 200, WORKER: 250, BEAT: 200}
"""Twice what it takes at rest. Source: docs/decisions/0017-units.md."""
SEARCH_MB = 350
"""The helper process of the search by looks. Measured: 270 MB with 100,000 items."""
SYSTEM_MB = 400
"""Left by the worker to the web server, Redis and the system on the smallest machines."""
HIGH_SHARE = 0.9
"""From here on the kernel takes pages back, before it would have to end a process."""
SMALL_BYTES = 1000 * MIB
"""A profile whose batches may take less belongs to a machine where the worker must stand back."""
GPU_LINES = ("PrivateDevices=no", "DevicePolicy=closed", "DeviceAllow=char-nvidia* rw")


def limits_of(unit: str, profile: Profile, hardware: Hardware, decode_mb: int) -> list[str]:
    """The lines of section [Service] for ``unit``; none for a unit that is not the album's."""
    unit = unit.removesuffix(".service")
    if unit not in REST_MB:
        return []
    is_small = profile.memory_ceiling_bytes < SMALL_BYTES
    weight = {WEB: 200, WORKER: 20 if is_small else 50, BEAT: 100}[unit]
    most_mb = _memory_mb(unit, profile, hardware, decode_mb)
    lines = [
        f"MemoryHigh={int(most_mb * HIGH_SHARE)}M",
        f"MemoryMax={most_mb}M",
        f"CPUWeight={weight}",
        f"IOWeight={weight}",
        f"Nice={5 if unit == WORKER and is_small else 0}",
        f"TasksMax={32 if unit == BEAT else 192 + 16 * hardware.cores}",
    ]
    if unit == WORKER and profile.runtime == "torch":
        lines += GPU_LINES
    return lines


def _memory_mb(unit: str, profile: Profile, hardware: Hardware, decode_mb: int) -> int:
    """What the unit may need at its peak, within what the machine has."""
    total_mb = hardware.total_bytes // MIB
    if unit == BEAT:
        return REST_MB[BEAT]
    if unit == WEB:
        return min(REST_MB[WEB] + SEARCH_MB + decode_mb, total_mb // 2)
    decoders = profile.decode_threads + 1  # those of the batch, and the one that makes previews
    wanted_mb = REST_MB[WORKER] + profile.memory_ceiling_bytes // MIB + decoders * decode_mb
    return min(wanted_mb, max(total_mb - SYSTEM_MB, total_mb // 2))
