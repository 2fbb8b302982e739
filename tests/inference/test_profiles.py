"""Hardware decides the profile, the profile and what is installed decide the plan."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from album.exceptions import NotEnoughMemory, WeightsCorrupt, WeightsMissing
from album.inference import hardware as hardware_module
from album.inference import profiles
from album.inference.catalogue import CATALOGUE, MB, Entry
from album.inference.hardware import GIB, Hardware, detect_hardware
from album.inference.profiles import PROFILES, choose_profile, downloads_for, plan_stages, preflight
from album.inference.weights import checked_hash, publish, staging_folder

BOARD = Hardware(4 * GIB, 3 * GIB, 4, "aarch64")
GPU = replace(BOARD, gpu_name="RTX 4060", gpu_bytes=8 * GIB, has_gpu_runtime=True)


def install(cache: Path, *weights_ids: str, monkeypatch: pytest.MonkeyPatch | None = None) -> None:
    """Puts placeholders where the files of the entries belong; their hashes are not those of the catalogue."""
    for weights_id in weights_ids:
        entry = CATALOGUE[weights_id]
        if monkeypatch:
            files = tuple(replace(file, sha256=None, size_bytes=None) for file in entry.files)
            monkeypatch.setitem(CATALOGUE, weights_id, entry := replace(entry, files=files))
        with staging_folder(entry, cache) as staging:
            for file in entry.files:
                (staging / file.path).parent.mkdir(exist_ok=True)
                (staging / file.path).write_text(weights_id)
            hashes = {file.path: checked_hash(entry, file, staging / file.path) for file in entry.files}
            publish(entry, staging, cache, hashes)


def plan_of(cache: Path, profile: str, available_bytes: int = 8 * GIB, only: list[str] | None = None):
    plan = plan_stages(PROFILES[profile], cache, available_bytes, only)
    return {stage.stage: (stage.entry.id, stage.micro_batch) for stage in plan.stages}, plan


class TestChoice:
    @pytest.mark.parametrize(
        ("gib", "name"),
        [(0.5, "minimal"), (0.99, "minimal"), (1, "raspberry-pi"), (1.9, "raspberry-pi"), (3.5, "mid-range"),
         (7.8, "mid-range"), (12, "high-end"), (64, "high-end")],
    )  # fmt: skip
    def test_memory_decides_the_class(self, gib: float, name: str):
        profile, reasons = choose_profile(replace(BOARD, total_bytes=int(gib * GIB)))
        assert profile.name == name
        assert name in reasons[0]

    def test_a_gpu_of_4_gib_with_a_runtime_decides_before_memory(self):
        assert choose_profile(GPU)[0].name == "gpu"
        assert choose_profile(replace(GPU, gpu_bytes=2 * GIB))[0].name == "mid-range"

    def test_a_gpu_without_a_runtime_is_told_how_to_get_one(self):
        profile, reasons = choose_profile(replace(GPU, has_gpu_runtime=False))
        assert profile.name == "mid-range"
        assert any("RTX 4060" in reason and "requirements-torch.txt" in reason for reason in reasons)

    def test_the_setting_overrides_and_the_reason_says_so(self):
        profile, reasons = choose_profile(BOARD, "minimal")
        assert profile.name == "minimal"
        assert reasons[0] == "AI_PROFILE asks for minimal; detected was mid-range."

    @pytest.mark.parametrize(("cores", "threads"), [(1, 1), (2, 1), (4, 3), (16, 15)])
    def test_one_core_is_left_to_the_others(self, cores: int, threads: int):
        assert choose_profile(replace(BOARD, cores=cores))[0].threads == threads

    def test_the_numbers_that_the_guide_promises_hold(self):
        found = {p.name: (p.batch_size, p.item_timeout_s, p.worker_concurrency) for p in PROFILES.values()}
        assert found == {
            "minimal": (20, 60, 1),
            "raspberry-pi": (20, 60, 1),
            "mid-range": (100, 30, 2),
            "high-end": (500, 10, 4),
            "gpu": (500, 10, 4),
        }

    def test_every_preference_is_in_the_catalogue_and_can_fit_its_profile(self):
        for profile in PROFILES.values():
            for name in (*profile.embed, *profile.caption):
                assert profiles.fitting_micro_batch(profile, CATALOGUE[name], 64 * GIB), (profile.name, name)


class TestPreflight:
    def test_the_refusal_names_need_room_and_what_would_fit(self):
        with pytest.raises(
            NotEnoughMemory, match=r"needs 468 MB.*420 MB may be used.*Would fit: yolox-nano, built-in"
        ):
            preflight(PROFILES["raspberry-pi"], CATALOGUE["blip-base-int8"], 560 * MB)

    def test_less_memory_gives_a_smaller_micro_batch(self):
        pi = PROFILES["raspberry-pi"]
        assert preflight(pi, CATALOGUE["blip-base-int8"], 2000 * MB) == 2
        assert preflight(pi, CATALOGUE["blip-base-int8"], 640 * MB) == 1

    def test_a_pi_does_not_load_what_is_meant_for_a_server_even_when_memory_is_free(self):
        with pytest.raises(NotEnoughMemory, match="the profile raspberry-pi allows 700 MB"):
            preflight(PROFILES["raspberry-pi"], CATALOGUE["siglip2-b-16"], 8 * GIB)


class TestPlan:
    def test_with_nothing_installed_the_built_in_analyzer_describes_and_the_command_is_named(self, tmp_path: Path):
        stages, plan = plan_of(tmp_path, "raspberry-pi")
        assert stages == {"caption": ("built-in", 2)}
        assert any("built-in" in reason and "manage.py download_models" in reason for reason in plan.reasons)

    def test_vectors_come_before_descriptions_and_the_preferred_weights_first(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        names = ("blip-base-int8", "vit-gpt2-int8", "clip-vit-b-32-laion2b", "yolox-nano", "mobilenet-v2-quant")
        install(tmp_path, *names, monkeypatch=monkeypatch)
        stages, plan = plan_of(tmp_path, "mid-range")
        assert stages == {"embed": ("clip-vit-b-32-laion2b", 8), "caption": ("blip-base-int8", 8)}
        assert plan.stages[0].stage == "embed"
        assert [each.entry.id for each in plan.stages[1].fallbacks] == ["vit-gpt2-int8", "yolox-nano"]
        assert plan.reasons == ()

    def test_what_does_not_fit_gives_way_to_what_does(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        install(tmp_path, "blip-base-fp32", "vit-gpt2-int8", monkeypatch=monkeypatch)
        stages, plan = plan_of(tmp_path, "high-end", available_bytes=720 * MB)
        assert stages == {"caption": ("vit-gpt2-int8", 5)}
        assert any("blip-base-fp32 needs 1,206 MB" in line for line in plan.details)

    def test_light_taggers_describe_where_no_captioner_can(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        install(tmp_path, "yolox-nano", "shufflenet-v2-int8", monkeypatch=monkeypatch)
        _, plan = plan_of(tmp_path, "minimal")
        (stage,) = plan.stages
        assert stage.weights.id == "yolox-nano+shufflenet-v2-int8"
        assert stage.companion == CATALOGUE["shufflenet-v2-int8"]
        assert len(stage.weights.revision) <= 64

    def test_damaged_weights_are_named_not_worked_around(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        install(tmp_path, "vit-gpt2-int8", monkeypatch=monkeypatch)
        (tmp_path / "vit-gpt2-int8/tokenizer.json").write_text("cut")
        with pytest.raises(WeightsCorrupt, match=r"tokenizer.json has 3 bytes instead of 13"):
            plan_of(tmp_path, "raspberry-pi")

    def test_a_stage_waits_when_its_weights_do_not_fit_just_now(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        install(tmp_path, "vit-gpt2-int8", monkeypatch=monkeypatch)
        profile = PROFILES["raspberry-pi"]
        busy = plan_stages(profile, tmp_path, 400_000_000)
        assert (busy.stages, busy.postponed) == ((), ("caption",))
        assert "The stage caption waits" in busy.reasons[0]
        idle = plan_stages(profile, tmp_path, 2_000_000_000)
        assert ([plan.entry.id for plan in idle.stages], idle.postponed) == (["vit-gpt2-int8"], ())

    def test_the_drawn_scene_networks_are_used_only_when_named(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        bundled(tmp_path, monkeypatch)
        assert plan_of(tmp_path, "raspberry-pi")[0] == {"caption": ("built-in", 2)}
        stages, _ = plan_of(tmp_path, "raspberry-pi", only=["tiny-blip", "tiny-clip"])
        assert stages == {"embed": ("tiny-clip", 2), "caption": ("tiny-blip", 2)}

    def test_weights_asked_for_by_name_are_not_replaced(self, tmp_path: Path):
        with pytest.raises(WeightsMissing, match="download_models --model vit-gpt2-int8"):
            plan_of(tmp_path, "raspberry-pi", only=["vit-gpt2-int8"])

    def test_torch_weights_wait_for_torch(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        install(tmp_path, "blip-base", monkeypatch=monkeypatch)
        monkeypatch.setattr(profiles, "torch_version", lambda: None)
        stages, plan = plan_of(tmp_path, "gpu")
        assert stages["caption"][0] == "built-in"
        assert any("blip-base needs torch" in line for line in plan.details)
        monkeypatch.setattr(profiles, "torch_version", lambda: "2.13.0")
        assert plan_of(tmp_path, "gpu")[0]["caption"] == ("blip-base", 16)


class TestDownloads:
    def test_a_pi_fetches_one_encoder_and_the_captioner_that_needs_no_torch(self, tmp_path: Path):
        wanted = downloads_for(PROFILES["raspberry-pi"], tmp_path, 2 * GIB)
        assert [entry.id for entry in wanted] == ["clip-vit-b-32-laion2b", "vit-gpt2-int8"]

    def test_what_was_exported_is_not_fetched_in_a_lesser_form(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        install(tmp_path, "blip-base-int8", "clip-vit-b-32-laion2b-int8", monkeypatch=monkeypatch)
        assert downloads_for(PROFILES["raspberry-pi"], tmp_path, 2 * GIB) == []

    def test_a_minimal_machine_fetches_the_light_taggers(self, tmp_path: Path):
        wanted = downloads_for(PROFILES["minimal"], tmp_path, GIB // 2)
        assert [entry.id for entry in wanted] == ["yolox-nano", "shufflenet-v2-int8"]


def bundled(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def place(entry: Entry) -> None:
        for file in entry.files:
            target = folder / "bundled" / entry.id / file.path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text("weights")

    for name in ("tiny-blip", "tiny-clip"):
        place(CATALOGUE[name])
    monkeypatch.setattr("album.inference.weights.BUNDLED_DIR", folder / "bundled")


class TestHardware:
    @pytest.fixture
    def root(self, tmp_path: Path) -> Path:
        (tmp_path / "proc/self").mkdir(parents=True)
        return tmp_path

    def test_the_tightest_group_of_version_2_limits_memory_and_cores(self, root: Path):
        group = root / "sys/fs/cgroup/system.slice/album.service"
        group.mkdir(parents=True)
        (root / "proc/self/cgroup").write_text("0::/system.slice/album.service\n")
        (group / "memory.max").write_text("max\n")
        (group.parent / "memory.max").write_text("200000000\n")
        (group.parent / "memory.current").write_text("150000000\n")
        (group.parent / "memory.stat").write_text("anon 1\ninactive_file 30000000\n")
        (group / "cpu.max").write_text("100000 100000\n")
        found = detect_hardware(root)
        assert (found.total_bytes, found.available_bytes, found.cores) == (200_000_000, 80_000_000, 1)
        assert found.is_limited_by_group
        assert choose_profile(found)[0].name == "minimal"

    @pytest.mark.parametrize(("unit", "counts"), [("web", False), ("celery-beat", False), ("celery-worker", True)])
    def test_of_the_own_units_only_the_workers_counts(self, root: Path, unit: str, counts: bool):
        group = root / f"sys/fs/cgroup/photo_album.slice/photo-album-{unit}.service"
        group.mkdir(parents=True)
        (root / "proc/self/cgroup").write_text(f"0::/photo_album.slice/photo-album-{unit}.service\n")
        (group / "memory.max").write_text("307200\n")
        (group / "memory.current").write_text("102400\n")
        found = detect_hardware(root)
        assert (found.available_bytes == 204_800) == counts
        assert not found.is_limited_by_group

    def test_groups_of_version_1_limit_too_and_no_limit_is_none(self, root: Path):
        (root / "proc/self/cgroup").write_text("4:memory:/docker\n1:cpu,cpuacct:/\n")
        group = root / "sys/fs/cgroup/memory/docker"
        group.mkdir(parents=True)
        (group / "memory.limit_in_bytes").write_text("300000000")
        (group / "memory.usage_in_bytes").write_text("100000000")
        assert detect_hardware(root).available_bytes == 200_000_000
        (group / "memory.limit_in_bytes").write_text("9223372036854771712")
        assert not detect_hardware(root).is_limited_by_group

    def test_without_proc_and_sys_it_still_answers(self, root: Path):
        found = detect_hardware(root)
        assert found.total_bytes > 0
        assert found.cores >= 1
        assert found.instruction_sets == ()

    @pytest.mark.parametrize(
        ("line", "sets"),
        [
            ("flags\t\t: fpu avx2 avx512_vnni sse", ("avx2", "avx512_vnni")),
            ("Features\t: fp asimd asimddp", ("asimd", "asimddp")),
        ],
    )
    def test_instruction_sets_are_read_on_both_architectures(self, root: Path, line: str, sets: tuple[str, ...]):
        (root / "proc/cpuinfo").write_text(f"processor\t: 0\n{line}\n")
        assert detect_hardware(root).instruction_sets == sets

    def test_the_largest_gpu_of_the_drivers_list_is_taken(self, root: Path, monkeypatch: pytest.MonkeyPatch):
        tool = root / "nvidia-smi"
        tool.write_text('#!/bin/sh\necho "4096, GTX 970"\necho "81559, NVIDIA H100, 80GB"\n')
        tool.chmod(0o755)
        monkeypatch.setenv("PATH", f"{root}:/bin:/usr/bin")
        found = detect_hardware(root)
        assert (found.gpu_name, found.gpu_bytes) == ("NVIDIA H100, 80GB", 81559 << 20)

    @pytest.mark.parametrize("script", ["exit 9", "echo 'No devices were found'"])
    def test_a_driver_that_fails_means_no_gpu(self, root: Path, monkeypatch: pytest.MonkeyPatch, script: str):
        (root / "nvidia-smi").write_text(f"#!/bin/sh\n{script}\n")
        (root / "nvidia-smi").chmod(0o755)
        monkeypatch.setenv("PATH", f"{root}:/bin:/usr/bin")
        assert detect_hardware(root).gpu_name is None

    @pytest.mark.parametrize(("version", "has"), [("2.13.0+cpu", False), ("2.13.0+cu130", True), (None, False)])
    def test_a_cpu_build_of_torch_is_no_gpu_runtime(
        self, monkeypatch: pytest.MonkeyPatch, version: str | None, has: bool
    ):
        monkeypatch.setattr(hardware_module, "torch_version", lambda: version)
        assert hardware_module.detect_hardware().has_gpu_runtime is has

    def test_looking_at_the_hardware_loads_no_heavy_module(self):
        code = (
            "import sys; from album.inference.profiles import choose_profile, plan_stages;"
            "from album.inference.hardware import detect_hardware; choose_profile(detect_hardware());"
            "print([m for m in ('torch', 'transformers', 'onnxruntime', 'huggingface_hub') if m in sys.modules])"
        )
        answer = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
        )
        assert answer.stdout.strip() == "[]"
