"""Weights from a hub: resumed where a connection broke, checked, and installed whole or not at all."""

from __future__ import annotations

import io
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from album.exceptions import WeightsCorrupt, WeightsError, WeightsMissing
from album.inference.catalogue import Entry, WeightsFile
from album.inference.weights import checked_hash, installed, publish, staging_folder

SHA256 = re.compile(r"[0-9a-f]{64}")
SPARE_BYTES = 100_000_000
"""Room that an installation leaves on the disk for everybody else."""
Watcher = Callable[[int, int], None]
"""Told how many bytes are there, and how many it takes; may raise to end the download."""
_BY_HAND = "Next step: manage.py import_models FILE_OR_FOLDER, with a bundle made on another machine."


def download(
    entry: Entry, cache: Path, *, progress: bool | Watcher = True, endpoint: str | None = None, force: bool = False
) -> Path:
    """The folder of the entry, fetched from the hub unless it is already there.

    ``progress``: a bar on the terminal, or who is told instead.
    ``HF_ENDPOINT`` names a mirror, ``HF_HUB_OFFLINE`` forbids the network, ``HF_TOKEN`` is for what needs an
    account. What has arrived before an error is kept in ``<id>.partial``, and the next call goes on from there.
    Raises WeightsMissing, WeightsCorrupt and WeightsError, each with what to do next.
    """
    if not force and (folder := installed(entry, cache)):
        return folder
    if entry.repository is None:
        raise WeightsMissing(f"{entry.id} is on no hub. Next step: {entry.mending_command}")
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "ON", "YES", "TRUE"}:
        raise WeightsMissing(f"{entry.id} is not installed and HF_HUB_OFFLINE forbids to fetch it. {_BY_HAND}")
    # The library of chunked transfer keeps its own cache and cannot be resumed by us; nobody is told what we fetch.
    os.environ.update(HF_HUB_DISABLE_XET="1", HF_HUB_DISABLE_TELEMETRY="1", HF_HUB_DISABLE_UPDATE_CHECK="1")
    with staging_folder(entry, cache) as staging, _hub_errors_in_words(entry):
        remotes = [_ask(entry, file, staging, endpoint) for file in entry.files]
        _require_space(entry, staging, sum(remote.missing_bytes for remote in remotes))
        hashes = {}
        counter = _Counter(progress, remotes)
        for remote in remotes:
            _fetch(remote, counter, has_bar=progress is True)
            hashes[remote.file.path] = _checked(entry, remote)
        for remote in remotes:
            remote.part.rename(staging / remote.file.path)
        return publish(entry, staging, cache, hashes, remotes[0].commit)


@dataclass(frozen=True, slots=True)
class _Remote:
    """What the hub says of a file, and where its unfinished copy lies."""

    file: WeightsFile
    part: Path
    url: str
    location: str
    size_bytes: int | None
    etag: str
    commit: str | None

    @property
    def missing_bytes(self) -> int:
        return max(0, (self.size_bytes or 0) - (self.part.stat().st_size if self.part.exists() else 0))


def _ask(entry: Entry, file: WeightsFile, staging: Path, endpoint: str | None) -> _Remote:
    from huggingface_hub import get_hf_file_metadata, hf_hub_url

    endpoint = endpoint or os.environ.get("HF_ENDPOINT")
    url = hf_hub_url(str(entry.repository), file.path, revision=entry.revision, endpoint=endpoint)
    answer = get_hf_file_metadata(url, endpoint=endpoint)
    if answer.size is not None and file.size_bytes not in (None, answer.size):
        raise WeightsCorrupt(
            f"{entry.id}: {file.path} has {answer.size:,} bytes at {url} instead of {file.size_bytes:,}. "
            "It was not fetched; unset HF_ENDPOINT or name another mirror."
        )
    etag = answer.etag or ""
    tag = re.sub(r"\W", "", etag)[:16] or "untagged"  # keeps pieces of two versions apart
    part = staging / f"{file.path}.{tag}.part"
    return _Remote(file, part, url, answer.location, answer.size, etag, answer.commit_hash)


