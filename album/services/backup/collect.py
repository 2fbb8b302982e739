"""The files of a backup: which there are, which are new, and how their contents come into the pool."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from django.conf import settings

from album.disk import hash_file, printable, sync
from album.exceptions import BackupError
from album.failpoints import failpoint
from album.models import MediaItem
from album.services.backup import shelf
from album.services.backup.manifest import POOL, Entry, read_manifest
from album.services.backup.shelf import FULL
from album.services.backup.transfer import Progress, fetch, make_folder, require_space, settle
from album.services.spool import ORIGINALS, PART

ARRIVING = "arriving"
SUFFIX_MAX_BYTES = 255 - 64
"""What a file system leaves of a name beside the digits of a SHA-256."""


@dataclass(slots=True)
class BackupReport:
    """``findings`` want a person, each led by the file it is about. ``new_*``: what was not in the last backup."""

    folder: Path
    files: int = 0
    size_bytes: int = 0
    new_files: int = 0
    new_bytes: int = 0
    removed: int = 0
    findings: list[str] = field(default_factory=list)


class Collector:
    """Sees to it that the content of each file is in the pool; what the last backup had is not read again.

    Unless it ``rereads``: then what has changed in the pool is as good as absent, and is brought again.
    """

    def __init__(self, root: Path, report: BackupReport, progress: Progress, *, rereads: bool = False) -> None:
        self.root, self.report, self.progress, self.rereads = root, report, progress, rereads
        self.known: dict[str, Entry] = {}
        self.damaged: set[str] = set()
        self.brought: list[Path] = []
        self.changed: set[Path] = set()

    def collect(self, folders: tuple[str, ...]) -> list[Entry]:
        """An entry for each file below ``folders``; originals that rows name and that are missing are findings."""
        if not folders:
            return []
        named = MediaItem.objects.exclude(original="") if ORIGINALS in folders else MediaItem.objects.none()
        expected = set(named.values_list("original", flat=True))
        shutil.rmtree(self.root / POOL / ARRIVING, ignore_errors=True)  # of a backup that was killed
        if self.rereads:
            self._reread()
        self._learn()
        below = [file for folder in folders for file in _files_below(Path(settings.MEDIA_ROOT), folder)]
        files = [file for file in below if self._can_be_named(file[0])]
        self._require_space(files)
        entries = [entry for path, stat in files if (entry := self._take(path, stat))]
        for path in sorted(expected - {entry.path for entry in entries}):
            if kept := self._pooled(path):
                entries.append(kept)
                words = "missing from the library; the copy of an earlier backup is in"
            else:
                words = "missing, or deleted while the backup was made"
            self.report.findings.append(f"{path}: {words}")
        for stored in sorted(self.damaged):
            words = "damaged, and not whole in the library either: earlier backups that hold it cannot be restored"
            self.report.findings.append(f"{self.root / stored}: {words}. Put a whole copy there, or let them go.")
        for folder in self.changed:
            sync(folder)
        return entries

    def take_back(self) -> None:
        """Removes what this backup brought: the disk is full, and others must be able to write."""
        for path in self.brought:
            path.unlink(missing_ok=True)

    def _reread(self) -> None:
        for path in (self.root / POOL).glob("??/*"):
            size_bytes = path.stat().st_size
            if shelf.find_problem(path, path.name[:64], size_bytes):
                self.damaged.add(str(path.relative_to(self.root)))
            self.progress(size_bytes)

    def _learn(self) -> None:
        for backup in reversed(shelf.find_backups(self.root)):
            if backup.kind == FULL:
                try:
                    entries = read_manifest(backup.folder).entries
                except BackupError as error:
                    self.report.findings.append(str(error))
                    continue
                self.known = {entry.path: entry for entry in entries if entry.stored not in self.damaged}
                return

    def _can_be_named(self, path: str) -> bool:
        """False for a name that manifest or pool cannot hold; no file of the album itself has such a one."""
        is_text = path == path.encode(errors="ignore").decode()
        if is_text and len(PurePosixPath(path).suffix.encode()) <= SUFFIX_MAX_BYTES:
            return True
        words = "no file of this album, and not in the backup: its name is too long or no UTF-8. Move it away."
        self.report.findings.append(f"{printable(Path(path))}: {words}")
        return False

    def _require_space(self, files: list[tuple[str, os.stat_result]]) -> None:
        device = self.root.stat().st_dev
        new = (stat for path, stat in files if stat.st_dev != device and not self._unchanged(path, stat))
        require_space(self.root, sum(stat.st_size for stat in new))

    def _unchanged(self, path: str, stat: os.stat_result) -> Entry | None:
        entry = self.known.get(path) or self._pooled(path)
        if entry is None or entry.size_bytes != stat.st_size:
            return None
        if path in self.known and entry.modified_ns != stat.st_mtime_ns:
            return None
        with suppress(FileNotFoundError):
            if (self.root / entry.stored).stat().st_size == entry.size_bytes:
                return entry
        return None

    def _pooled(self, path: str) -> Entry | None:
        """An original whose content, which is its name, an earlier or interrupted backup has brought."""
        if not path.startswith(f"{ORIGINALS}/"):
            return None
        entry = Entry(path, Path(path).stem, 0, 0)
        if entry.stored in self.damaged:
            return None
        with suppress(FileNotFoundError):
            stat = (self.root / entry.stored).stat()
            return replace(entry, size_bytes=stat.st_size, modified_ns=stat.st_mtime_ns)
        return None

    def _take(self, path: str, stat: os.stat_result) -> Entry | None:
        """The entry of the file, whose content is in the pool now; None if it is gone, or cannot be read."""
        if (entry := self._unchanged(path, stat)) is None:
            try:
                entry = self._bring(path, stat)
            except FileNotFoundError:
                return None
            except OSError:
                entry = self._unreadable(path)
        self.progress(stat.st_size)
        return entry and replace(entry, path=path, modified_ns=stat.st_mtime_ns)

    def _bring(self, path: str, stat: os.stat_result) -> Entry:
        source = Path(settings.MEDIA_ROOT) / path
        digest, part = fetch(source, self.root / POOL / ARRIVING)
        entry = Entry(path, digest, part.stat().st_size, stat.st_mtime_ns)
        target = self.root / entry.stored
        make_folder(target.parent)
        if not target.exists():  # else an earlier backup has this content, too
            self.brought.append(target)
        settle(part, target)
        self.damaged.discard(entry.stored)
        failpoint("backup-file")
        self.changed.add(target.parent)
        self.report.new_files += 1
        self.report.new_bytes += stat.st_size
        if path.startswith(f"{ORIGINALS}/") and digest != source.stem:
            return self._damaged(entry)
        return entry

    def _unreadable(self, path: str) -> Entry | None:
        """What an earlier backup kept of it. Raises the current error where the fault is with the backup's disk."""
        try:
            hash_file(Path(settings.MEDIA_ROOT) / path)
        except OSError as error:
            kept = self._pooled(path) or self.known.get(path)
            words = "; the copy of an earlier backup is in" if kept else ". Check the disk."
            self.report.findings.append(f"{path}: cannot be read ({error.strerror}){words}")
            return kept
        raise  # noqa: PLE0704 - called while an exception is handled

    def _damaged(self, entry: Entry) -> Entry:
        kept = self._pooled(entry.path)
        words = "the whole copy of an earlier backup is in" if kept else "it is in as it is"
        self.report.findings.append(f"{entry.path}: damaged, its content is not what came in; {words}")
        return kept or entry


def _files_below(root: Path, folder: str) -> Iterator[tuple[str, os.stat_result]]:
    pending = [root / folder]
    while pending:
        try:
            entries = sorted(os.scandir(pending.pop()), key=lambda entry: entry.name)
        except FileNotFoundError:
            continue
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                pending.append(Path(entry.path))
            elif entry.is_file(follow_symlinks=False) and not entry.name.endswith(PART):
                with suppress(FileNotFoundError):
                    yield os.path.relpath(entry.path, root), entry.stat(follow_symlinks=False)
