"""Many files as one that is made while it is sent. Nothing is compressed: photos and videos are already."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePath
from typing import BinaryIO

from django.utils.translation import gettext as _

from album.exceptions import AlbumError

CHUNK_BYTES = 256 * 1024
NAME_MAX_BYTES = 200
FORBIDDEN = frozenset('<>:"/\\|?*')
"""Characters that Windows takes in no file name."""
RESERVED = frozenset({"CON", "PRN", "AUX", "NUL", *(f"{port}{n}" for port in ("COM", "LPT") for n in range(1, 10))})


class NothingToZip(AlbumError):
    """None of the wanted files can be had."""


@dataclass(frozen=True, slots=True)
class ZipEntry:
    """A file to be: ``open_file`` gives exactly ``size_bytes`` when its turn comes."""

    name: str
    size_bytes: int
    open_file: Callable[[], BinaryIO]


@dataclass(frozen=True, slots=True)
class Zip:
    """``chunks`` are ``size_bytes`` long together."""

    chunks: Iterator[bytes]
    size_bytes: int
    count: int


def zip_files(entries: Iterable[ZipEntry]) -> Zip:
    """The entries as one file, each under a name that is unique and harmless on every system.

    Raises:
        NothingToZip: there is no entry.
    """
    from zipstream import ZIP_STORED, ZipStream

    stream, taken = ZipStream(compress_type=ZIP_STORED, sized=True), dict[str, int]()
    for entry in entries:
        stream.add(_read(entry), _unique(safe_name(entry.name), taken), size=entry.size_bytes)
    if not taken:
        raise NothingToZip(_("None of these files can be read now. Try again later."))
    return Zip(iter(stream), len(stream), len(taken))


def zip_as_made(files: Iterable[tuple[str, BinaryIO]]) -> Iterator[bytes]:
    """Chunks of one file with the open ``files``, each closed before the next one is asked for."""
    from zipstream import ZIP_STORED, ZipStream

    stream, taken = ZipStream(compress_type=ZIP_STORED), dict[str, int]()
    for name, file in files:
        stream.add(_chunks(file), _unique(safe_name(name), taken))
        yield from stream.file()
    yield from stream.finalize()


def safe_name(name: str) -> str:
    """``name`` as a file name that leads nowhere and that no system refuses."""
    kept = "".join(char for char in name if char.isprintable() and char not in FORBIDDEN).strip(" .")
    path = PurePath(kept or "file")
    suffix = path.suffix[:20]
    stem = path.name.removesuffix(path.suffix) or "file"
    stem = stem.encode()[: NAME_MAX_BYTES - len(suffix.encode())].decode(errors="ignore")
    return (f"_{stem}" if stem.upper() in RESERVED or stem.startswith("=") else stem) + suffix


def _unique(name: str, taken: dict[str, int]) -> str:
    """``name``, numbered if it is ``taken``, which holds for each name the last number that it was given."""
    path, wanted = PurePath(name), name.casefold()
    while name.casefold() in taken:  # where case makes no difference one would overwrite the other
        taken[wanted] += 1  # counted on, not anew: thousands of photos may be called alike
        name = f"{path.stem} ({taken[wanted]}){path.suffix}"
    taken[name.casefold()] = 1
    return name


def _read(entry: ZipEntry) -> Iterator[bytes]:
    yield from _chunks(entry.open_file())


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    with file:
        while chunk := file.read(CHUNK_BYTES):
            yield chunk
