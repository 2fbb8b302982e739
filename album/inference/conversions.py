"""Weights that are made here from others: exported to ONNX, quantized, compared, and installed like a download."""

from __future__ import annotations

from importlib import util
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from album.exceptions import WeightsError
from album.inference.catalogue import Entry, find_entry
from album.inference.weights import checked_hash, publish, require, staging_folder

if TYPE_CHECKING:
    from album.inference.export import ParityReport
    from album.inference.export_encoders import EncoderParity


def convert(entry: Entry, cache: Path, source: Path | None = None) -> ParityReport | EncoderParity:
    """How near the newly made and installed weights come to those they were made from.

    Args:
        source: a folder with the weights to start from; None: the installed entry that the catalogue names.

    Raises WeightsMissing without the source, WeightsError where the entry is not one that is made here, where a
    package is missing, and where the new weights differ too much; then nothing is installed.
    """
    if entry.derived_from is None:
        raise WeightsError(f"{entry.id} is not made by conversion. Next step: {entry.mending_command}")
    packages = ("onnx", "torch", "transformers") if entry.family == "blip" else ("onnx",)
    if missing := [name for name in packages if util.find_spec(name) is None]:
        raise WeightsError(
            f"{entry.id}: making it needs {', '.join(missing)}. Next step: "
            "pip install -r requirements-torch.txt; or make it on a larger machine and bring it with bundle_models."
        )
    folder = source or require(find_entry(entry.derived_from), cache)
    with staging_folder(entry, cache) as staging:
        with TemporaryDirectory(dir=staging) as draft:
            report = _convert(entry, folder, Path(draft, entry.id))
            for file in entry.files:
                Path(draft, entry.id, file.path).replace(staging / file.path)
        hashes = {file.path: checked_hash(entry, file, staging / file.path) for file in entry.files}
        publish(entry, staging, cache, hashes)
    return report


def _convert(entry: Entry, source: Path, target: Path) -> ParityReport | EncoderParity:
    if entry.family == "blip":
        from album.inference.export import export_blip

        return export_blip(source, target, int8=entry.id.endswith("-int8"))
    from album.inference.export_encoders import export_dual_encoder, quantize_dual_encoder

    if (source / "model.safetensors").is_file():  # a folder of transformers; the hub's ready ONNX needs no torch
        return export_dual_encoder(source, target, int8=True)
    return quantize_dual_encoder(source, target)
