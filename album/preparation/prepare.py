"""Facts and renditions of an item, made once, by whoever needs them first: a task, an import, a page or a batch."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, wait
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from django.conf import settings
from django.db import connection
from django.utils import timezone

from album.exceptions import AlbumError, MediaError
from album.log_fields import about
from album.media.facts import FileFacts, Origin
from album.media.inspection import Inspection, inspect_file
from album.media.renditions import ANIMATION, GRID, PREVIEW
from album.media.sandbox import Sandbox, StorageAway
from album.media.sniff import MediaType
from album.media.storage import require_mark
from album.models import MediaItem, Preview
from album.models.media import Kind
from album.preparation.boxes import shared_box
from album.preparation.locks import take_lock, try_lock
from album.preparation.originals import OriginalAway, locate_original, sidecars_for, sniff_original
from album.preparation.paths import rendition_path
from album.preparation.rows import write_inspection
from album.preparation.statements import read_row

logger = logging.getLogger(__name__)
Sidecars = Sequence[Path] | None

MAX_ATTEMPTS = 3
"""How often a file may crash its decoder, or let it run out of time, before it counts as one without preview."""

STATE = (
    *("sha256", "source_path", "source_modified_ns", "preview_status", "prepared_at", "prepare_attempts"),
    *("image_avif", "avif_attempts", "video_proxy", "proxy_attempts"),
)
"""Columns that tell what is left to do, and with which file."""


class BeingPrepared(MediaError):
    """It takes longer than somebody wanted to wait, and goes on."""


@dataclass(slots=True)
class _Begun:
    """An item whose file is being inspected, under the lock of its content."""

    item: MediaItem
    lock: IO[bytes]
    box: Sandbox
    file: tuple[Path, MediaType, Origin]
    inspection: Future[Inspection]
    with_facts: bool


def prepare_item(item: MediaItem, *, box: Sandbox | None = None, sidecars: Sidecars = None) -> MediaItem:
    """``item`` with its facts and renditions, or with the reason why it has none.

    Does nothing to an item that is prepared. The facts are written where ``prepared_at`` is not set, so that what
    people correct stays. Waits for another preparation of the same content.

    Args:
        sidecars: files that tell more about it; None: those beside it, or kept of it.

    Raises:
        StorageError: the storage is missing, full or broken. Nothing is written about the item.
        MediaError: the original or the row is not there any more. The item waits.
    """
    begun = _begin(item, take_lock(item.sha256[:2]), box or shared_box(), sidecars)
    return item if begun is None else _finish(begun)


def _prepare_within(item: MediaItem, wait_s: float, box: Sandbox) -> None:
    """Prepares ``item``; what takes longer is finished in a thread. Raises BeingPrepared then, else the same."""
    until = time.monotonic() + wait_s
    if (lock := try_lock(item.sha256[:2], wait_s)) is None:
        raise BeingPrepared(f"{item.original_name} is being prepared. Look again in a moment.")
    if (begun := _begin(item, lock, box, None)) is None:
        return
    wait([begun.inspection], until - time.monotonic())
    if begun.inspection.done() and not isinstance(begun.inspection.exception(), MediaError):
        _finish(begun)
        return
    # There are no more such threads than locks.
    threading.Thread(target=_finish_alone, args=(begun,), name="preparation", daemon=True).start()
    raise BeingPrepared(f"{item.original_name} is still being prepared. Look again in a moment.")


def _finish_alone(begun: _Begun) -> None:
    try:
        _finish(begun)
    except AlbumError as error:
        logger.warning("Item %s: %s", begun.item.pk, error, extra=about(begun.item.pk))
    finally:
        connection.close()


def prepare_many(
    items: Iterable[MediaItem],
    box: Sandbox,
    *,
    sidecars: Callable[[MediaItem], Sidecars] = lambda _: None,
) -> Generator[MediaItem]:
    """Each of ``items`` whose original is there, once it is prepared. The box is busy while rows are written.

    Raises:
        StorageError: the storage is missing, full or broken. What was prepared before stays.
    """
    locked_elsewhere: list[MediaItem] = []
    under_way: deque[_Begun] = deque()
    try:
        for item in items:
            if (
                lock := try_lock(item.sha256[:2])
            ) is None:  # no waiting while locks are held: others may do the same
                locked_elsewhere.append(item)
                continue
            with _logged(item):
                begun = _begin(item, lock, box, sidecars(item))
                if begun is None:
                    yield item
                else:
                    under_way.append(begun)
            if len(under_way) > box.workers + 1:
                with _logged(under_way[0].item):
                    yield _finish(under_way.popleft())
        while under_way:
            with _logged(under_way[0].item):
                yield _finish(under_way.popleft())
    finally:
        for begun in under_way:
            begun.lock.close()
    for item in locked_elsewhere:
        with _logged(item):
            yield prepare_item(item, box=box, sidecars=sidecars(item))


def ensure_rendition(
    item: MediaItem, name: str, *, box: Sandbox | None = None, wait_s: float | None = None
) -> Path:
    """Where the rendition lies, made now if it is missing, once, however many ask for it.

    Args:
        wait_s: the longest that somebody waits for it; it is made all the same. None: as long as it takes.

    Raises:
        MediaError: there is none, in words for a person; BeingPrepared: there is none yet.
        StorageError: the storage is missing, full or broken.
    """
    path = rendition_path(item, name)
    if not path.is_file() and item.preview_status != Preview.NONE:
        if wait_s is None:
            prepare_item(item, box=box)
        else:
            _prepare_within(item, wait_s, box or shared_box())
    if not path.is_file() or not path.stat().st_size:
        raise MediaError(item.preview_problem or f"There is no {name} of this item.")
    return path


def is_prepared(item: MediaItem) -> bool:
    """True where nothing is left to do: the renditions are there, or it is known why there are none."""
    if item.preview_status == Preview.READY:
        names = (GRID, PREVIEW, ANIMATION) if item.kind == Kind.VIDEO else (GRID, PREVIEW)
        return all(rendition_path(item, name).is_file() for name in names)
    return item.preview_status == Preview.NONE


def _begin(item: MediaItem, lock: IO[bytes], box: Sandbox, sidecars: Sidecars) -> _Begun | None:
    """The item under way; None, and the lock given back, where nothing is to be done."""
    with ExitStack() as on_way_out:
        on_way_out.enter_context(lock)
        refresh(item)
        if is_prepared(item):
            return None
        require_mark(Path(settings.MEDIA_ROOT))  # the renditions go there, wherever the original lies
        with _counted(item):
            path = locate_original(item)
            media_type = sniff_original(item, path)
        origin = Origin(
            item.original_name,
            item.file_modified_at,
            sidecars_for(item, path) if sidecars is None else tuple(sidecars),
            Path(settings.VAR_DIR) / "places",
            timezone.get_default_timezone(),
        )
        file = path, media_type, origin
        folder = rendition_path(item, PREVIEW).parent
        inspection = box.submit(inspect_file, *file, folder)
        on_way_out.pop_all()
    return _Begun(item, lock, box, file, inspection, item.prepared_at is None)


def refresh(item: MediaItem) -> None:
    """Brings ``item`` up to date where another process prepared or moved it. Raises MediaError if it is gone."""
    # Few columns first: reading all of them costs 1 ms, and nearly always they are known.
    stored = read_row(item.pk, STATE)
    if stored is None:
        raise MediaError(f"{item.original_name} was deleted meanwhile")
    if stored != tuple(getattr(item, name) for name in STATE):
        item.refresh_from_db()


@contextmanager
def _counted(item: MediaItem) -> Iterator[None]:
    """Counts an attempt where the original is missing: others go first then, and no album waits for it."""
    try:
        yield
    except OriginalAway:
        raise
    except MediaError:
        if item.prepare_attempts < MAX_ATTEMPTS:
            item.prepare_attempts += 1
            MediaItem.objects.filter(pk=item.pk).update(prepare_attempts=item.prepare_attempts)
        raise


def _finish(begun: _Begun) -> MediaItem:
    """The item with its row written. A file that broke its decoder still gets its date, in a fresh child."""
    item, with_facts, is_final = begun.item, begun.with_facts, True
    with begun.lock:
        try:
            inspection = begun.inspection.result()
        except (MediaError, StorageAway) as error:
            logger.warning("Item %s: %s", item.pk, error, extra=about(item.pk))
            is_final = item.prepare_attempts + 1 >= MAX_ATTEMPTS
            inspection = Inspection(FileFacts(), None, str(error))
            try:
                facts = begun.box.run(inspect_file, *begun.file, None).facts
                inspection = Inspection(facts, None, str(error))
            except (MediaError, StorageAway):
                with_facts = False
        if inspection.rendered is None:
            locate_original(item)  # raises if it went away meanwhile: what its reader said is no verdict
        elif item.kind == Kind.VIDEO:
            rendition_path(item, ANIMATION).touch()  # stays empty where there is only one picture
        write_inspection(item, inspection, with_facts=with_facts, is_final=is_final)
    return item


@contextmanager
def _logged(item: MediaItem) -> Iterator[None]:
    try:
        yield
    except MediaError as error:
        logger.warning("Item %s: %s", item.pk, error, extra=about(item.pk))
