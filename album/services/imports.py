"""A folder of photos and videos becomes items: copied into the storage, or indexed where it lies."""

from __future__ import annotations

import filecmp
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Protocol

from django.contrib.auth.models import User

from album.disk import printable
from album.exceptions import AlbumError, MediaError, StorageError, StorageFull, UnsupportedMedia
from album.media.sandbox import Sandbox
from album.media.takeout import read_takeout
from album.models import Album, MediaItem, Preview
from album.preparation.boxes import make_box
from album.preparation.prepare import prepare_many
from album.preparation.rows import storable
from album.preparation.sidecars import keep_sidecars, newer_sidecars, sidecars_of, take_back_stated_words
from album.services.copying import Copying, known_sizes
from album.services.folders import TITLE_MAX_LENGTH, Folder, FoundFile
from album.services.in_place import Indexing, places_below, places_of, refuse_missing_storage
from album.services.ingest import add_to_album, find_album
from album.services.spool import FULL_DISK, prepare_storage, storage_errors
from album.services.verdicts import Outcome, Verdict


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """What to import for whom, and how. Setting ``stop`` ends an import after the file at hand."""

    owner: User
    folder: Path
    album: Album | None = None
    is_in_place: bool = False
    has_folder_albums: bool = False
    is_dry_run: bool = False
    workers: int = 1
    stop: Event = field(default_factory=Event)


@dataclass(slots=True)
class ImportTotals:
    """What became of the files of a folder. Lines begin with the path within the folder and give the reason."""

    counts: Counter[Outcome] = field(default_factory=Counter)
    unsupported: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    without_preview: list[str] = field(default_factory=list)
    gone: int = 0


WHAT_IS_LEFT = "what was imported before stays"
Progress = Callable[[Path, str], None]
"""Told of each file: its path, and what became of it in a word or more."""


def silence(path: Path, words: str) -> None:
    """Progress that nobody looks at."""


class Taker(Protocol):
    """One of the two ways to take a file."""

    def judge(self, path: Path) -> Verdict:
        """What taking the file would come to; nothing is written."""

    def take(self, path: Path, verdict: Verdict) -> MediaItem:
        """The row of the file after what ``judge`` said was done."""


def import_folder(
    options: ImportOptions,
    progress: Progress = silence,
    is_ready: Callable[[Path], bool] = lambda path: True,
) -> ImportTotals:
    """The totals after every file below the folder was taken, found known or refused, and all are prepared.

    The folder is only read. Doing it again imports what is new, and goes on where it was ended. Files that are not
    ready yet are passed over.

    Raises:
        AlbumError: the folder cannot be read, or lies in the storage of the album.
        StorageError: disk or database is full or fails, or the folder went away; what was done before stays.
    """
    with storage_errors(str(options.folder), WHAT_IS_LEFT):
        folder = Folder(options.folder)
        if options.is_in_place:
            places = places_below(options.owner, options.folder)
            refuse_missing_storage(options.folder, places)
            taker: Taker = Indexing(options.owner, places)
        else:
            places, taker = {}, Copying(options.owner, known_sizes(options.owner))
        work = _Import(options, progress, taker)
        work.run(found for found in folder if is_ready(found.path))
        work.refuse_vanished_folder()
        work.totals.left_out += folder.skipped
        if not options.stop.is_set():
            work.totals.gone = sum(not Path(path).exists() for path in places)
    return work.totals


def import_files(options: ImportOptions, files: list[FoundFile]) -> ImportTotals:
    """The same for some files of the folder."""
    with storage_errors(str(options.folder), WHAT_IS_LEFT):
        taker: Taker = Copying(options.owner)
        if options.is_in_place:
            taker = Indexing(options.owner, places_of(options.owner, [found.path for found in files]))
        work = _Import(options, silence, taker)
        work.run(files)
    return work.totals


