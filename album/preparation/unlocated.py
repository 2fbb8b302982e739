"""What leaves for people who may not know where it was taken: a copy of the original, made when it is asked for."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import BinaryIO

from django.conf import settings

from album.disk import written_whole
from album.media.sandbox import Sandbox
from album.media.unlocated import copied_type, copy_photo, copy_video
from album.models import MediaItem
from album.models.media import Kind
from album.preparation.boxes import shared_box
from album.preparation.locks import take_lock
from album.preparation.originals import locate_original, sniff_original
from album.preparation.paths import find_video_proxy, rendition_path

VIDEO_COPY = "unlocated.mp4"
COPIED_BYTES_PER_S = 10_000_000
"""The least of a slow card; a copy that takes longer is ended."""


@dataclass(frozen=True, slots=True)
class Unlocated:
    """An open file, its type, and the name under which it leaves."""

    file: BinaryIO
    mime_type: str
    name: str


def open_unlocated(item: MediaItem) -> Unlocated:
    """The original of ``item`` without anything that says where it was taken.

    Raises:
        MediaError: it cannot be read, or not be written without its place.
        StorageError: the storage is missing or full.
    """
    if item.kind == Kind.VIDEO:
        return Unlocated(video_copy(item).open("rb"), "video/mp4", _named(item, ".mp4"))
    path = locate_original(item)
    media_type = sniff_original(item, path)
    copied = copied_type(media_type)
    folder = Path(settings.FILE_UPLOAD_TEMP_DIR)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="unlocated-", dir=folder) as name:
        target = Path(name) / f"copy{copied.extension}"
        shared_box().run(copy_photo, path, target, media_type)
        return Unlocated(target.open("rb"), copied.mime, _named(item, copied.extension))


def video_copy(item: MediaItem) -> Path:
    """Where a video lies that does not say where it was taken: the copy for browsers, or one of its streams alone.

    The latter is kept beside the renditions: players ask for a video in many parts.

    Raises:
        MediaError, StorageError: as ``open_unlocated``.
    """
    if proxy := find_video_proxy(item):
        return proxy
    target = rendition_path(item, VIDEO_COPY)
    if target.is_file():
        return target
    with take_lock(f"unlocated-{item.sha256[:2]}"):
        if not target.is_file():
            path = locate_original(item)
            with written_whole(target) as part, _box_for(item) as box:
                box.run(copy_video, path, part)
    return target


def _box_for(item: MediaItem) -> Sandbox:
    timeout_s = max(settings.DECODE_TIMEOUT_S, item.size_bytes / COPIED_BYTES_PER_S)
    file_mb = item.size_bytes * 11 // 10 // 2**20 + 64
    return Sandbox(memory_mb=settings.DECODE_MEMORY_MB, timeout_s=timeout_s, file_mb=file_mb)


def _named(item: MediaItem, extension: str) -> str:
    name = PurePath(item.original_name)
    return item.original_name if name.suffix.lower() == extension else f"{name.stem}{extension}"
