"""Which weights exist: one entry each, with origin, files, licence and memory need.

A SHA-256 stands here only where it was read from a source. Where it is None, the hash of the first download is
recorded in the manifest beside the files and checked ever after. A ``revision`` of ``main`` means that no full
commit id was at hand; the commit that answered is recorded in the manifest too.
Only ``.onnx``, ``.safetensors``, ``.json`` and ``.txt`` are ever fetched: a pickle can run code, these cannot.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Literal

from album.exceptions import WeightsMissing

Task = Literal["captioner", "encoder", "detector", "classifier", "built-in"]
Family = Literal["blip", "vision-gpt2", "dual-encoder", "yolox", "imagenet", "built-in"]
Runtime = Literal["onnx", "torch", "none"]
Origin = Literal["hub", "export", "import", "repository"]

SAFE_SUFFIXES = frozenset({".onnx", ".safetensors", ".json", ".txt"})
MB = 1_000_000


@dataclass(frozen=True, slots=True)
class WeightsFile:
    """A file by its path in the hub repository, which is also its path in the folder of the entry."""

    path: str
    sha256: str | None = None
    size_bytes: int | None = None

    def __post_init__(self) -> None:
        if PurePosixPath(self.path).suffix not in SAFE_SUFFIXES:
            raise ValueError(f"{self.path}: only {', '.join(sorted(SAFE_SUFFIXES))} may be fetched")


@dataclass(frozen=True, slots=True)
class Licence:
    """Terms of the weights. ``needs_acceptance``: not an open licence, so a person has to say yes."""

    spdx: str
    url: str
    needs_acceptance: bool = False


@dataclass(frozen=True, slots=True)
class MemoryNeed:
    """Peak resident memory of a process that runs these weights: ``base`` plus ``per_image`` times micro-batch."""

    base_bytes: int
    per_image_bytes: int
    is_measured: bool = False

    def of(self, micro_batch: int) -> int:
        """Bytes at this micro-batch."""
        return self.base_bytes + self.per_image_bytes * micro_batch


@dataclass(frozen=True, slots=True)
class Entry:
    """Weights by id. ``derived_from`` names the entry that ``export_models`` makes this one from."""

    id: str
    task: Task
    family: Family
    runtime: Runtime
    licence: Licence
    memory: MemoryNeed
    image_size_px: int
    files: tuple[WeightsFile, ...] = ()
    repository: str | None = None
    revision: str = "main"
    derived_from: str | None = None
    is_bundled: bool = False
    """True: the files lie in this repository, for the demo album and the tests, and are used only when named."""
    note: str = field(default="", compare=False)

    @property
    def origin(self) -> Origin:
        """How a machine comes to these weights."""
        if self.is_bundled or self.runtime == "none":
            return "repository"
        if self.derived_from:
            return "export"
        return "hub" if self.repository else "import"

    @property
    def mending_command(self) -> str:
        """The command that installs or repairs these weights."""
        verbs = {
            "hub": f"manage.py download_models --model {self.id}",
            "export": f"manage.py export_models --model {self.id}",
            "import": f"manage.py import_models FOLDER --model {self.id}",
            "repository": "git checkout -- tests/fixtures/weights",
        }
        return verbs[self.origin]


MIT = Licence("MIT", "https://opensource.org/license/mit")
APACHE = Licence("Apache-2.0", "https://www.apache.org/licenses/LICENSE-2.0")
BSD = Licence("BSD-3-Clause", "https://opensource.org/license/bsd-3-clause")

_BLIP_ONNX = tuple(map(WeightsFile, ("encoder.onnx", "step.onnx", "config.json", "tokenizer.json")))
_TORCH_CLIP = tuple(
    map(
        WeightsFile,
        (
            "model.safetensors",
            "config.json",
            "preprocessor_config.json",
            "tokenizer.json",
            "tokenizer_config.json",
        ),
    )
)
_CLIP_ONNX = tuple(map(WeightsFile, ("visual.onnx", "textual.onnx", "config.json", "tokenizer.json")))

_ENTRIES = (
    # Measured: BLIP-base of random weights, 384 px, 20 tokens, one x86 core: peak 424 MB plus 44 MB per picture.
    Entry(
        "blip-base-int8", "captioner", "blip", "onnx", BSD, MemoryNeed(424 * MB, 44 * MB, is_measured=True), 384,
        _BLIP_ONNX, derived_from="blip-base",
    ),
    # Measured: 1,205 MB at one picture, 2,027 MB at eight.
    Entry(
        "blip-base-fp32", "captioner", "blip", "onnx", BSD, MemoryNeed(1088 * MB, 118 * MB, is_measured=True), 384,
        _BLIP_ONNX, derived_from="blip-base",
    ),
    # Measured: 1,326 MB at one picture, 1,801 MB at eight (transformers 5.23, fp32, CPU).
    Entry(
        "blip-base", "captioner", "blip", "torch", BSD, MemoryNeed(1258 * MB, 68 * MB, is_measured=True), 384,
        tuple(map(WeightsFile, (
            "model.safetensors", "config.json", "preprocessor_config.json", "tokenizer.json",
            "tokenizer_config.json",
        ))),
        "Salesforce/blip-image-captioning-base", "82a37760796d32b1411fe092ab5d4e227313294b",
        note="Sources disagree on whether this revision holds model.safetensors beside the pickle. Where the hub "
        "says no, convert elsewhere and use import_models or export_models --source: see docs/weights.md.",
    ),
    # Source of the hashes: two catalogues of unrelated projects on GitHub that fetch the same files.
    # Memory is an estimate from the size of the files, 246 MB, and BLIP's ratio of peak to files.
    Entry(
        "vit-gpt2-int8", "captioner", "vision-gpt2", "onnx", APACHE, MemoryNeed(430 * MB, 20 * MB), 224,
        (
            WeightsFile(
                "onnx/encoder_model_quantized.onnx",
                "6f6e2e27c11303cf533682184543333e7ecb930a734197a0272a1e408aba2766",
            ),
            WeightsFile(
                "onnx/decoder_model_merged_quantized.onnx",
                "1f3ec53b5fc3614c0b54ee786755a7ec3007841f57543f8e241499edfadfa98f",
            ),
            WeightsFile("tokenizer.json", "6e785cd4f004c9291dadeba7d8d1c2871318d368a1cfcd416c0571dcd8f11413"),
            WeightsFile("config.json"),
            WeightsFile("generation_config.json"),
            WeightsFile("preprocessor_config.json"),
        ),
        "Xenova/vit-gpt2-image-captioning",
        note="A ready ONNX export: needs no torch anywhere. Plainer captions than BLIP.",
    ),
    # Source: commit, sizes and hashes in three unrelated projects on GitHub. Measured memory: 429 MB for the image
    # tower; the text tower (254 MB of weights) is loaded once, to compute the vectors of the tags.
    Entry(
        "clip-vit-b-32-laion2b", "encoder", "dual-encoder", "onnx", MIT, MemoryNeed(690 * MB, 6 * MB), 224,
        (
            WeightsFile(
                "visual/model.onnx",
                "b9ce24b91a8c62ef8d40ea786051709c93140104cbf2b6b4a2cc270df3838f9c", 351_613_724,
            ),
            WeightsFile(
                "textual/model.onnx",
                "48c25be37b352398f2533c9426dab6f9340535e14e46f884cc894236a5060722", 254_193_396,
            ),
            WeightsFile("visual/preprocess_cfg.json"),
            WeightsFile("textual/tokenizer.json"),
            WeightsFile("textual/tokenizer_config.json"),
            WeightsFile("config.json"),
        ),
        "immich-app/ViT-B-32__laion2b-s34b-b79k", "19a057a0fb927cf239541300e74237cd56c7ffe2",
    ),
    Entry(
        "clip-vit-b-32-laion2b-torch", "encoder", "dual-encoder", "torch", MIT, MemoryNeed(700 * MB, 10 * MB), 224,
        _TORCH_CLIP, "laion/CLIP-ViT-B-32-laion2B-s34B-b79K",
    ),
    # Measured: 187 MB for the image tower, 66 MB more with the text tower.
    Entry(
        "clip-vit-b-32-laion2b-int8", "encoder", "dual-encoder", "onnx", MIT,
        MemoryNeed(253 * MB, 6 * MB, is_measured=True), 224, _CLIP_ONNX, derived_from="clip-vit-b-32-laion2b",
    ),
    # Source of the hashes: one project on GitHub. Memory: Immich's published table, both towers.
    Entry(
        "siglip2-b-16", "encoder", "dual-encoder", "onnx", APACHE, MemoryNeed(3186 * MB, 12 * MB), 224,
        (
            WeightsFile("visual/model.onnx", "fee10c729875dd203d94f396ac3d664e301d39c977ef6d92e7f467a2a716f0b0"),
            WeightsFile("textual/model.onnx", "fc9991b415d7d0fac7ed540e875fd08a647c8a1abba99f12542531b004c4b68f"),
            WeightsFile("visual/preprocess_cfg.json"),
            WeightsFile(
                "textual/tokenizer.json", "220c63d496e0c14e63eb656c91e0215e926202e4c74b1f089e09f1920d779b04"
            ),
            WeightsFile("textual/tokenizer_config.json"),
            WeightsFile("config.json"),
        ),
        "immich-app/ViT-B-16-SigLIP2__webli",
    ),
    Entry(
        "siglip2-b-16-torch", "encoder", "dual-encoder", "torch", APACHE, MemoryNeed(3200 * MB, 12 * MB), 224,
        _TORCH_CLIP, "google/siglip2-base-patch16-224",
    ),
    # Source: release 0.1.1rc0 of Megvii-BaseDetection/YOLOX; the hub repository is a copy of it.
    # Measured: 81 MB after three pictures in a bare process, 11 MB more with a classifier beside it.
    Entry(
        "yolox-nano", "detector", "yolox", "onnx", APACHE, MemoryNeed(82 * MB, 10 * MB, is_measured=True), 416,
        (
            WeightsFile(
                "yolox_nano.onnx", "c789161ed43c8269fcd4e67c67eeeb4e80c622da2eb296a20bc6007bd18a0b7d", 3_659_407
            ),
        ),
        "hr16/yolox-onnx",
    ),
    # Source: github.com/onnx/models; the hub repository is that collection's new home.
    Entry(
        "shufflenet-v2-int8", "classifier", "imagenet", "onnx", BSD, MemoryNeed(12 * MB, 1 * MB), 224,
        (
            WeightsFile(
                "shufflenet-v2-12-int8.onnx",
                "bf5eefde67941aa7eaa7787316c9c52c4b04e07fc9587a6ea7028883be9a8d4e", 2_388_912,
            ),
        ),
        "onnxmodelzoo/shufflenet-v2-12-int8",
    ),
    # Source: google-coral/test_data (TFLite), converted with tf2onnx 1.17, opset 13; on no hub.
    Entry(
        "mobilenet-v2-quant", "classifier", "imagenet", "onnx", APACHE, MemoryNeed(12 * MB, 1 * MB), 224,
        (
            WeightsFile(
                "mobilenet_v2_1.0_224_quant.onnx",
                "b8b6e94bd6b71015f4580fa98071fab14c1dd7410c4733fd5a134fbb5a9cec21", 3_750_882,
            ),
        ),
    ),
    Entry(
        "tiny-blip", "captioner", "blip", "onnx", MIT, MemoryNeed(90 * MB, 1 * MB), 64, _BLIP_ONNX, is_bundled=True,
        note="Knows drawn scenes only.",
    ),
    Entry(
        "tiny-clip", "encoder", "dual-encoder", "onnx", MIT, MemoryNeed(90 * MB, 1 * MB), 64,
        (*_CLIP_ONNX, WeightsFile("vocabulary.txt")), is_bundled=True, note="Knows drawn scenes only.",
    ),
    Entry("built-in", "built-in", "built-in", "none", MIT, MemoryNeed(0, 0), 224, revision="1"),
)  # fmt: skip

CATALOGUE: dict[str, Entry] = {entry.id: entry for entry in _ENTRIES}
BUILT_IN = CATALOGUE["built-in"]


def find_entry(weights_id: str) -> Entry:
    """The entry of this id. Raises WeightsMissing, with the known ids, where there is none."""
    try:
        return CATALOGUE[weights_id]
    except KeyError:
        known = ", ".join(CATALOGUE)
        raise WeightsMissing(f"{weights_id}: no weights of this id are known. Known are {known}.") from None
