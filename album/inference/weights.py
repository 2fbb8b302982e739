"""Weights on disk: what is installed, whether it is still what was installed, and how new files come in whole.

``models_cache/<id>/`` exists only complete: files are gathered in ``<id>.partial``, checked, written through to the
disk and renamed into place together with ``manifest.json``, which records size, time and SHA-256 of each.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from album.disk import hash_file, sync, written_whole
from album.exceptions import WeightsCorrupt, WeightsError, WeightsMissing
from album.inference.catalogue import Entry, WeightsFile

MANIFEST = "manifest.json"
BUNDLED_DIR = Path(__file__).resolve().parents[2] / "tests" / "fixtures" / "weights"


@dataclass(frozen=True, slots=True)
class FileRecord:
    """A file as it was installed."""

    path: str
    size_bytes: int
    mtime_ns: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What an installation consists of. ``revision`` is the hub's commit or, without one, a digest of the files."""

    id: str
    revision: str
    files: tuple[FileRecord, ...]

    @classmethod
    def read(cls, folder: Path) -> Manifest:
        """The manifest of a folder. Raises FileNotFoundError without one, WeightsCorrupt where it is none."""
        return cls.parse((folder / MANIFEST).read_bytes(), str(folder / MANIFEST))

    @classmethod
    def parse(cls, text: bytes, name: str) -> Manifest:
        """The manifest in a text; ``name`` is for the error."""
        try:
            raw = json.loads(text)
            return cls(raw["id"], raw["revision"], tuple(FileRecord(**record) for record in raw["files"]))
        except (ValueError, KeyError, TypeError) as error:
            raise WeightsCorrupt(f"{name} is not a manifest of weights: {error!r}. Install them again.") from None

    def write(self, folder: Path) -> None:
        with written_whole(folder / MANIFEST) as draft:
            draft.write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")


def folder_of(entry: Entry, cache: Path) -> Path:
    """Where the files of the entry lie, or would lie."""
    return (BUNDLED_DIR if entry.is_bundled else cache) / entry.id


def installed(entry: Entry, cache: Path) -> Path | None:
    """The folder of the entry if its files are there with their recorded sizes and times, else None."""
    try:
        return require(entry, cache)
    except WeightsError:
        return None


def require(entry: Entry, cache: Path, *, verify: bool = False) -> Path:
    """The folder of the entry, fit for use.

    Sizes and times are compared each time; the SHA-256 of a file is computed where its time differs, or of all with
    ``verify``. Raises WeightsMissing and WeightsCorrupt, naming the command that mends it.
    """
    folder = folder_of(entry, cache)
    if entry.runtime == "none":
        return folder
    if entry.is_bundled:
        if missing := [file.path for file in entry.files if not (folder / file.path).is_file()]:
            raise WeightsMissing(f"{entry.id}: {', '.join(missing)} missing in {folder}. {_advice(entry)}")
        return folder
    try:
        manifest = Manifest.read(folder)
    except FileNotFoundError:
        raise WeightsMissing(f"{entry.id} is not installed in {cache}. {_advice(entry)}") from None
    records = {record.path: record for record in manifest.files}
    checked = []
    for file in entry.files:
        if file.path not in records:
            raise WeightsMissing(f"{entry.id}: {file.path} is not installed. {_advice(entry, again=True)}")
        checked.append(_check(entry, file, folder, records[file.path], verify))
    if checked != list(manifest.files):
        with suppress(OSError):  # a folder that only root may write is as good; it is hashed again next time
            replace(manifest, files=tuple(checked)).write(folder)
    return folder


def _check(entry: Entry, file: WeightsFile, folder: Path, record: FileRecord, verify: bool) -> FileRecord:
    """The record, with the file's present time. Raises WeightsCorrupt where the file is not the recorded one."""
    path = folder / file.path
    if file.sha256 not in (None, record.sha256):
        raise _corrupt(entry, path, "is not the one the catalogue names")
    try:
        status = path.stat()
    except FileNotFoundError:
        raise _corrupt(entry, path, "is gone") from None
    if status.st_size != record.size_bytes:
        raise _corrupt(entry, path, f"has {status.st_size:,} bytes instead of {record.size_bytes:,}")
    if (verify or status.st_mtime_ns != record.mtime_ns) and hash_file(path) != record.sha256:
        raise _corrupt(entry, path, "has changed: its SHA-256 is not the recorded one")
    return replace(record, mtime_ns=status.st_mtime_ns)


