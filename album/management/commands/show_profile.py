"""``manage.py show_profile``: what this machine is, what follows from it, and what a batch would use now."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from album.exceptions import NotEnoughMemory
from album.inference.catalogue import CATALOGUE, MB, Entry
from album.inference.hardware import GIB, Hardware, detect_hardware, torch_version
from album.inference.profiles import (
    CLASSIFIERS,
    DETECTORS,
    Profile,
    choose_profile,
    memory_budget,
    plan_stages,
    preflight,
)
from album.inference.weights import installed
from album.management.unit_limits import limits_of


class Command(BaseCommand):
    help = "Prints the hardware found, the profile chosen and why, the weights, and what a batch would use now."

    def add_arguments(self, parser: CommandParser) -> None:
        instead = parser.add_mutually_exclusive_group()
        instead.add_argument("--systemd", metavar="UNIT", help="print what this unit may take, as a drop-in")
        instead.add_argument("--env", action="store_true", help="print what the profile advises, as lines of .env")

    def handle(self, *args: Any, **options: Any) -> None:
        hardware = detect_hardware()
        profile, reasons = choose_profile(hardware, settings.AI_PROFILE)
        if options["systemd"]:
            self.stdout.write(_drop_in(options["systemd"], profile, hardware))
            return
        if options["env"]:
            self.stdout.write("\n".join(_advice(profile, hardware.cores)))
            return
        self._section("Found", _hardware_lines(hardware))
        self._section(f"Profile: {profile.name}", [*reasons, *_profile_lines(profile, hardware.cores)])
        budget = f"{memory_budget(profile, hardware.available_bytes) / MB:,.0f} MB may be used by a batch now."
        self._section(f"Weights in {settings.MODELS_CACHE_DIR}", [budget, *_weights_lines(profile, hardware)])
        plan = plan_stages(profile, settings.MODELS_CACHE_DIR, hardware.available_bytes)
        lines = [f"{stage.stage}: {stage.weights.id}, {stage.micro_batch} at a time" for stage in plan.stages]
        self._section(
            "A batch would use now", [*lines, *plan.reasons, "Why:", *(f"- {line}" for line in plan.details)]
        )

    def _section(self, title: str, lines: list[str]) -> None:
        self.stdout.write(title)
        for line in lines:
            self.stdout.write(f"  {line}")


def _drop_in(unit: str, profile: Profile, hardware: Hardware) -> str:
    lines = limits_of(unit, profile, hardware, settings.DECODE_MEMORY_MB)
    if not lines:
        raise CommandError(f"{unit} is no unit of the album. Its units: systemctl list-units 'photo-album*'")
    source = f"# For the profile {profile.name} on {hardware.total_bytes / GIB:.1f} GiB, {hardware.cores} cores."
    return "\n".join(
        [source, "# Made by manage.py show_profile --systemd; your changes: systemctl edit", "[Service]", *lines]
    )


def _advice(profile: Profile, cores: int) -> list[str]:
    return [
        f"AI_BATCH_SIZE={profile.batch_size}",
        f"AI_PROCESSING_TIMEOUT={profile.item_timeout_s:g}",
        f"CELERY_WORKER_CONCURRENCY={min(profile.worker_concurrency, cores)}",
    ]


def _hardware_lines(hardware: Hardware) -> list[str]:
    group = " (limit of the control group)" if hardware.is_limited_by_group else ""
    gpu = f"{hardware.gpu_name}, {hardware.gpu_bytes / GIB:.1f} GiB" if hardware.gpu_name else "none found"
    return [
        f"memory: {hardware.total_bytes / GIB:.1f} GiB{group}, {hardware.available_bytes / GIB:.1f} GiB free",
        f"cores: {hardware.cores}, {hardware.architecture} {' '.join(hardware.instruction_sets)}".rstrip(),
        f"GPU: {gpu}",
        f"torch: {torch_version() or 'not installed (needed for a GPU and for export_models only)'}",
    ]


def _profile_lines(profile: Profile, cores: int) -> list[str]:
    return [
        f"runtime: {profile.runtime}, {profile.threads} thread(s), up to {profile.micro_batch} pictures at a time",
        f"pictures are decoded to {profile.image_size_px} px or more on the short side",
        f"memory ceiling of a batch: {profile.memory_ceiling_bytes / MB:,.0f} MB",
        f"items per scheduled run: {profile.batch_size}; seconds per item: {profile.item_timeout_s:g}",
        f"worker concurrency: {min(profile.worker_concurrency, cores)}; "
        f"decoding threads: {profile.decode_threads}; frames of a video: {profile.video_frames}",
    ]


def _weights_lines(profile: Profile, hardware: Hardware) -> list[str]:
    lines = []
    for name in (*profile.embed, *profile.caption, *DETECTORS, *CLASSIFIERS):
        entry = CATALOGUE[name]
        there = installed(entry, settings.MODELS_CACHE_DIR)
        state = "installed" if there else f"missing: {_mending_steps(entry)}"
        try:
            preflight(profile, entry, hardware.available_bytes)
            fit = "fits"
        except NotEnoughMemory:
            fit = "does NOT fit"
        source = "measured" if entry.memory.is_measured else "estimated"
        lines.append(f"{name:<28} {fit}: {entry.memory.of(1) / MB:,.0f} MB ({source}); {state}")
    return lines


def _mending_steps(entry: Entry) -> str:
    """The commands in the order in which they work: an export needs its source first."""
    source = CATALOGUE[entry.derived_from] if entry.derived_from else None
    if source is None or installed(source, settings.MODELS_CACHE_DIR):
        return entry.mending_command
    return f"{source.mending_command}, then {entry.mending_command}"
