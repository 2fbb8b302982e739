"""Telling an empty storage from one that is not there: a marker file, written once, lies beside the originals.

An unmounted disk leaves an empty folder behind. Read as a storage, it would take uploads that vanish under the next
mount, and every photo of the library would count as missing.
"""

from __future__ import annotations

from pathlib import Path

MARKER = ".photo-album"


def is_marked(root: Path) -> bool:
    """True when this folder is the storage and not the place where it should be mounted."""
    return (root / MARKER).is_file()


def mark(root: Path) -> None:
    """Makes the folder the storage."""
    root.mkdir(parents=True, exist_ok=True)
    (root / MARKER).touch()