def _corrupt(entry: Entry, path: Path, problem: str) -> WeightsCorrupt:
    return WeightsCorrupt(f"{entry.id}: {path} {problem}. {_advice(entry, again=True)}")


def _advice(entry: Entry, *, again: bool = False) -> str:
    force = " --force" if again and entry.origin == "hub" else ""
    return f"Next step: {entry.mending_command}{force}"


def revision_of(entry: Entry, cache: Path) -> str:
    """The revision to store with results: the hub's commit or a digest of the installed files."""
    folder = require(entry, cache)
    if entry.is_bundled:
        return _digest({file.path: hash_file(folder / file.path) for file in entry.files})
    return entry.revision if entry.runtime == "none" else Manifest.read(folder).revision


def checked_hash(entry: Entry, file: WeightsFile, path: Path, expected: str | None = None) -> str:
    """The SHA-256 of a newly gathered file. Raises WeightsCorrupt where it is not the known one."""
    size = path.stat().st_size
    if file.size_bytes not in (None, size):
        raise WeightsCorrupt(f"{entry.id}: {path.name} has {size:,} bytes instead of {file.size_bytes:,}.")
    found = hash_file(path)
    wanted = file.sha256 or expected or found
    if found != wanted:
        raise WeightsCorrupt(
            f"{entry.id}: {file.path} has SHA-256 {found} instead of {wanted}. It was not installed; "
            "fetch it again, from another source if this repeats."
        )
    return found


@contextmanager
def staging_folder(entry: Entry, cache: Path) -> Iterator[Path]:
    """``<id>.partial``, for this process alone; it stays after an error, so that a download goes on from there.

    Raises WeightsError where another process holds it or nothing can be written.
    """
    try:
        cache.mkdir(parents=True, exist_ok=True)
        lock = (cache / f".{entry.id}.lock").open("w")
    except OSError as error:
        raise WeightsError(f"{cache} cannot be written: {error.strerror}. Set MODELS_CACHE_DIR.") from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise WeightsError(f"{entry.id}: another process is installing it. Wait for its end.") from None
        staging = cache / f"{entry.id}.partial"
        staging.mkdir(exist_ok=True)
        yield staging


def publish(
    entry: Entry, staging: Path, cache: Path, hashes: Mapping[str, str], revision: str | None = None
) -> Path:
    """The final folder, after the checked files of ``staging`` were written through and renamed into place.

    Args:
        hashes: SHA-256 by path for each file of the entry, as ``checked_hash`` gave them.
        revision: the hub's commit; None: a digest of the files stands for it.
    """
    records = []
    for path, sha256 in hashes.items():
        sync(staging / path)
        status = (staging / path).stat()
        records.append(FileRecord(path, status.st_size, status.st_mtime_ns, sha256))
    Manifest(entry.id, revision or _digest(hashes), tuple(records)).write(staging)
    _sweep(staging, {MANIFEST, *hashes})
    final, old = cache / entry.id, cache / f"{entry.id}.old"
    shutil.rmtree(old, ignore_errors=True)
    if final.exists():
        final.rename(old)
    staging.rename(final)
    sync(cache)
    shutil.rmtree(old, ignore_errors=True)
    return final


def _digest(hashes: Mapping[str, str]) -> str:
    return hashlib.sha256("".join(f"{path} {hashes[path]}\n" for path in sorted(hashes)).encode()).hexdigest()[:40]


def _sweep(folder: Path, keep: set[str]) -> None:
    """Leaves only the named files, so that remains of broken downloads are not installed."""
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_dir() and not path.is_symlink():
            with suppress(OSError):  # not empty: it holds a file that stays
                path.rmdir()
        elif path.relative_to(folder).as_posix() not in keep:
            path.unlink()