@dataclass(slots=True)
class _Import:
    """One import under way."""

    options: ImportOptions
    progress: Progress
    taker: Taker
    totals: ImportTotals = field(default_factory=ImportTotals)
    albums: dict[str, Album] = field(default_factory=dict)
    rehearsed: dict[int, list[Path]] = field(default_factory=dict)
    box: Sandbox = field(init=False)

    def run(self, files: Iterable[FoundFile]) -> None:
        """Takes the files one by one, while a child prepares those before."""
        if self.options.is_dry_run:
            for _ in self._take_all(files):
                pass
            return
        prepare_storage(str(self.options.folder))
        with make_box(self.options.workers) as self.box:
            for item in prepare_many(self._take_all(files), self.box, sidecars=sidecars_of):
                if item.preview_status == Preview.NONE:
                    self.totals.without_preview.append(f"{item.original_name}: {item.preview_problem}")

    def _take_all(self, files: Iterable[FoundFile]) -> Iterator[MediaItem]:
        """The items that are to be prepared."""
        for found in files:
            if self.options.stop.is_set():
                return
            item, words = self._attempt(found)
            self.progress(found.path, words)
            if item is not None and item.preview_status == Preview.WAITING:
                yield item

    def _attempt(self, found: FoundFile) -> tuple[MediaItem | None, str]:
        """The item of a file, if it has one now, and what became of it; a bad file ends nothing."""
        try:
            return self._take(found)
        except StorageError:
            raise
        except (AlbumError, OSError) as error:
            self.refuse_vanished_folder()
            totals, is_unsupported = self.totals, isinstance(error, UnsupportedMedia)
            return None, self._note(totals.unsupported if is_unsupported else totals.failed, found, error)

    def refuse_vanished_folder(self) -> None:
        """Returns where the folder is still there: files of a disk that went away have no fault of their own."""
        if not self.options.folder.is_dir():
            raise StorageError(f"{self.options.folder}: storage missing: it went away. Mount the disk and retry.")

    def _take(self, found: FoundFile) -> tuple[MediaItem | None, str]:
        if _lies_in_takeouts_trash(found):
            return None, self._note(self.totals.left_out, found, "was in the trash of Google Photos")
        verdict = self.taker.judge(found.path)
        has_more = found.sidecars or self.options.album or self._title(found)
        is_left_alone = verdict.outcome is Outcome.IN_TRASH or (verdict.settled_id and not has_more)
        item = None
        if not self.options.is_dry_run and not is_left_alone:
            item = self.taker.take(found.path, verdict)
            self._add_what_the_folder_tells(item, found)
        outcome = verdict.outcome
        if self.options.is_dry_run and outcome is Outcome.NEW and self._is_second_copy(found.path):
            outcome = Outcome.KNOWN
        self.totals.counts[outcome] += 1
        return item, outcome

    def _is_second_copy(self, path: Path) -> bool:
        """Whether a dry run has met this content before; only files of one size are compared."""
        same_size = self.rehearsed.setdefault(path.stat().st_size, [])
        is_known = any(filecmp.cmp(path, other, shallow=False) for other in same_size)
        if not is_known:
            same_size.append(path)
        return is_known

    def _add_what_the_folder_tells(self, item: MediaItem, found: FoundFile) -> None:
        self._read_sidecars(item, found)
        for album in self._albums_for(found):
            add_to_album(item, album)

    def _read_sidecars(self, item: MediaItem, found: FoundFile) -> None:
        """Keeps what lies beside the file. The item is there whether it can be read or not."""
        try:
            is_indexed_here = item.source_path == str(found.path)
            newer = newer_sidecars(item, found.sidecars, or_older=is_indexed_here)
            if newer and item.prepared_at is not None:
                self._ask_again(item)
            keep_sidecars(item, newer)
        except OSError as error:
            if error.errno in FULL_DISK:
                raise StorageFull("storage full: a sidecar was not kept. Free some space and retry.") from error
            self._note(self.totals.failed, found, f"was taken, but its sidecar was not ({error.strerror}).")

    def _ask_again(self, item: MediaItem) -> None:
        """Has a prepared item prepared once more, for what is said about it now."""
        take_back_stated_words(item, self.box)
        again = {"preview_status": Preview.WAITING, "prepared_at": None, "prepare_attempts": 0}
        MediaItem.objects.filter(pk=item.pk).update(**again)
        item.preview_status = Preview.WAITING

    def _title(self, found: FoundFile) -> str:
        title = found.takeout_title or (found.folder_title if self.options.has_folder_albums else "")
        return storable(title, TITLE_MAX_LENGTH)

    def _albums_for(self, found: FoundFile) -> Iterator[Album]:
        if self.options.album is not None:
            yield self.options.album
        if title := self._title(found):
            if title not in self.albums:
                self.albums[title] = find_album(self.options.owner, title)
            yield self.albums[title]

    def _note(self, lines: list[str], found: FoundFile, reason: object) -> str:
        """The reason in words. Its line is led by the path within the folder: names repeat in other folders."""
        words = str(reason).removeprefix(found.path.name).removeprefix(": ").strip()
        lines.append(f"{printable(found.path.relative_to(self.options.folder))}: {words}")
        return words


def _lies_in_takeouts_trash(found: FoundFile) -> bool:
    for sidecar in found.sidecars:
        if sidecar.suffix.lower() == ".json":
            with suppress(MediaError):
                return read_takeout(sidecar).is_trashed
    return False
