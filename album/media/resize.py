"""One photo, smaller, as a JPEG of its own."""

from __future__ import annotations

from pathlib import Path

from album.exceptions import StorageError

QUALITY = 85


def write_resized(path: Path, target: Path, side_px: int) -> None:
    """Writes the photo at ``path``, upright, its longer side at most ``side_px``, without metadata, as a JPEG.

    Raises:
        MediaError: the photo cannot be decoded.
        StorageError: ``target`` cannot be written.
    """
    # Pillow is for the child; a worker at rest knows only the name.
    from album.media.decode import open_photo, shrink

    with open_photo(path) as image:
        small = shrink(image, side_px / max(image.size))
    small.info = {}  # profile, Exif and comments, which the encoder would copy
    try:
        with target.open("xb") as file:
            small.save(file, "JPEG", quality=QUALITY)
    except OSError as error:
        raise StorageError(f"The storage fails ({error.strerror}). Check the disk and its free space.") from error
