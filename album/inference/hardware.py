"""What this machine has: memory and cores that this process may really use, instruction sets, a GPU."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata, util
from pathlib import Path

import psutil

GIB = 1 << 30
UNLIMITED_BYTES = 1 << 60
"""cgroup v1 writes "no limit" as a number near 2^63."""
OWN_UNITS = "photo-album-"
"""The limits of our own units follow from the profile, so the profile must not follow from them."""
TELLING_FLAGS = (
    "avx2",
    "avx512f",
    "avx512_vnni",
    "avx_vnni",
    "amx_int8",
    "neon",
    "asimd",
    "asimddp",
    "i8mm",
    "sve",
)
"""What decides how much int8 gains: dot products (*_vnni, asimddp) and matrix units (amx_int8, i8mm)."""


@dataclass(frozen=True, slots=True)
class Hardware:
    """Memory in bytes is the smaller of the machine's and the control group's (container).

    The limit of a unit of the album counts for ``available_bytes`` only.
    """

    total_bytes: int
    available_bytes: int
    cores: int
    architecture: str
    instruction_sets: tuple[str, ...] = ()
    gpu_name: str | None = None
    gpu_bytes: int = 0
    has_gpu_runtime: bool = False
    is_limited_by_group: bool = False


def detect_hardware(root: Path = Path("/")) -> Hardware:
    """The hardware as this process may use it; ``root`` holds ``proc`` and ``sys`` (another one in tests)."""
    memory = psutil.virtual_memory()
    limit, free = _group_memory(root)
    gpu_name, gpu_bytes = _gpu()
    return Hardware(
        total_bytes=min(memory.total, limit),
        available_bytes=min(memory.available, free),
        cores=max(1, min(len(os.sched_getaffinity(0)), _group_cores(root))),
        architecture=platform.machine(),
        instruction_sets=_instruction_sets(root),
        gpu_name=gpu_name,
        gpu_bytes=gpu_bytes,
        has_gpu_runtime=_has_gpu_runtime(),
        is_limited_by_group=limit < memory.total,
    )


def available_bytes() -> int:
    """Bytes that this process may still take."""
    return min(psutil.virtual_memory().available, _group_memory(Path("/"))[1])


def torch_version() -> str | None:
    """The version of torch if torch and transformers are installed, found without importing either."""
    if util.find_spec("torch") is None or util.find_spec("transformers") is None:
        return None
    return metadata.version("torch")


def _groups(root: Path, controller: str) -> Iterator[Path]:
    """Folders of the control groups of this process, innermost first: version 2, then version 1."""
    for line in _read(root / "proc/self/cgroup").splitlines():
        _, controllers, inner = line.split(":", 2)
        if controllers == "":
            top = root / "sys/fs/cgroup"
        elif controller in controllers.split(","):
            top = root / "sys/fs/cgroup" / controller
        else:
            continue
        folder = top / inner.strip("/")
        yield from (parent for parent in (folder, *folder.parents) if parent.is_relative_to(top))


def _group_memory(root: Path) -> tuple[int, int]:
    """The tightest limit of the control groups and the smallest room left in them, in bytes."""
    limits, rooms = [UNLIMITED_BYTES], [UNLIMITED_BYTES]
    for folder in _groups(root, "memory"):
        for limit_name, used_name, cache_name in (
            ("memory.max", "memory.current", "inactive_file"),
            ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
        ):
            limit = _number(_read(folder / limit_name))
            if limit is None or limit >= UNLIMITED_BYTES:
                continue
            pairs = (line.split() for line in _read(folder / "memory.stat").splitlines())
            cached = next((int(value) for name, value in pairs if name == cache_name), 0)
            used = _number(_read(folder / used_name)) or 0
            is_own = folder.name.startswith(OWN_UNITS)
            if not is_own:
                limits.append(limit)
            if is_own and "worker" not in folder.name:  # the web server tells of the worker's nights
                continue
            rooms.append(max(0, limit - used + cached))  # cached files give way when memory is asked for
    return min(limits), min(rooms)


def _group_cores(root: Path) -> int:
    """Whole cores within the tightest time quota, at least one."""
    quotas = [1 << 16]
    for folder in _groups(root, "cpu"):
        quota, _, period = _read(folder / "cpu.max").partition(" ")
        parts = (
            _number(quota or _read(folder / "cpu.cfs_quota_us")),
            _number(period or _read(folder / "cpu.cfs_period_us")),
        )
        if parts[0] and parts[1] and parts[0] > 0:
            quotas.append(max(1, parts[0] // parts[1]))
    return min(quotas)


def _instruction_sets(root: Path) -> tuple[str, ...]:
    for line in _read(root / "proc/cpuinfo").splitlines():
        name, _, values = line.partition(":")
        if name.strip() in {"flags", "Features"}:
            flags = set(values.split())
            return tuple(flag for flag in TELLING_FLAGS if flag in flags)
    return ()


def _gpu() -> tuple[str | None, int]:
    """Name and memory in bytes of the largest NVIDIA GPU, asked from the driver's own tool."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return None, 0
    query = [tool, "--query-gpu=memory.total,name", "--format=csv,noheader,nounits"]
    try:
        answer = subprocess.run(query, capture_output=True, text=True, timeout=20, check=True).stdout
        found = [line.split(",", 1) for line in answer.splitlines() if line.strip()]
        mebibytes, name = max((int(memory), name.strip()) for memory, name in found)
    except (OSError, subprocess.SubprocessError, ValueError):
        return None, 0
    return name, mebibytes << 20


def _has_gpu_runtime() -> bool:
    version = torch_version()
    return version is not None and not version.endswith("+cpu")


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _number(text: str) -> int | None:
    return int(text) if text.lstrip("-").isdigit() else None
