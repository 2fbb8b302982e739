"""What this machine is, what follows from it, and which weights are there, as the settings page tells it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from django.conf import settings

from album.exceptions import WeightsCorrupt, WeightsError, WeightsMissing
from album.models import WeightsDownload
from album.services.downloads import is_under_way

if TYPE_CHECKING:
    from album.inference.catalogue import Entry
    from album.inference.hardware import Hardware
    from album.inference.profiles import Profile

State = Literal["installed", "missing", "damaged"]


@dataclass(frozen=True, slots=True)
class ModelState:
    """Weights of the profile, whether they are there, and how they come here. ``problem``: why not, in words."""

    entry: Entry
    state: State
    problem: str
    fits: bool
    is_used: bool
    is_recommended: bool
    download: WeightsDownload | None

    @property
    def is_being_fetched(self) -> bool:
        return self.download is not None and is_under_way(self.download)

    @property
    def can_be_fetched(self) -> bool:
        return self.entry.origin == "hub" and self.state != "installed" and not self.is_being_fetched

    @property
    def size_bytes(self) -> int | None:
        """Bytes of its files, where the catalogue knows them all, else as the download has found."""
        sizes = [file.size_bytes for file in self.entry.files]
        if all(sizes):
            return sum(size or 0 for size in sizes)
        return self.download.total_bytes if self.download else None


@dataclass(frozen=True, slots=True)
class MachineReport:
    """The hardware, its profile with the reasons in words, and the memory in bytes that a batch may take now."""

    hardware: Hardware
    profile: Profile
    reasons: tuple[str, ...]
    budget_bytes: int
    is_chosen_by_hand: bool
    models: tuple[ModelState, ...]
    shortfalls: tuple[str, ...]
    """What a batch could not do now, or not well."""


def report_machine() -> MachineReport:
    """The report of the machine on which this process runs. Measured: 5 ms of CPU without a GPU, 2026-11."""
    from album.inference.hardware import detect_hardware
    from album.inference.profiles import choose_profile, memory_budget, plan_stages

    hardware = detect_hardware()
    profile, reasons = choose_profile(hardware, settings.AI_PROFILE)
    try:
        plan = plan_stages(profile, settings.MODELS_CACHE_DIR, hardware.available_bytes)
        used, shortfalls = {name for stage in plan.stages for name in stage.weights.id.split("+")}, plan.reasons
    except WeightsError as error:
        used, shortfalls = set(), (str(error),)
    return MachineReport(
        hardware=hardware,
        profile=profile,
        reasons=reasons,
        budget_bytes=memory_budget(profile, hardware.available_bytes),
        is_chosen_by_hand=settings.AI_PROFILE != "auto",
        models=_models_of(profile, hardware, used),
        shortfalls=shortfalls,
    )


def _models_of(profile: Profile, hardware: Hardware, used: set[str]) -> tuple[ModelState, ...]:
    from album.inference.catalogue import CATALOGUE
    from album.inference.profiles import CLASSIFIERS, DETECTORS, fitting_micro_batch, recommended_for

    names = dict.fromkeys((*profile.embed, *profile.caption, *DETECTORS, *CLASSIFIERS))
    rows = {row.name: row for row in WeightsDownload.objects.filter(name__in=names)}
    best = recommended_for(profile, settings.MODELS_CACHE_DIR, hardware.total_bytes)
    models = []
    for name in names:
        entry = CATALOGUE[name]
        state, problem = _state_of(entry)
        fits = bool(fitting_micro_batch(profile, entry, hardware.total_bytes))
        models.append(ModelState(entry, state, problem, fits, name in used, entry in best, rows.get(name)))
    return tuple(models)


def _state_of(entry: Entry) -> tuple[State, str]:
    from album.inference.weights import require

    try:
        require(entry, settings.MODELS_CACHE_DIR)
    except WeightsMissing as error:
        return "missing", str(error)
    except WeightsCorrupt as error:
        return "damaged", str(error)
    return "installed", ""
