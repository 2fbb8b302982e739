"""Hardware profiles and what follows from them: which weights, how many threads, how much at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from album.exceptions import NotEnoughMemory, WeightsMissing
from album.inference.catalogue import BUILT_IN, CATALOGUE, MB, Entry, find_entry
from album.inference.hardware import GIB, Hardware, torch_version
from album.inference.results import WeightsRef
from album.inference.weights import installed, require, revision_of

StageName = Literal["embed", "caption"]
INSTALL_TORCH = "pip install -r requirements.txt -r requirements-torch.txt"
RESERVE_BYTES = 250 * MB
"""Left to the system, the web server and the database while a batch runs."""
DETECTORS = ("yolox-nano",)
CLASSIFIERS = ("mobilenet-v2-quant", "shufflenet-v2-int8")
"""Measured: top-1 on 1,000 ImageNet photos .887 and .845, so in this order."""
_CLIP = ("clip-vit-b-32-laion2b-int8", "clip-vit-b-32-laion2b")
_SIGLIP = ("siglip2-b-16", *_CLIP)
_SMALL_CAPTIONERS = ("blip-base-int8", "vit-gpt2-int8")
_CAPTIONERS = ("blip-base-fp32", *_SMALL_CAPTIONERS)


@dataclass(frozen=True, slots=True)
class Profile:
    """What a class of machines can bear. Weights stand in order of preference."""

    name: str
    embed: tuple[str, ...]
    caption: tuple[str, ...]
    runtime: Literal["onnx", "torch"]
    micro_batch: int
    image_size_px: int
    """Short side to which pictures are decoded: the largest input of the profile's networks."""
    memory_ceiling_bytes: int
    batch_size: int
    item_timeout_s: float
    worker_concurrency: int
    video_frames: int
    decode_threads: int
    spare_cores: int = 1
    threads: int = 1
    """Of one network; ``choose_profile`` sets it to the machine's cores less ``spare_cores``."""


PROFILES: dict[str, Profile] = {
    profile.name: profile
    for profile in (
        Profile("minimal", (), (), "onnx", 1, 416, 300 * MB, 20, 60, 1, 2, 1),
        Profile("raspberry-pi", _CLIP, _SMALL_CAPTIONERS, "onnx", 2, 384, 700 * MB, 20, 60, 1, 4, 1),
        Profile("mid-range", _CLIP, _SMALL_CAPTIONERS, "onnx", 8, 384, 2000 * MB, 100, 30, 2, 6, 2),
        Profile("high-end", _SIGLIP, _CAPTIONERS, "onnx", 8, 384, 6000 * MB, 500, 10, 4, 8, 2),
        Profile(
            "gpu",
            ("siglip2-b-16-torch", "clip-vit-b-32-laion2b-torch", *_SIGLIP),
            ("blip-base", *_CAPTIONERS),
            "torch", 16, 384, 8000 * MB, 500, 10, 4, 8, 4,
        ),
    )
}  # fmt: skip


def choose_profile(hardware: Hardware, override: str = "auto") -> tuple[Profile, tuple[str, ...]]:
    """The profile of this hardware, or the one asked for, and the reasons in words."""
    name, reason = _class_of(hardware)
    reasons = [reason]
    if hardware.gpu_name and not hardware.has_gpu_runtime:
        reasons.append(
            f"A GPU is here ({hardware.gpu_name}), but no torch that can use it: install requirements-torch.txt "
            "with a CUDA build of torch."
        )
    if override != "auto":
        name, reasons = override, [f"AI_PROFILE asks for {override}; detected was {name}.", *reasons]
    profile = PROFILES[name]
    threads = max(1, hardware.cores - profile.spare_cores)
    plural = "s" if threads > 1 else ""
    reasons.append(f"{threads} thread{plural} of {hardware.cores} for a network; the rest decode and serve.")
    return replace(profile, threads=threads), tuple(reasons)


def _class_of(hardware: Hardware) -> tuple[str, str]:
    gib = hardware.total_bytes / GIB
    source = "The control group allows" if hardware.is_limited_by_group else "The machine has"
    if hardware.has_gpu_runtime and hardware.gpu_bytes >= 4 * GIB:
        return "gpu", f"{hardware.gpu_name} with {hardware.gpu_bytes / GIB:.1f} GiB, at least 4: gpu."
    for name, below_gib in (("minimal", 1.0), ("raspberry-pi", 3.5), ("mid-range", 12.0)):
        if gib < below_gib:
            return name, f"{source} {gib:.1f} GiB of memory, less than {below_gib:g}: {name}."
    return "high-end", f"{source} {gib:.1f} GiB of memory, 12 or more: high-end."


