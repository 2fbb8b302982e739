"""Weights are installed whole, or not at all, and stay what they were."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import socket
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from huggingface_hub import constants as hub_constants

from album.exceptions import WeightsCorrupt, WeightsError, WeightsMissing
from album.inference import bundles, downloads
from album.inference.bundles import import_weights, write_bundle
from album.inference.catalogue import CATALOGUE, MIT, Entry, MemoryNeed, WeightsFile, find_entry
from album.inference.downloads import download
from album.inference.weights import Manifest, installed, require, revision_of, staging_folder
from tests.inference.fake_hub import COMMIT, FakeHub, running_hub

GRAPH = bytes(range(256)) * 4096
CONFIG = b'{"size": 64}'
SHARED = Path(__file__).resolve().parents[2].parent / "shared"


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


ENTRY = Entry(
    "sample", "encoder", "dual-encoder", "onnx", MIT, MemoryNeed(0, 0), 64,
    (WeightsFile("visual/model.onnx", sha256(GRAPH), len(GRAPH)), WeightsFile("config.json")), "somebody/sample",
)  # fmt: skip
UNHASHED = replace(ENTRY, id="unhashed", files=(WeightsFile("visual/model.onnx"), WeightsFile("config.json")))


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    for name in ("HF_ENDPOINT", "HF_HUB_OFFLINE", "HF_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HF_HUB_DISABLE_XET", "HF_HUB_DISABLE_TELEMETRY", "HF_HUB_DISABLE_UPDATE_CHECK"):
        monkeypatch.setenv(name, "1")
    with running_hub() as server:
        server.files = {"visual/model.onnx": GRAPH, "config.json": CONFIG}
        yield server


@pytest.fixture
def catalogue(monkeypatch: pytest.MonkeyPatch) -> None:
    for entry in (ENTRY, UNHASHED):
        monkeypatch.setitem(CATALOGUE, entry.id, entry)


def fetch(hub: FakeHub, cache: Path, entry: Entry = ENTRY, *, force: bool = False) -> Path:
    return download(entry, cache, progress=False, endpoint=hub.endpoint, force=force)


class TestDownload:
    def test_all_files_arrive_with_a_manifest_of_their_hashes_and_the_commit(self, hub: FakeHub, tmp_path: Path):
        folder = fetch(hub, tmp_path)
        assert folder == tmp_path / "sample"
        assert (folder / "visual/model.onnx").read_bytes() == GRAPH
        manifest = Manifest.read(folder)
        assert manifest.revision == COMMIT == revision_of(ENTRY, tmp_path)
        assert {record.path: record.sha256 for record in manifest.files} == {
            "visual/model.onnx": sha256(GRAPH),
            "config.json": sha256(CONFIG),
        }
        assert not (tmp_path / "sample.partial").exists()

    def test_what_is_installed_is_not_fetched_again_unless_forced(self, hub: FakeHub, tmp_path: Path):
        fetch(hub, tmp_path)
        hub.asked.clear()
        fetch(hub, tmp_path)
        assert hub.asked == []
        fetch(hub, tmp_path, force=True)
        assert [path for path, _ in hub.bodies_sent()] == ["visual/model.onnx", "config.json"]

    def test_a_cut_connection_leaves_nothing_usable_and_the_next_call_goes_on_from_there(
        self, hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(hub_constants, "DOWNLOAD_CHUNK_SIZE", 50_000)  # what is kept, is kept in whole chunks
        hub.cut_after_bytes = 300_000
        with pytest.raises(WeightsMissing, match="broke off"):
            fetch(hub, tmp_path)
        assert installed(ENTRY, tmp_path) is None
        (part,) = (tmp_path / "sample.partial").rglob("*.part")
        arrived = part.stat().st_size
        assert 0 < arrived <= 300_000
        hub.cut_after_bytes = None
        hub.asked.clear()
        fetch(hub, tmp_path)
        assert hub.bodies_sent()[0] == ("visual/model.onnx", f"bytes={arrived}-")
        assert (tmp_path / "sample/visual/model.onnx").read_bytes() == GRAPH
        assert sorted(path.name for path in (tmp_path / "sample").rglob("*")) == [
            "config.json", "manifest.json", "model.onnx", "visual",
        ]  # fmt: skip

    def test_a_file_that_was_whole_before_the_break_is_not_sent_again(self, hub: FakeHub, tmp_path: Path):
        del hub.files["config.json"]
        with pytest.raises(WeightsMissing):
            fetch(hub, tmp_path)
        hub.files["config.json"] = CONFIG
        hub.tampered["config.json"] = CONFIG[::-1]
        with pytest.raises(WeightsCorrupt):
            fetch(hub, tmp_path)
        hub.tampered.clear()
        hub.asked.clear()
        fetch(hub, tmp_path)
        assert [path for path, _ in hub.bodies_sent()] == ["config.json"]

    def test_a_truncated_answer_is_refused(self, hub: FakeHub, tmp_path: Path):
        hub.stop_after_bytes = 1000
        with pytest.raises(WeightsMissing, match="broke off"):
            fetch(hub, tmp_path)
        assert installed(ENTRY, tmp_path) is None

    def test_other_content_than_the_catalogue_names_is_refused_and_thrown_away(self, hub: FakeHub, tmp_path: Path):
        hub.files["visual/model.onnx"] = GRAPH[::-1]
        with pytest.raises(WeightsCorrupt, match=f"instead of {sha256(GRAPH)}"):
            fetch(hub, tmp_path)
        assert list((tmp_path / "sample.partial").rglob("*.part")) == []

    def test_content_that_is_not_what_the_hub_announced_is_refused(self, hub: FakeHub, tmp_path: Path):
        hub.tampered["visual/model.onnx"] = GRAPH[::-1]
        with pytest.raises(WeightsCorrupt):
            fetch(hub, tmp_path, UNHASHED)

    def test_a_file_of_another_size_is_not_even_fetched(self, hub: FakeHub, tmp_path: Path):
        hub.files["visual/model.onnx"] = GRAPH + b"x"
        with pytest.raises(WeightsCorrupt, match="mirror"):
            fetch(hub, tmp_path)
        assert hub.bodies_sent() == []

    def test_a_new_version_on_the_hub_is_not_glued_to_a_piece_of_the_old_one(
        self, hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(hub_constants, "DOWNLOAD_CHUNK_SIZE", 50_000)  # what is kept, is kept in whole chunks
        hub.cut_after_bytes = 300_000
        with pytest.raises(WeightsMissing):
            fetch(hub, tmp_path, UNHASHED)
        hub.cut_after_bytes = None
        hub.files["visual/model.onnx"] = GRAPH[::-1]
        folder = fetch(hub, tmp_path, UNHASHED)
        assert (folder / "visual/model.onnx").read_bytes() == GRAPH[::-1]

    def test_an_absent_file_is_named(self, hub: FakeHub, tmp_path: Path):
        del hub.files["config.json"]
        with pytest.raises(
            WeightsMissing, match=r"sample \(somebody/sample at main\): the hub does not have it.*config"
        ):
            fetch(hub, tmp_path)

    def test_a_failing_hub_is_named_with_its_status(self, hub: FakeHub, tmp_path: Path):
        hub.status = 418
        with pytest.raises(WeightsMissing, match="status 418"):
            fetch(hub, tmp_path)

    def test_without_a_network_the_message_says_how_to_do_without(self, hub: FakeHub, tmp_path: Path):
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            closed = f"http://127.0.0.1:{unused.getsockname()[1]}"
            with pytest.raises(WeightsMissing, match="import_models"):
                download(ENTRY, tmp_path, progress=False, endpoint=closed)

    def test_the_offline_flag_keeps_it_from_asking(
        self, hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setenv("HF_HUB_OFFLINE", "1")
        with pytest.raises(WeightsMissing, match="HF_HUB_OFFLINE"):
            fetch(hub, tmp_path)
        assert hub.asked == []

    def test_the_mirror_of_the_environment_is_used(
        self, hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
        assert download(ENTRY, tmp_path, progress=False).is_dir()

    def test_a_full_disk_is_told_before_anything_is_fetched(
        self, hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(downloads, "SPARE_BYTES", shutil.disk_usage(tmp_path).total)
        with pytest.raises(WeightsError, match="MODELS_CACHE_DIR"):
            fetch(hub, tmp_path)
        assert hub.bodies_sent() == []

    def test_a_second_process_does_not_interfere(self, hub: FakeHub, tmp_path: Path):
        with staging_folder(ENTRY, tmp_path), pytest.raises(WeightsError, match="another process"):
            fetch(hub, tmp_path)

    def test_what_is_on_no_hub_says_how_it_comes(self, tmp_path: Path):
        with pytest.raises(WeightsMissing, match="export_models --model blip-base-int8"):
            download(CATALOGUE["blip-base-int8"], tmp_path)


class TestRequire:
    def test_missing_weights_name_the_command(self, tmp_path: Path):
        with pytest.raises(WeightsMissing, match="download_models --model yolox-nano"):
            require(CATALOGUE["yolox-nano"], tmp_path)

    def test_a_truncated_file_is_noticed_at_once(self, hub: FakeHub, tmp_path: Path):
        graph = fetch(hub, tmp_path) / "visual/model.onnx"
        graph.write_bytes(GRAPH[:-1])
        with pytest.raises(WeightsCorrupt, match="1,048,575 bytes instead of 1,048,576"):
            require(ENTRY, tmp_path)

    def test_a_changed_file_of_the_same_size_is_noticed_by_its_time(self, hub: FakeHub, tmp_path: Path):
        graph = fetch(hub, tmp_path) / "visual/model.onnx"
        graph.write_bytes(GRAPH[::-1])
        os.utime(graph, ns=(0, 1))
        with pytest.raises(WeightsCorrupt, match="--force"):
            require(ENTRY, tmp_path)

    def test_rot_without_a_trace_in_the_time_is_noticed_by_verify(self, hub: FakeHub, tmp_path: Path):
        graph = fetch(hub, tmp_path) / "visual/model.onnx"
        time_ns = graph.stat().st_mtime_ns
        graph.write_bytes(GRAPH[::-1])
        os.utime(graph, ns=(time_ns, time_ns))
        require(ENTRY, tmp_path)
        with pytest.raises(WeightsCorrupt, match="SHA-256"):
            require(ENTRY, tmp_path, verify=True)

    def test_a_file_that_was_only_touched_is_hashed_once_and_its_new_time_kept(self, hub: FakeHub, tmp_path: Path):
        graph = fetch(hub, tmp_path) / "visual/model.onnx"
        os.utime(graph, ns=(0, 7))
        require(ENTRY, tmp_path)
        assert {record.mtime_ns for record in Manifest.read(tmp_path / "sample").files} >= {7}

    def test_a_lost_file_is_named(self, hub: FakeHub, tmp_path: Path):
        (fetch(hub, tmp_path) / "config.json").unlink()
        with pytest.raises(WeightsCorrupt, match=r"config\.json is gone"):
            require(ENTRY, tmp_path)

    def test_weights_of_an_older_catalogue_are_refused(self, hub: FakeHub, tmp_path: Path):
        fetch(hub, tmp_path)
        newer = replace(ENTRY, files=(replace(ENTRY.files[0], sha256="0" * 64), ENTRY.files[1]))
        with pytest.raises(WeightsCorrupt, match="not the one the catalogue names"):
            require(newer, tmp_path)

    @pytest.mark.parametrize("text", ["", "[]", '{"id": 1}', '{"id": "a", "revision": "b", "files": [{"x": 1}]}'])
    def test_a_broken_manifest_is_an_error_in_words(self, tmp_path: Path, text: str):
        (tmp_path / "sample").mkdir()
        (tmp_path / "sample/manifest.json").write_text(text)
        with pytest.raises(WeightsCorrupt, match="not a manifest"):
            require(ENTRY, tmp_path)


@pytest.mark.usefixtures("catalogue")
class TestByHand:
    @pytest.fixture
    def bundle(self, hub: FakeHub, tmp_path: Path) -> Path:
        fetch(hub, tmp_path / "there", UNHASHED)
        return write_bundle([UNHASHED], tmp_path / "there", tmp_path / "weights.tar")

    def test_a_bundle_brings_the_same_files_and_revision(self, bundle: Path, tmp_path: Path):
        assert import_weights(bundle, tmp_path / "here") == [UNHASHED]
        assert (require(UNHASHED, tmp_path / "here", verify=True) / "visual/model.onnx").read_bytes() == GRAPH
        assert revision_of(UNHASHED, tmp_path / "here") == COMMIT

    def test_a_bundle_is_not_made_from_rotten_weights(self, hub: FakeHub, tmp_path: Path):
        graph = fetch(hub, tmp_path) / "visual/model.onnx"
        time_ns = graph.stat().st_mtime_ns
        graph.write_bytes(GRAPH[::-1])
        os.utime(graph, ns=(time_ns, time_ns))
        with pytest.raises(WeightsCorrupt):
            write_bundle([ENTRY], tmp_path, tmp_path / "weights.tar")
        assert not (tmp_path / "weights.tar").exists()

    def test_a_bundle_that_was_cut_off_is_refused(self, bundle: Path, tmp_path: Path):
        bundle.write_bytes(bundle.read_bytes()[:600_000])
        with pytest.raises(WeightsCorrupt):
            import_weights(bundle, tmp_path / "here")
        assert installed(UNHASHED, tmp_path / "here") is None

    def test_a_bundle_with_changed_content_is_refused(self, bundle: Path, tmp_path: Path):
        bundle.write_bytes(bundle.read_bytes().replace(CONFIG, CONFIG[::-1]))
        with pytest.raises(WeightsCorrupt, match=r"config\.json has SHA-256"):
            import_weights(bundle, tmp_path / "here")
        assert installed(UNHASHED, tmp_path / "here") is None

    @pytest.mark.parametrize(
        "name",
        ["../evil.json", "/etc/evil.json", "unhashed/../../evil.json", "unhashed/evil.onnx", "other/config.json"],
    )
    def test_a_bundle_with_anything_unknown_is_refused_whole(self, bundle: Path, tmp_path: Path, name: str):
        with tarfile.open(bundle, "a") as tar:
            member = tarfile.TarInfo(name)
            member.size = 2
            tar.addfile(member, io.BytesIO(b"{}"))
        with pytest.raises(WeightsError, match="belongs to no weights"):
            import_weights(bundle, tmp_path / "here")
        assert not (tmp_path / "here").exists()
        assert not list(tmp_path.parent.rglob("evil*"))

    @pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
    def test_a_bundle_with_a_link_or_a_pipe_is_refused(self, tmp_path: Path, kind: bytes):
        with tarfile.open(tmp_path / "weights.tar", "w") as tar:
            member = tarfile.TarInfo("unhashed/config.json")
            member.type, member.linkname = kind, "/etc/passwd"
            tar.addfile(member)
        with pytest.raises(WeightsError, match="belongs to no weights"):
            import_weights(tmp_path / "weights.tar", tmp_path / "here")

    def test_a_file_that_is_no_tar_is_an_error_in_words(self, tmp_path: Path):
        (tmp_path / "weights.tar").write_bytes(CONFIG * 100)
        with pytest.raises(WeightsCorrupt, match="not a whole bundle"):
            import_weights(tmp_path / "weights.tar", tmp_path / "here")

    def test_a_plain_folder_is_recognized_by_the_hashes_of_its_files(self, tmp_path: Path):
        layout(tmp_path / "stick" / "deep", GRAPH)
        assert import_weights(tmp_path / "stick", tmp_path / "here") == [ENTRY]
        assert installed(ENTRY, tmp_path / "here")

    def test_a_plain_folder_without_known_hashes_is_taken_only_by_name(self, tmp_path: Path):
        layout(tmp_path / "stick", GRAPH[::-1])
        with pytest.raises(WeightsCorrupt):
            import_weights(tmp_path / "stick", tmp_path / "here")
        assert import_weights(tmp_path / "stick", tmp_path / "here", only=["unhashed"]) == [UNHASHED]

    def test_an_incomplete_folder_is_refused(self, tmp_path: Path):
        layout(tmp_path / "stick", GRAPH)
        (tmp_path / "stick/config.json").unlink()
        with pytest.raises(WeightsMissing, match="no complete set of files of sample"):
            import_weights(tmp_path / "stick", tmp_path / "here", only=["sample"])

    def test_a_link_out_of_the_folder_is_not_followed(self, tmp_path: Path):
        layout(tmp_path / "stick", GRAPH)
        (tmp_path / "secret.json").write_bytes(CONFIG)
        (tmp_path / "stick/config.json").unlink()
        (tmp_path / "stick/config.json").symlink_to(tmp_path / "secret.json")
        with pytest.raises(WeightsMissing):
            import_weights(tmp_path / "stick", tmp_path / "here")

    def test_an_installation_interrupted_while_copying_is_not_used(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        layout(tmp_path / "stick", GRAPH)

        def pull_the_plug(*_: object) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(bundles, "publish", pull_the_plug)
        with pytest.raises(KeyboardInterrupt):
            import_weights(tmp_path / "stick", tmp_path / "here")
        assert installed(ENTRY, tmp_path / "here") is None

    @pytest.mark.corpus
    def test_the_light_taggers_come_from_a_folder_of_models(self, tmp_path: Path):
        if not (SHARED / "models").is_dir():
            pytest.skip("the folder of real models is not here")
        found = {entry.id for entry in import_weights(SHARED / "models", tmp_path)}
        assert found == {"yolox-nano", "shufflenet-v2-int8", "mobilenet-v2-quant"}
        assert require(CATALOGUE["yolox-nano"], tmp_path, verify=True)


def layout(root: Path, graph: bytes) -> None:
    (root / "visual").mkdir(parents=True)
    (root / "visual/model.onnx").write_bytes(graph)
    (root / "config.json").write_bytes(CONFIG)


class TestCatalogue:
    def test_every_hash_is_one_and_every_derived_entry_has_its_source(self):
        for entry in CATALOGUE.values():
            assert all(file.sha256 is None or len(bytes.fromhex(file.sha256)) == 32 for file in entry.files)
            assert entry.derived_from is None or CATALOGUE[entry.derived_from].origin == "hub"

    def test_pickles_cannot_even_be_listed(self):
        for name in ("pytorch_model.bin", "model.pth", "code.py"):
            with pytest.raises(ValueError, match="may be fetched"):
                WeightsFile(name)

    def test_an_unknown_id_names_the_known_ones(self):
        with pytest.raises(WeightsMissing, match="blip-base-int8"):
            find_entry("gpt-9")

    def test_a_manifest_is_plain_json(self, hub: FakeHub, tmp_path: Path):
        assert json.loads((fetch(hub, tmp_path) / "manifest.json").read_text())["id"] == "sample"