def _require_space(entry: Entry, staging: Path, wanted: int) -> None:
    free = shutil.disk_usage(staging).free
    if wanted + SPARE_BYTES > free:
        raise WeightsError(
            f"{entry.id} needs {wanted / 1e6:,.0f} MB more on the disk of {staging.parent}, of whose free "
            f"{free / 1e6:,.0f} MB {SPARE_BYTES / 1e6:.0f} must stay. Make room or set MODELS_CACHE_DIR."
        )


class _Counter:
    """Adds up what has arrived of all files."""

    def __init__(self, progress: bool | Watcher, remotes: list[_Remote]) -> None:
        self._watcher = progress if callable(progress) else None
        self._total = sum(remote.size_bytes or 0 for remote in remotes)
        self._there = self._total - sum(remote.missing_bytes for remote in remotes)

    def add(self, count: int) -> None:
        self._there = min(self._there + count, self._total)
        if self._watcher is not None:
            self._watcher(self._there, self._total)


class _Counted(io.FileIO):
    """A file to append to, which tells how much was written."""

    def __init__(self, path: Path, tell: Callable[[int], None]) -> None:
        super().__init__(path, "ab")
        self._tell = tell

    def write(self, content: Any) -> int:
        count = super().write(content)
        self._tell(count)
        return count


def _fetch(remote: _Remote, counter: _Counter, *, has_bar: bool) -> None:
    """Fills the part to its full size, from where an earlier call left it."""
    from huggingface_hub.file_download import http_get
    from huggingface_hub.utils import build_hf_headers, silent_tqdm

    headers = build_hf_headers()
    headers["Accept-Encoding"] = "identity"  # ranges of a compressed answer would not fit together
    if urlsplit(remote.location).netloc != urlsplit(remote.url).netloc:
        headers.pop("authorization", None)  # the token is for the hub, not for the storage it points to
    remote.part.parent.mkdir(parents=True, exist_ok=True)
    with _Counted(remote.part, counter.add) as file:
        http_get(
            remote.location,
            file,
            resume_size=file.tell(),
            headers=headers,
            expected_size=remote.size_bytes,
            displayed_filename=remote.file.path,
            tqdm_class=None if has_bar else silent_tqdm,
        )


def _checked(entry: Entry, remote: _Remote) -> str:
    """The hash of the arrived file. The hub's tag of a large file is its SHA-256, so that is compared too."""
    announced = remote.etag if SHA256.fullmatch(remote.etag) else None
    try:
        return checked_hash(entry, remote.file, remote.part, announced)
    except WeightsCorrupt:
        remote.part.unlink()
        raise


@contextmanager
def _hub_errors_in_words(entry: Entry) -> Iterator[None]:
    import httpx2
    from huggingface_hub import errors

    name = f"{entry.id} ({entry.repository} at {entry.revision})"
    try:
        yield
    except errors.OfflineModeIsEnabled:
        raise WeightsMissing(f"{name}: offline mode forbids to fetch it. {_BY_HAND}") from None
    except errors.GatedRepoError:
        raise WeightsMissing(f"{name}: the hub gives it to signed-in accounts only. Set HF_TOKEN.") from None
    except (errors.RepositoryNotFoundError, errors.RevisionNotFoundError, errors.EntryNotFoundError) as error:
        what = str(error).strip().splitlines()[-1]
        raise WeightsMissing(f"{name}: the hub does not have it: {what} {entry.note} {_BY_HAND}") from None
    except errors.HfHubHTTPError as error:
        code = error.response.status_code
        raise WeightsMissing(f"{name}: the hub answered with status {code}. Try again later.") from None
    except (httpx2.HTTPError, OSError) as error:
        cause = f"{error.__class__.__name__}: {error}".splitlines()[0]
        raise WeightsMissing(
            f"{name}: the download broke off ({cause}). What has arrived is kept; the same command goes on from "
            f"there. {_BY_HAND}"
        ) from error
