"""The commands around weights: what they say, what they install, when they refuse."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from dataclasses import replace
from importlib import util
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from album.inference.catalogue import CATALOGUE, MIT, Entry, Licence, MemoryNeed, WeightsFile
from album.inference.weights import BUNDLED_DIR, installed
from tests.inference.fake_hub import FakeHub, running_hub

TOKENIZER = b'{"model": {}}'
SMALL = Entry(
    "small", "captioner", "blip", "onnx", MIT, MemoryNeed(0, 0), 64,
    (WeightsFile("tokenizer.json", hashlib.sha256(TOKENIZER).hexdigest()),), "somebody/small", note="Says little.",
)  # fmt: skip


@pytest.fixture
def cache(tmp_path: Path, settings: Settings) -> Path:
    settings.MODELS_CACHE_DIR = tmp_path / "weights"
    settings.AI_PROFILE = "auto"
    return tmp_path / "weights"


@pytest.fixture
def hub(cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    for name in ("HF_HUB_DISABLE_XET", "HF_HUB_DISABLE_TELEMETRY", "HF_HUB_DISABLE_UPDATE_CHECK"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setitem(CATALOGUE, "small", SMALL)
    with running_hub() as server:
        server.files = {"tokenizer.json": TOKENIZER}
        monkeypatch.setenv("HF_ENDPOINT", server.endpoint)
        yield server


def output_of(capsys: pytest.CaptureFixture[str], *arguments: Any) -> str:
    call_command(*map(str, arguments))
    return capsys.readouterr().out


class TestDownload:
    def test_named_weights_are_installed(self, hub: FakeHub, cache: Path, capsys: pytest.CaptureFixture[str]):
        assert "small is in" in output_of(capsys, "download_models", "--model", "small")
        assert installed(SMALL, cache)

    def test_a_profile_names_what_it_wants_and_every_failure_is_told(self, hub: FakeHub):
        with pytest.raises(CommandError) as refused:
            call_command("download_models", "--profile", "raspberry-pi")
        assert "clip-vit-b-32-laion2b (immich-app/" in str(refused.value)
        assert "vit-gpt2-int8 (Xenova/" in str(refused.value)

    def test_without_a_network_it_ends_with_the_way_by_hand(self, cache: Path, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setenv("HF_HUB_OFFLINE", "1")
        with pytest.raises(CommandError, match="import_models FILE_OR_FOLDER"):
            call_command("download_models", "--model", "yolox-nano")

    def test_an_unknown_id_is_refused_with_the_known_ones(self, cache: Path):
        with pytest.raises(CommandError, match="Known are blip-base-int8"):
            call_command("download_models", "--model", "blip")

    def test_the_list_tells_state_licence_origin_and_note(self, hub: FakeHub, capsys: pytest.CaptureFixture[str]):
        before = output_of(capsys, "download_models", "--list")
        assert "not installed: manage.py download_models --model small" in before
        assert "Says little." in before
        assert all(entry.id in before and entry.licence.spdx in before for entry in CATALOGUE.values())
        call_command("download_models", "--model", "small")
        capsys.readouterr()
        (line,) = [x for x in output_of(capsys, "download_models", "--list").splitlines() if x.startswith("small ")]
        assert line.endswith("MIT           installed")

    def test_verify_finds_rot_and_force_mends_it(
        self, hub: FakeHub, cache: Path, capsys: pytest.CaptureFixture[str]
    ):
        call_command("download_models", "--model", "small")
        assert "every file is as it was installed" in output_of(capsys, "download_models", "--verify")
        (cache / "small/tokenizer.json").write_bytes(TOKENIZER[::-1])
        with pytest.raises(CommandError, match="download_models --model small --force"):
            call_command("download_models", "--verify")
        call_command("download_models", "--model", "small", "--force")
        call_command("download_models", "--verify", "--model", "small")

    def test_a_restricting_licence_waits_for_a_yes(
        self, hub: FakeHub, cache: Path, monkeypatch: pytest.MonkeyPatch
    ):
        licence = Licence("research-only", "https://example.org/licence", needs_acceptance=True)
        monkeypatch.setitem(CATALOGUE, "small", replace(SMALL, licence=licence))
        with pytest.raises(CommandError, match=r"https://example\.org/licence"):
            call_command("download_models", "--model", "small")
        call_command("download_models", "--model", "small", "--accept-licence")
        assert installed(SMALL, cache)


class TestByHand:
    def test_a_bundle_carries_weights_from_machine_to_machine(
        self, hub: FakeHub, cache: Path, tmp_path: Path, settings: Settings, capsys: pytest.CaptureFixture[str]
    ):
        call_command("download_models", "--model", "small")
        assert "with small" in output_of(capsys, "bundle_models", tmp_path / "weights.tar")
        settings.MODELS_CACHE_DIR = tmp_path / "elsewhere"
        assert "small is installed" in output_of(capsys, "import_models", tmp_path / "weights.tar")
        assert installed(SMALL, tmp_path / "elsewhere")

    def test_there_is_nothing_to_bundle_on_a_new_machine(self, cache: Path, tmp_path: Path):
        with pytest.raises(CommandError, match="nothing to bundle"):
            call_command("bundle_models", str(tmp_path / "weights.tar"))

    def test_a_folder_without_weights_is_refused(self, cache: Path, tmp_path: Path):
        (tmp_path / "empty").mkdir()
        with pytest.raises(CommandError, match="no complete set of files of yolox-nano"):
            call_command("import_models", str(tmp_path / "empty"), "--model", "yolox-nano")


class TestExport:
    def test_the_missing_source_names_its_command(self, cache: Path):
        with pytest.raises(CommandError, match="download_models --model blip-base"):
            call_command("export_models", "--model", "blip-base-int8")

    def test_missing_packages_are_named_with_the_way_to_get_them(
        self, cache: Path, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(util, "find_spec", lambda name: None if name == "torch" else True)
        with pytest.raises(CommandError, match=r"needs torch.*requirements-torch\.txt"):
            call_command("export_models", "--model", "blip-base-fp32")

    def test_a_quantized_encoder_is_installed_with_its_parity(
        self, cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ):
        pytest.importorskip("torch")
        from album.inference.export_encoders import export_dual_encoder

        export_dual_encoder(BUNDLED_DIR / "tiny-clip" / "torch", tmp_path / "fp32")
        said = output_of(
            capsys, "export_models", "--model", "clip-vit-b-32-laion2b-int8", "--source", tmp_path / "fp32"
        )
        assert "image min cosine: 0.99" in said
        folder = installed(CATALOGUE["clip-vit-b-32-laion2b-int8"], cache)
        assert folder
        assert (folder / "visual.onnx").stat().st_size < (tmp_path / "fp32/visual.onnx").stat().st_size

    def test_a_failed_export_installs_nothing(self, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        pytest.importorskip("onnx")
        shutil.copytree(BUNDLED_DIR / "tiny-clip", tmp_path / "int8", ignore=shutil.ignore_patterns("torch"))
        entry = CATALOGUE["clip-vit-b-32-laion2b-int8"]
        with pytest.raises(CommandError, match="int8 already"):
            call_command("export_models", "--model", entry.id, "--source", str(tmp_path / "int8"))
        assert installed(entry, cache) is None
        assert list((cache / f"{entry.id}.partial").iterdir()) == []


class TestShowProfile:
    def test_it_tells_what_was_found_why_and_what_a_batch_would_use(
        self, cache: Path, settings: Settings, capsys: pytest.CaptureFixture[str]
    ):
        settings.AI_PROFILE = "raspberry-pi"
        said = output_of(capsys, "show_profile")
        assert "Profile: raspberry-pi" in said
        assert "AI_PROFILE asks for raspberry-pi" in said
        assert "items per scheduled run: 20; seconds per item: 60" in said
        assert "missing: manage.py download_models --model vit-gpt2-int8" in said
        assert "caption: built-in, 2 at a time" in said

    def test_an_export_is_named_after_the_download_of_its_source(
        self, cache: Path, settings: Settings, capsys: pytest.CaptureFixture[str]
    ):
        settings.AI_PROFILE = "mid-range"
        download, export = (f"manage.py {step}" for step in ("download_models --model blip-base", "export_models"))
        assert f"missing: {download}, then {export} --model blip-base-int8" in output_of(capsys, "show_profile")
