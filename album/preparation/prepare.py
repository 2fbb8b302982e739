"""Facts and renditions of an item, made once, by whoever needs them first: a task, an import, a page or a batch."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from django.conf import settings
from django.utils import timezone

from album.exceptions import MediaError, StorageError, UnsupportedMedia
from album.media.facts import FileFacts, Origin
from album.media.inspection import Inspection, inspect_file
from album.media.renditions import GRID, PREVIEW
from album.media.sandbox import Sandbox
from album.media.sidecars import find_sidecars
from album.media.sniff import HEAD_BYTES, MediaType, sniff
from album.media.storage import is_marked
from album.models import MediaItem, Preview
from album.models.media import Kind
from album.preparation.boxes import shared_box
from album.preparation.locks import take_lock, try_lock
from album.preparation.paths import rendition_path
from album.preparation.rows import write_inspection
from album.preparation.sidecars import sidecars_of

logger = logging.getLogger(__name__)
Sidecars = Sequence[Path] | None

MAX_ATTEMPTS = 3
"""How often a file may crash its decoder, or let it run out of time, before it counts as one without preview."""


STATE = (
    *("sha256", "source_path", "preview_status", "prepared_at", "prepare_attempts"),
    *("image_avif", "avif_attempts", "video_proxy", "proxy_attempts"),
)
"""Columns that tell what is left to do, and with which file."""


class StorageMissing(StorageError):
    """The folder of the originals is gone: a matter of the machine, never of the items."""


@dataclass(slots=True)
class _Begun:
    """An item whose file is being inspected, under the lock of its content."""

    item: MediaItem
    lock: IO[bytes]
    box: Sandbox
    file: tuple[Path, MediaType, Origin]
    inspection: Future[Inspection]
    with_facts: bool


def prepare_item(
    item: MediaItem, *, box: Sandbox | None = None, sidecars: Sidecars = None, force: bool = False
) -> MediaItem:
    """``item`` with its facts and renditions, or with the reason why it has none.

    Does nothing to an item that is prepared, unless by ``force``. The facts are written the first time and by
    ``force``, so that what people correct stays. Waits for another preparation of the same content.

    Args:
        sidecars: files that tell more about it; None: those beside it, or kept of it.

    Raises:
        StorageError: the storage is missing, full or broken. Nothing is written about the item.
        MediaError: the original or the row is not there any more. Nothing is written either.
    """
    begun = _begin(item, take_lock(item.sha256[:2]), box or shared_box(), sidecars, force)
    return item if begun is None else _finish(begun)


def prepare_many(
    items: Iterable[MediaItem],
    box: Sandbox,
    *,
    sidecars: Callable[[MediaItem], Sidecars] = lambda _: None,
    force: bool = False,
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
                begun = _begin(item, lock, box, sidecars(item), force)
                if begun is None:
                    yield item
                else:
                    under_way.append(begun)
            if len(under_way) > box.workers + 1:
                yield _finish(under_way.popleft())
        while under_way:
            yield _finish(under_way.popleft())
    finally:
        for begun in under_way:
            begun.lock.close()
    for item in locked_elsewhere:
        with _logged(item):
            yield prepare_item(item, box=box, sidecars=sidecars(item), force=force)


def ensure_rendition(item: MediaItem, name: str, *, box: Sandbox | None = None) -> Path:
    """Where the rendition lies, made now if it is missing, once, however many ask for it.

    Raises:
        MediaError: there is none, in words for a person.
        StorageError: the storage is missing, full or broken.
    """
    path = rendition_path(item, name)
    if not path.is_file():
        prepare_item(item, box=box)
        if not path.is_file():
            raise MediaError(item.preview_problem or f"There is no {name} of this item.")
    return path


def is_prepared(item: MediaItem) -> bool:
    """True where nothing is left to do: the renditions are there, or it is known why there are none."""
    if item.preview_status == Preview.READY:
        return all(rendition_path(item, name).is_file() for name in (GRID, PREVIEW))
    return item.preview_status == Preview.NONE


def locate_original(item: MediaItem) -> Path:
    """Where the original lies.

    Raises:
        StorageMissing: not the file but the whole storage is missing.
        MediaError: the file is missing.
    """
    path = item.path
    if path.is_file():
        return path
    root = Path(settings.MEDIA_ROOT)
    if not (_is_mounted(path) if item.source_path else is_marked(root)):
        raise StorageMissing(
            f"storage missing: {path if item.source_path else root} is not mounted. Mount it first."
        )
    raise MediaError(f"the original {item.source_path or item.original.name} is missing from the storage")


def _is_mounted(path: Path) -> bool:
    """False where the way to ``path`` ends in an empty folder, as that of an unmounted disk does."""
    folder = next(parent for parent in path.parents if parent.is_dir())
    return any(folder.iterdir())


def _begin(item: MediaItem, lock: IO[bytes], box: Sandbox, sidecars: Sidecars, force: bool) -> _Begun | None:
    """The item under way; None, and the lock given back, where nothing is to be done."""
    with ExitStack() as on_way_out:
        on_way_out.enter_context(lock)
        refresh(item, fully=force)
        if is_prepared(item) and not force:
            return None
        path = locate_original(item)
        origin = Origin(
            item.original_name,
            item.file_modified_at,
            _find_sidecars(item, path) if sidecars is None else tuple(sidecars),
            Path(settings.VAR_DIR) / "places",
            timezone.get_default_timezone(),
        )
        file = path, _sniff(item, path), origin
        folder = rendition_path(item, PREVIEW).parent
        inspection = box.submit(inspect_file, *file, folder)
        on_way_out.pop_all()
    return _Begun(item, lock, box, file, inspection, force or item.prepared_at is None)


def refresh(item: MediaItem, *, fully: bool = False) -> None:
    """Brings ``item`` up to date where another process prepared or moved it. Raises MediaError if it is gone."""
    # Unless ``fully``, few columns first: reading all of them costs 1 ms, and nearly always they are known.
    stored = MediaItem.objects.filter(pk=item.pk).values(*STATE).first()
    if stored is None:
        raise MediaError(f"{item.original_name} was deleted meanwhile")
    if fully or any(getattr(item, name) != value for name, value in stored.items()):
        item.refresh_from_db()


def _find_sidecars(item: MediaItem, path: Path) -> tuple[Path, ...]:
    """Those beside an original that was indexed in place, or those that were kept of an imported one."""
    if item.source_path:
        return find_sidecars(path, {each.name for each in path.parent.iterdir()})
    return sidecars_of(item)


def _sniff(item: MediaItem, path: Path) -> MediaType:
    """By content, as the names in a folder that was indexed in place say little."""
    try:
        with path.open("rb") as file:
            return sniff(file.read(HEAD_BYTES), item.original_name)
    except UnsupportedMedia:
        return MediaType("video" if item.kind == Kind.VIDEO else "photo", item.mime_type, path.suffix.lower())
    except OSError as error:
        raise MediaError(f"the original {path.name} cannot be read ({error.strerror})") from error


def _finish(begun: _Begun) -> MediaItem:
    """The item with its row written. A file that broke its decoder still gets its date, in a fresh child."""
    item, with_facts, is_final = begun.item, begun.with_facts, True
    with begun.lock:
        try:
            inspection = begun.inspection.result()
        except MediaError as error:
            logger.warning("Item %s: %s", item.pk, error)
            is_final = item.prepare_attempts + 1 >= MAX_ATTEMPTS
            inspection = Inspection(FileFacts(), None, str(error))
            try:
                facts = begun.box.run(inspect_file, *begun.file, None).facts
                inspection = Inspection(facts, None, str(error))
            except MediaError:
                with_facts = False
        write_inspection(item, inspection, with_facts=with_facts, is_final=is_final)
    return item


@contextmanager
def _logged(item: MediaItem) -> Iterator[None]:
    try:
        yield
    except MediaError as error:
        logger.warning("Item %s: %s", item.pk, error)
