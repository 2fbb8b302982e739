"""Decoding ahead of inference, in threads: pixels are ready when the network asks for them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from queue import Empty, SimpleQueue

from album.exceptions import AlbumError, MediaError
from album.failpoints import failpoint
from album.inference.results import Frame, PhotoFacts
from album.media.decode import decode_photo
from album.media.frames import sample_frames
from album.media.storage import is_marked
from album.models import MediaItem
from album.models.media import Kind


class StorageMissing(AlbumError):
    """The folder of the originals is gone: a matter of the machine, never of the items."""


def load_frames(item: MediaItem, *, min_side_px: int, video_frames: int) -> list[Frame]:
    """The pictures of an item: one for a photo, several in order of time for a video.

    Raises:
        MediaError: the file cannot be read, in words for a person.
        StorageMissing: not the file but the whole storage is missing.
    """
    path = Path(item.original.path)
    facts = photo_facts(item)
    if not path.exists():
        root = Path(item.original.storage.path(""))
        if not is_marked(root):
            raise StorageMissing(f"storage missing: {root} is not mounted. Mount it, then start the batch again.")
        raise MediaError(f"the original {item.original.name} is missing from the storage")
    failpoint("decode")
    if item.kind == Kind.PHOTO:
        return [Frame(decode_photo(path, min_side_px=min_side_px), facts)]
    frames = sample_frames(path, count=video_frames, min_side_px=min_side_px)
    return [Frame(frame.pixels, facts) for frame in frames]


def photo_facts(item: MediaItem) -> PhotoFacts:
    """What is known of the item beside its pixels."""
    taken = datetime.fromisoformat(item.taken_at_local) if item.taken_at_local else None
    return PhotoFacts(taken_at_local=taken, latitude_deg=item.latitude_deg, longitude_deg=item.longitude_deg)


class DecodeAhead:
    """Runs ``load`` in daemon threads, so that a hung decoder can be left behind and cannot keep the process."""

    def __init__(self, load: Callable[[MediaItem], list[Frame]], threads: int) -> None:
        self._load = load
        self._waiting: SimpleQueue[tuple[MediaItem, Future[list[Frame]]] | None] = SimpleQueue()
        self._thread_count = 0
        for _ in range(threads):
            self._start_thread()

    def submit(self, item: MediaItem) -> Future[list[Frame]]:
        """The pictures of the item, once a thread has come to it."""
        future: Future[list[Frame]] = Future()
        self._waiting.put((item, future))
        return future

    def replace_lost_thread(self) -> None:
        """Lets another thread go on in place of one that hangs."""
        self._start_thread()

    def close(self) -> None:
        """Ends the threads; what none of them has begun is forgotten."""
        with suppress(Empty):
            while True:
                self._waiting.get_nowait()
        for _ in range(self._thread_count):
            self._waiting.put(None)

    def _start_thread(self) -> None:
        self._thread_count += 1
        threading.Thread(target=self._work, daemon=True).start()

    def _work(self) -> None:
        while (next_item := self._waiting.get()) is not None:
            item, future = next_item
            try:
                future.set_result(self._load(item))
            except BaseException as error:  # noqa: BLE001 - handed over to the thread that waits
                future.set_exception(error)
