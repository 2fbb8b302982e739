"""Everything that a new file is asked at once, in the child: what it states about itself, and its renditions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from album.exceptions import AlbumError
from album.media.facts import FileFacts, Origin
from album.media.rendering import render_photo
from album.media.renditions import Rendered
from album.media.sandbox import storage_fault
from album.media.sniff import UNKNOWN, MediaType

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Inspection:
    """What became of a file. ``rendered`` is None where nothing could be made, and ``problem`` then says why.

    ``facts_problem`` says why only name and time of the file tell of it; for the log.
    """

    facts: FileFacts
    rendered: Rendered | None
    problem: str
    facts_problem: str = ""


def inspect_file(path: Path, media_type: MediaType, origin: Origin, folder: Path | None) -> Inspection:
    """The facts of the file at ``path``, and its renditions in ``folder``; without a folder, only the facts.

    Raises:
        StorageError: the disk is full, read-only or broken, which is no problem of the file.
    """
    from album.media.metadata import read_facts, read_origin

    facts, facts_problem = _attempt(lambda: read_facts(path, media_type, origin))
    rendered, problem = None, facts_problem
    if folder is not None:
        rendered, problem = _attempt(lambda: _render(path, media_type, folder))
    return Inspection(facts or read_origin(origin), rendered, problem, facts_problem)


def _render(path: Path, media_type: MediaType, folder: Path) -> Rendered:
    if media_type.decoder == "none" and media_type.mime != UNKNOWN:
        kind = media_type.extension.removeprefix(".").upper()
        raise AlbumError(
            f"The album cannot show {kind} files ({media_type.mime}). The original is kept; you can download it."
        )
    if media_type.decoder == "video":
        from album.media.video import render_video

        return render_video(path, folder)
    if media_type.kind == "video":  # by its name only: no decoder is let at such bytes
        raise AlbumError(
            "The video cannot be decoded: its format is damaged or unknown here. Download the original to see it."
        )
    return render_photo(path, media_type, folder)


def _attempt(work: Callable[[], R]) -> tuple[R | None, str]:
    """What ``work`` returns, or why it failed, in words: neither half of an inspection may cost the other."""
    try:
        return work(), ""
    except Exception as error:  # the wall: any file may break any reader
        if (fault := storage_fault(error)) is not None:
            raise fault from error
        if isinstance(error, AlbumError):
            return None, str(error)
        return None, f"The file cannot be read: {type(error).__name__}: {error}"[:500]