def memory_budget(profile: Profile, available_bytes: int) -> int:
    """Bytes that a batch may take: what is free less a reserve, and never more than the profile's ceiling."""
    reserve = min(RESERVE_BYTES, available_bytes // 4)  # on a very small machine the reserve must not take all
    return max(0, min(profile.memory_ceiling_bytes, available_bytes - reserve))


def fitting_micro_batch(profile: Profile, entry: Entry, available_bytes: int) -> int:
    """The largest micro-batch, at most the profile's, with which the weights fit; 0 where none does."""
    budget = memory_budget(profile, available_bytes)
    return next((size for size in range(profile.micro_batch, 0, -1) if entry.memory.of(size) <= budget), 0)


def preflight(profile: Profile, entry: Entry, available_bytes: int) -> int:
    """The micro-batch to run with. Raises NotEnoughMemory with need, room and the weights that would fit."""
    if size := fitting_micro_batch(profile, entry, available_bytes):
        return size
    others = profile.embed if entry.task == "encoder" else (*profile.caption, *DETECTORS, "built-in")
    fitting = [name for name in others if fitting_micro_batch(profile, CATALOGUE[name], available_bytes)]
    raise NotEnoughMemory(
        f"{entry.id} needs {entry.memory.of(1) / MB:,.0f} MB of memory; "
        f"{memory_budget(profile, available_bytes) / MB:,.0f} MB may be used "
        f"({available_bytes / MB:,.0f} MB are free, the profile {profile.name} allows "
        f"{profile.memory_ceiling_bytes / MB:,.0f} MB). Would fit: {', '.join(fitting) or 'none'}."
    )


@dataclass(frozen=True, slots=True)
class StagePlan:
    """A stage and the weights that do it now; ``fallbacks`` are smaller ones, in order, for want of memory."""

    stage: StageName
    entry: Entry
    weights: WeightsRef
    micro_batch: int
    companion: Entry | None = None
    """The classifier beside a detector."""
    fallbacks: tuple[StagePlan, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """What a batch would do now. ``reasons``: what falls short, a line each; ``details``: each candidate's fate."""

    stages: tuple[StagePlan, ...]
    reasons: tuple[str, ...] = ()
    details: tuple[str, ...] = ()
    postponed: tuple[StageName, ...] = ()
    """Stages whose installed weights fit this machine, but not what is free of its memory now: items wait."""


def plan_stages(profile: Profile, cache: Path, available_bytes: int, only: Sequence[str] | None = None) -> Plan:
    """The stages of a batch, in order of value: a vector first, then a description.

    Of the profile's preferences the first that is installed and fits is taken. A description always comes: from a
    captioner, else from the light taggers, else from the built-in analyzer.

    Args:
        only: catalogue ids to use instead of the preferences, such as ``("tiny-clip", "tiny-blip")``. Then nothing
            else is taken: WeightsMissing, WeightsCorrupt and NotEnoughMemory say what stands against them.
    """
    machine = _Machine(profile, cache, available_bytes)
    if only:
        entries = [find_entry(name) for name in only]
        plans = [machine.plan(entry) for entry in entries if entry.task != "classifier"]
        return Plan(_stages_of(plans), details=tuple(f"{entry.id} was asked for by name." for entry in entries))
    details: list[str] = []
    embed = [plan for name in profile.embed if (plan := machine.plan_if_possible(CATALOGUE[name], details))]
    caption = [plan for name in profile.caption if (plan := machine.plan_if_possible(CATALOGUE[name], details))]
    postponed: list[StageName] = []
    if not embed and machine.would_fit(profile.embed):
        postponed.append("embed")
    if not caption and machine.would_fit(profile.caption):
        postponed.append("caption")  # waiting a night beats a lesser description that would then count as done
    else:
        lesser = [plan for name in DETECTORS if (plan := machine.plan_if_possible(CATALOGUE[name], details))]
        caption += lesser or ([] if caption else [machine.plan(BUILT_IN)])
    stages = _stages_of([*embed, *caption])
    return Plan(stages, tuple(_sentences(profile, stages, postponed)), tuple(details), tuple(postponed))


def _sentences(profile: Profile, stages: Sequence[StagePlan], postponed: Sequence[StageName]) -> Iterator[str]:
    """One line for each stage that cannot be done, or not with what the profile prefers."""
    ids = {plan.stage: plan.entry.id for plan in stages}
    more = "Next step: manage.py download_models; manage.py show_profile says more."
    for stage in postponed:
        yield f"The stage {stage} waits: its weights do not fit into the memory that is free now. {more}"
    if profile.embed and "embed" not in ids and "embed" not in postponed:
        yield f"No vectors for the search: no encoder of the profile can be used. {more}"
    if "caption" not in ids:
        return
    if ids["caption"] == BUILT_IN.id:
        yield f"Descriptions come from the built-in analyzer, which knows no objects. {more}"
    elif profile.caption and ids["caption"] in DETECTORS:
        yield f"Descriptions come from {ids['caption']}: no captioner of the profile can be used. {more}"


def recommended_for(profile: Profile, cache: Path, total_bytes: int) -> list[Entry]:
    """What suits the machine best: one encoder, and a captioner or taggers.

    A preferred entry that only ``export_models`` makes is passed over, unless it is there already.
    """
    groups: list[tuple[str, ...]] = [profile.embed, profile.caption]
    if not profile.caption:
        groups += [DETECTORS, CLASSIFIERS]
    best = []
    for names in groups:
        usable = (
            CATALOGUE[name]
            for name in names
            if (CATALOGUE[name].runtime != "torch" or torch_version())
            and fitting_micro_batch(profile, CATALOGUE[name], total_bytes)
        )
        best += [entry for entry in usable if installed(entry, cache) or entry.origin == "hub"][:1]
    return best


def downloads_for(profile: Profile, cache: Path, total_bytes: int) -> list[Entry]:
    """What of ``recommended_for`` is still to be fetched."""
    return [entry for entry in recommended_for(profile, cache, total_bytes) if not installed(entry, cache)]


def _stages_of(plans: Sequence[StagePlan]) -> tuple[StagePlan, ...]:
    """One plan per stage, the first of its kind, with the rest of its kind as fallbacks."""
    kinds = ([plan for plan in plans if plan.stage == stage] for stage in ("embed", "caption"))
    return tuple(replace(kind[0], fallbacks=tuple(kind[1:])) for kind in kinds if kind)


@dataclass(frozen=True, slots=True)
class _Machine:
    """What a plan depends on beside the weights."""

    profile: Profile
    cache: Path
    available_bytes: int

    def plan(self, entry: Entry) -> StagePlan:
        """The plan for one entry. Raises WeightsMissing, WeightsCorrupt and NotEnoughMemory."""
        require(entry, self.cache)
        if entry.runtime == "torch" and torch_version() is None:
            raise WeightsMissing(f"{entry.id} needs torch and transformers. Next step: {INSTALL_TORCH}")
        size = preflight(self.profile, entry, self.available_bytes)
        weights = WeightsRef(entry.id, revision_of(entry, self.cache))
        companion = self._classifier() if entry.task == "detector" else None
        if companion:
            revisions = weights.revision[:12], revision_of(companion, self.cache)[:12]
            weights = WeightsRef(f"{entry.id}+{companion.id}", "+".join(revisions))
        return StagePlan("embed" if entry.task == "encoder" else "caption", entry, weights, size, companion)

    def plan_if_possible(self, entry: Entry, details: list[str]) -> StagePlan | None:
        """The plan, or None; ``details`` gets a line why. Raises WeightsCorrupt: damage is for mending."""
        try:
            plan = self.plan(entry)
        except (WeightsMissing, NotEnoughMemory) as error:
            details.append(str(error))
            return None
        details.append(f"{plan.weights.id} is installed and fits, {plan.micro_batch} at a time.")
        return plan

    def would_fit(self, names: Sequence[str]) -> bool:
        """True when one of these is installed and fits what the profile allows, were all memory free."""
        runtimes = {"onnx", "torch"} if torch_version() else {"onnx"}
        known = [CATALOGUE[name] for name in names]
        entries = [entry for entry in known if entry.runtime in runtimes and installed(entry, self.cache)]
        ceiling = self.profile.memory_ceiling_bytes + RESERVE_BYTES
        return any(fitting_micro_batch(self.profile, entry, ceiling) for entry in entries)

    def _classifier(self) -> Entry | None:
        return next((CATALOGUE[name] for name in CLASSIFIERS if installed(CATALOGUE[name], self.cache)), None)
