"""What lies in a folder of photos: files with their sidecars and album names; what is left out, and why."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from django.conf import settings

from album.exceptions import AlbumError
from album.media.sidecars import find_sidecars, is_sidecar
from album.services.backup.shelf import MARK as BACKUPS

SKIPPED_FOLDERS = {"@eaDir", "#recycle", "$RECYCLE.BIN", "System Volume Information", "lost+found"}
"""Folders in which file servers and file systems keep their own pictures and waste."""
NO_MEDIA = ".nomedia"
"""Source: Android; a folder with this file in it keeps pictures of programs, which no gallery shows."""
ASK_TO_BE_LEFT_OUT = (NO_MEDIA, BACKUPS)
ALBUM_FILE_MAX_BYTES = 65_536
TITLE_MAX_LENGTH = 200
_YEAR_FOLDER = re.compile(
    r"(?:Photos (?:from|de)|Fotos (?:von|de|del|uit)|Foto(?:'s uit| del| dal|n från)|Bilder fr[aå]n?|Billeder fra"
    r"|Zdjęcia z|Фото за) (?:19|20)\d\d|(?:19|20)\d\d-\d\d-\d\d(?: #\d+)?"
)
"""Folders of Google Takeout that hold what lies in no album; older exports made one for each day."""


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file to take, what lies beside it and belongs to it, and the albums that its folder names."""

    path: Path
    sidecars: tuple[Path, ...] = ()
    folder_title: str = ""
    takeout_title: str = ""


@dataclass(slots=True)
class Folder:
    """Iterating yields the files below ``root`` in the order of their names; ``skipped`` tells what is left out.

    Hidden files, links out of the folder and what the album itself keeps there are left out silently.
    """

    root: Path
    skipped: list[str] = field(default_factory=list)

    def __iter__(self) -> Iterator[FoundFile]:
        """Raises AlbumError: ``root`` cannot be read."""
        self.skipped.clear()
        return self.below(check_folder(self.root))

    def below(self, start: Path) -> Iterator[FoundFile]:
        """The files below ``start``, a folder within ``root``."""
        if _is_own(start, self.root):
            return
        for parent, folders, names in os.walk(start, onerror=self._note):
            here = Path(parent)
            if here != self.root and (mark := next((one for one in ASK_TO_BE_LEFT_OUT if one in names), None)):
                self.skipped.append(f"{here.relative_to(self.root)}: holds {mark}, which asks to be left out")
                folders.clear()
                continue
            folders[:] = sorted(n for n in folders if is_wanted(n) and not _is_own(here / n, self.root))
            yield from _files(here, sorted(filter(is_wanted, names)), self.root)

    def find(self, path: Path) -> FoundFile | None:
        """The file at ``path`` as iterating would yield it; None where it would leave it out."""
        folders = [folder for folder in path.relative_to(self.root).parents if folder.name]
        marks = (self.root / folder / mark for folder in folders for mark in ASK_TO_BE_LEFT_OUT)
        are_wanted = all(map(is_wanted, path.relative_to(self.root).parts))
        if not are_wanted or any(mark.exists() for mark in marks) or _is_own(path, self.root):
            return None
        names = sorted(filter(is_wanted, (one.name for one in path.parent.iterdir())))
        return next((found for found in _files(path.parent, names, self.root) if found.path == path), None)

    def _note(self, error: OSError) -> None:
        reason = f"cannot be read ({error.strerror})"
        if error.filename == str(self.root):
            raise AlbumError(f"{self.root}: {reason}. Check its permissions.") from error
        self.skipped.append(f"{Path(error.filename).relative_to(self.root)}: {reason}")


def check_folder(root: Path) -> Path:
    """``root``, which is a folder and not a part of the album's own storage.

    Raises:
        AlbumError: it is not.
    """
    if not root.is_dir():
        fault = "is not a folder" if root.exists() else "there is no such folder"
        raise AlbumError(f"{root}: {fault}. Check the path.")
    storage = Path(settings.MEDIA_ROOT).resolve()
    if root.resolve().is_relative_to(storage):
        raise AlbumError(f"{root}: lies in the storage of the album, {storage}. Choose a folder outside of it.")
    return root


def is_wanted(name: str) -> bool:
    """False for hidden names and for the folders of file systems."""
    return not name.startswith(".") and name not in SKIPPED_FOLDERS


def _files(here: Path, names: list[str], root: Path) -> Iterator[FoundFile]:
    takeout_title = _takeout_title(here, names)
    folder_title = here.resolve().name[:TITLE_MAX_LENGTH]
    sidecars = set(filter(is_sidecar, names))
    for name in names:
        path = here / name
        if name not in sidecars and (not path.is_symlink() or _leads_into(path, root)):
            yield FoundFile(path, find_sidecars(path, sidecars), folder_title, takeout_title)


def _leads_into(link: Path, root: Path) -> bool:
    # Path.resolve() raises RuntimeError for a link to itself.
    return Path(os.path.realpath(link)).is_relative_to(os.path.realpath(root)) and not _is_own(link, root)


def _is_own(path: Path, root: Path) -> bool:
    """True for what the album itself keeps somewhere below ``root``: other people's photos, previews, backups."""
    real, real_root = (Path(os.path.realpath(each)) for each in (path, root))
    own = {Path(os.path.realpath(each)) for each in (settings.MEDIA_ROOT, settings.VAR_DIR, settings.BACKUP_DIR)}
    return not {real, *real.parents}.isdisjoint(own - {real_root, *real_root.parents})


def _takeout_title(here: Path, names: list[str]) -> str:
    """The album that Google Takeout made this folder for; empty if it made none.

    The file that tells has a translated name (``metadata.json``, ``métadonnées.json``), so its content decides.
    """
    for name in names:
        # The sidecars of photos are named after them and so have a second dot.
        if not name.endswith(".json") or name.count(".") != 1:
            continue
        title = _title_in(here / name)
        if title:
            return "" if _YEAR_FOLDER.fullmatch(title) else title
    return ""


def _title_in(path: Path) -> str:
    try:
        if not path.is_file() or path.stat().st_size > ALBUM_FILE_MAX_BYTES:
            return ""
        stated = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return ""
    if isinstance(stated, dict) and isinstance(stated.get("albumData"), dict):
        stated = stated["albumData"]
    if not isinstance(stated, dict) or "photoTakenTime" in stated or not {"date", "access"} & stated.keys():
        return ""
    title = stated.get("title")
    return title.strip()[:TITLE_MAX_LENGTH] if isinstance(title, str) else ""
