"""Decoding ahead of inference, in threads: pixels are ready when the network asks for them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from queue import Empty, SimpleQueue

from album.failpoints import failpoint
from album.inference.results import Frame, PhotoFacts
from album.media.decode import decode_photo
from album.media.frames import sample_frames
from album.media.renditions import PREVIEW
from album.media.sandbox import Sandbox
from album.models import MediaItem
from album.models.media import Kind
from album.preparation.originals import locate_original
from album.preparation.prepare import ensure_rendition


def find_source(item: MediaItem, box: Sandbox) -> Path:
    """The file that its pictures are taken from: a photo's preview, made now if it is missing; a video's original.

    Raises:
        MediaError: there is none, in words for a person.
        StorageError: not the file but the whole storage is missing or fails.
    """
    return ensure_rendition(item, PREVIEW, box=box) if item.kind == Kind.PHOTO else locate_original(item)


def load_frames(item: MediaItem, path: Path, box: Sandbox, *, min_side_px: int, video_frames: int) -> list[Frame]:
    """The pictures of an item: one for a photo, several in order of time for a video.

    Raises:
        MediaError: the file cannot be read, in words for a person.
    """
    facts = photo_facts(item)
    failpoint("decode")
    if item.kind == Kind.PHOTO:
        return [Frame(decode_photo(path, min_side_px=min_side_px), facts)]  # our own file: safe in this process
    frames = box.run(sample_frames, path, count=video_frames, min_side_px=min_side_px)
    return [Frame(frame.pixels, facts) for frame in frames]


def photo_facts(item: MediaItem) -> PhotoFacts:
    """What is known of the item beside its pixels: the time of its file sorts it, but tells no season."""
    is_told = item.taken_at_local and item.taken_at_source != "file"
    taken = datetime.fromisoformat(item.taken_at_local) if is_told else None
    return PhotoFacts(taken_at_local=taken, latitude_deg=item.latitude_deg, longitude_deg=item.longitude_deg)


class DecodeAhead:
    """Runs ``load`` in daemon threads, so that a hung decoder can be left behind and cannot keep the process.

    ``find`` runs in the thread that submits: it may have to write rows, and the threads have no database.
    """

    def __init__(
        self, find: Callable[[MediaItem], Path], load: Callable[[MediaItem, Path], list[Frame]], threads: int
    ) -> None:
        self._find, self._load = find, load
        self._waiting: SimpleQueue[tuple[MediaItem, Path, Future[list[Frame]]] | None] = SimpleQueue()
        self._thread_count = 0
        for _ in range(threads):
            self._start_thread()

    def submit(self, item: MediaItem) -> Future[list[Frame]]:
        """The pictures of the item, once a thread has come to it."""
        future: Future[list[Frame]] = Future()
        try:
            self._waiting.put((item, self._find(item), future))
        except Exception as error:  # noqa: BLE001 - handed over to who takes the pictures: one item ends no run
            future.set_exception(error)
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
            item, path, future = next_item
            try:
                future.set_result(self._load(item, path))
            except BaseException as error:  # noqa: BLE001 - handed over to the thread that waits
                future.set_exception(error)
