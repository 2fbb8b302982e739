"""Weights that travel by hand: a tar of installed entries, or any folder that holds files of the catalogue."""

from __future__ import annotations

import shutil
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import IO

from album.exceptions import WeightsCorrupt, WeightsError, WeightsMissing
from album.inference.catalogue import CATALOGUE, Entry, find_entry
from album.inference.weights import MANIFEST, Manifest, checked_hash, publish, require, staging_folder

MAX_MANIFEST_BYTES = 1_000_000


def write_bundle(entries: Sequence[Entry], cache: Path, target: Path) -> Path:
    """The tar of the given entries, each verified first. Raises WeightsMissing and WeightsCorrupt."""
    folders = {entry: require(entry, cache, verify=True) for entry in entries if entry.origin != "repository"}
    if not folders:
        raise WeightsMissing("There is nothing to bundle. Next step: manage.py download_models")
    draft = target.with_name(target.name + ".part")
    try:
        with tarfile.open(draft, "w", format=tarfile.PAX_FORMAT) as tar:
            for entry, folder in folders.items():
                for path in (MANIFEST, *(file.path for file in entry.files)):
                    tar.add(folder / path, f"{entry.id}/{path}", recursive=False)
        draft.replace(target)
    except OSError as error:
        raise WeightsError(f"{target} cannot be written: {error.strerror}") from None
    finally:
        draft.unlink(missing_ok=True)
    return target


def import_weights(source: Path, cache: Path, *, only: Sequence[str] = ()) -> list[Entry]:
    """The entries found in a bundle or a folder and installed from it.

    Args:
        only: ids to take; empty: all that are found. A folder of files whose hashes the catalogue does not know is
            taken for an entry only if it is named here, or its name or its manifest says so.

    Raises WeightsMissing where nothing known is found, WeightsCorrupt where a file is not the expected one, and
    WeightsError for a bundle that holds links, paths that lead out of it, or anything unknown.
    """
    wanted = [find_entry(weights_id) for weights_id in only] or list(CATALOGUE.values())
    wanted = [entry for entry in wanted if entry.origin != "repository"]
    if source.is_dir():
        return _import_folder(source, cache, wanted, bool(only))
    try:
        with tarfile.open(source, "r:*") as tar:
            return _import_tar(tar, cache, wanted)
    except FileNotFoundError:
        raise WeightsMissing(f"{source} does not exist.") from None
    except (tarfile.TarError, EOFError) as error:
        raise WeightsCorrupt(f"{source} is not a whole bundle ({error}). Copy or make it again.") from None


def _import_tar(tar: tarfile.TarFile, cache: Path, wanted: Sequence[Entry]) -> list[Entry]:
    members = {member.name: member for member in tar if _is_acceptable(member)}
    imported = []
    for entry in wanted:
        if f"{entry.id}/{MANIFEST}" not in members:
            continue
        manifest = _manifest_in(tar, members[f"{entry.id}/{MANIFEST}"], entry)
        with staging_folder(entry, cache) as staging:
            hashes = {}
            for file in entry.files:
                member = members.get(f"{entry.id}/{file.path}")
                stream = tar.extractfile(member) if member else None
                if stream is None:
                    raise WeightsCorrupt(f"The bundle has no {entry.id}/{file.path}. Make it again.")
                copy = _copy(stream, staging / file.path)
                hashes[file.path] = checked_hash(entry, file, copy, _recorded(manifest, file.path))
            publish(entry, staging, cache, hashes, manifest.revision)
        imported.append(entry)
    if not imported:
        raise WeightsMissing(f"The bundle holds none of {', '.join(entry.id for entry in wanted)}.")
    return imported


def _is_acceptable(member: tarfile.TarInfo) -> bool:
    """Whether the member is a file of the catalogue; False for its folders. Raises WeightsError for all else."""
    if member.isdir():
        return False
    path = PurePosixPath(member.name)
    entry = CATALOGUE.get(path.parts[0]) if path.parts else None
    inside = "/".join(path.parts[1:])
    known = entry and (inside == MANIFEST or any(inside == file.path for file in entry.files))
    if not member.isreg() or not known or str(path) != member.name:
        raise WeightsError(f"The bundle holds {member.name!r}, which belongs to no weights. Nothing was installed.")
    return True


def _manifest_in(tar: tarfile.TarFile, member: tarfile.TarInfo, entry: Entry) -> Manifest:
    stream = tar.extractfile(member)
    if stream is None or member.size > MAX_MANIFEST_BYTES:
        raise WeightsCorrupt(f"{member.name} in the bundle is not a manifest.")
    manifest = Manifest.parse(stream.read(), member.name)
    if manifest.id != entry.id:
        raise WeightsCorrupt(f"{member.name} in the bundle is the manifest of {manifest.id}.")
    return manifest


def _import_folder(source: Path, cache: Path, wanted: Sequence[Entry], is_named: bool) -> list[Entry]:
    mismatches: list[str] = []
    imported = [entry for entry in wanted if _import_first(source, cache, entry, mismatches, is_named)]
    if not imported:
        if mismatches:
            raise WeightsCorrupt("\n".join(mismatches))
        names = ", ".join(entry.id for entry in wanted)
        raise WeightsMissing(f"{source} holds no complete set of files of {names}.")
    return imported


def _import_first(source: Path, cache: Path, entry: Entry, mismatches: list[str], is_named: bool) -> bool:
    """Whether a folder below ``source`` is the entry and was installed."""
    for root in _roots(source, entry):
        manifest = _manifest_of(root, entry)
        is_identified = is_named or manifest is not None or root.name == entry.id
        if not is_identified and not any(file.sha256 for file in entry.files):
            continue
        try:
            _install_copy(entry, root, cache, manifest)
        except WeightsCorrupt as error:
            if is_identified:
                raise
            mismatches.append(str(error))  # perhaps other weights with files of the same names
        else:
            return True
    return False


def _roots(source: Path, entry: Entry) -> Iterator[Path]:
    """Folders below ``source`` that hold every file of the entry, and no link that leads out of ``source``."""
    first = PurePosixPath(entry.files[0].path)
    limit = source.resolve()
    for found in sorted(source.rglob(first.name)):
        root = found.parents[len(first.parts) - 1]
        paths = [root / file.path for file in entry.files]
        if all(path.is_file() and path.resolve().is_relative_to(limit) for path in paths):
            yield root


def _manifest_of(root: Path, entry: Entry) -> Manifest | None:
    """The manifest that a copied folder of ``models_cache`` brings along."""
    with suppress(FileNotFoundError, WeightsCorrupt):
        manifest = Manifest.read(root)
        return manifest if manifest.id == entry.id else None
    return None


def _install_copy(entry: Entry, root: Path, cache: Path, manifest: Manifest | None) -> None:
    with staging_folder(entry, cache) as staging:
        hashes = {}
        for file in entry.files:
            with (root / file.path).open("rb") as stream:
                copy = _copy(stream, staging / file.path)
            recorded = _recorded(manifest, file.path) if manifest else None
            hashes[file.path] = checked_hash(entry, file, copy, recorded)
        publish(entry, staging, cache, hashes, manifest.revision if manifest else None)


def _recorded(manifest: Manifest, path: str) -> str | None:
    return next((record.sha256 for record in manifest.files if record.path == path), None)


def _copy(stream: IO[bytes], target: Path) -> Path:
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("wb") as file:
        shutil.copyfileobj(stream, file, 1 << 20)
    return target
