"""What a backup holds, as JSON lines: first what it is, then a line for each file, at last how many there are."""

from __future__ import annotations

import json
import re
import tomllib
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import Any

from django.conf import settings

from album.disk import written_whole
from album.exceptions import BackupError

NAME = "manifest.jsonl"
FORMAT = 1
POOL = "files"
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Entry:
    """A file of the library: where it lies below ``MEDIA_ROOT``, and what was in it."""

    path: str
    sha256: str
    size_bytes: int
    modified_ns: int

    @property
    def stored(self) -> str:
        """Where its content lies below the folder of all backups."""
        return f"{POOL}/{self.sha256[:2]}/{self.sha256}{PurePosixPath(self.path).suffix}"


@dataclass(frozen=True, slots=True)
class Part:
    """A file in the folder of the backup itself: the database, a secret."""

    name: str
    sha256: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Contents:
    """Of a database: rows per table, and the migrations that made these tables."""

    tables: dict[str, int]
    migrations: list[str]

    @classmethod
    def read(cls, cursor: Any, names: list[str]) -> Contents:
        tables = {}
        for name in sorted(names):
            cursor.execute(f'SELECT count(*) FROM "{name}"')  # noqa: S608 - quoted, and our own tables
            (tables[name],) = cursor.fetchone()
        cursor.execute("SELECT app || '.' || name FROM django_migrations ORDER BY 1")
        return cls(tables, [name for (name,) in cursor.fetchall()])


@dataclass(frozen=True, slots=True)
class Header:
    """What the backup is. ``folders``: those below ``MEDIA_ROOT`` that it holds; none with a database only."""

    made_at: str
    album: str
    engine: str
    database: Part
    tables: dict[str, int]
    migrations: list[str]
    folders: list[str] = field(default_factory=list)
    secrets: list[Part] = field(default_factory=list)
    format: int = FORMAT

    @property
    def parts(self) -> list[Part]:
        return [self.database, *self.secrets]


@dataclass(frozen=True, slots=True)
class Manifest:
    header: Header
    entries: list[Entry]

    @property
    def size_bytes(self) -> int:
        """Of the library as it was, however little of it the backup had to bring."""
        parts = sum(part.size_bytes for part in self.header.parts)
        return parts + sum(entry.size_bytes for entry in self.entries)


def album_version() -> str:
    """The version of this program."""
    with (settings.BASE_DIR / "pyproject.toml").open("rb") as file:
        return str(tomllib.load(file)["project"]["version"])


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Makes ``folder`` a backup. Raises OSError."""
    digest = sha256()
    with written_whole(folder / NAME) as part, part.open("wb") as file:
        for one in chain[Header | Entry]([manifest.header], manifest.entries):
            line = _line(asdict(one))
            digest.update(line)
            file.write(line)
        file.write(_line({"end": {"files": len(manifest.entries), "sha256": digest.hexdigest()}}))


def read_manifest(folder: Path) -> Manifest:
    """What the backup in ``folder`` holds.

    Raises:
        BackupError: it is incomplete or damaged, or its form is that of a newer album.
    """
    path = folder / NAME
    try:
        *lines, last = path.read_bytes().splitlines(keepends=True)
        end = json.loads(last)["end"]
        first = json.loads(lines[0])
        if first["format"] > FORMAT:
            raise BackupError(
                f"{folder}: made by the newer album {first['album']}, in a form that {album_version()} cannot "
                "read. Install that version and restore with it."
            )
        if end != {"files": len(lines) - 1, "sha256": sha256(b"".join(lines)).hexdigest()}:
            raise ValueError("its last line does not match")
        return Manifest(_header(first), [_entry(line) for line in lines[1:]])
    except FileNotFoundError as error:
        raise BackupError(
            f"{folder}: no complete backup, there is no {NAME}. It was interrupted; use another one."
        ) from error
    except (ValueError, KeyError, TypeError) as error:  # JSON's own error is a ValueError
        raise BackupError(f"{path} is damaged or cut off ({error}). Use another backup.") from error


def _line(content: dict[str, Any]) -> bytes:
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _header(content: dict[str, Any]) -> Header:
    secrets = [_part(one) for one in content.pop("secrets")]
    return Header(**{**content, "database": _part(content["database"]), "secrets": secrets})


def _part(content: dict[str, Any]) -> Part:
    part = Part(**content)
    _require_safe(part.name, part.sha256)
    return part


def _entry(line: bytes) -> Entry:
    entry = Entry(**json.loads(line))
    _require_safe(entry.path, entry.sha256)
    return entry


def _require_safe(path: str, digest: str) -> None:
    """Raises ValueError where a path leads out of its folder: whoever wrote the manifest wrote no other file."""
    parts = PurePosixPath(path)
    if parts.is_absolute() or ".." in parts.parts or "\0" in path or not _SHA256.fullmatch(digest):
        raise ValueError(f"no path and hash of a backup: {path!r}")
