"""Which files beside a photo or video tell about it."""

from __future__ import annotations

from collections.abc import Set
from pathlib import Path

from album.media.takeout import find_takeout_sidecar

SIDECARS = (".xmp", ".json")


def is_sidecar(name: str) -> bool:
    """By its extension: such files are never items themselves."""
    return name.lower().endswith(SIDECARS)


def find_sidecars(path: Path, names: Set[str]) -> tuple[Path, ...]:
    """The XMP file and the Google Takeout JSON of ``path`` among the ``names`` of its folder, or its sidecars.

    ``photo.jpg.xmp`` is nearer to ``photo.jpg`` than ``photo.xmp``, which it shares with ``photo.mov``.
    """
    if not names:
        return ()
    nearest = next((name for stem in (path.name, path.stem) for name in _xmp_names(stem) if name in names), None)
    xmp = () if nearest is None else (path.with_name(nearest),)
    takeout = find_takeout_sidecar(path, names)
    return xmp if takeout is None else (*xmp, takeout)


def _xmp_names(stem: str) -> tuple[str, str]:
    return f"{stem}.xmp", f"{stem}.XMP"
