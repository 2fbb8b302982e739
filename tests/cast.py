"""The people and pictures of the tests: alice owns, bob is shared with, charlie is a stranger, admin sees all."""

from __future__ import annotations

import io
import random
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from PIL import ExifTags, Image

from album.media.scenes import Scene, draw_scene, sample_scene
from album.models import Album, MediaItem
from album.preparation.prepare import prepare_item
from album.services.ingest import ingest_upload

TWO_RED_CIRCLES = Scene("many", "blue", (("red", "circle"), ("red", "circle")))


@dataclass(frozen=True, slots=True)
class Cast:
    """Alice's album ``shared`` has bob as its viewer and dora as its admin."""

    alice: User
    bob: User
    charlie: User
    dora: User
    admin: User
    shared: Album


def make_cast() -> Cast:
    """The five users, all with the password ``correct horse``, and the shared album."""
    alice, bob, charlie, dora = (
        User.objects.create_user(name, password="correct horse") for name in ("alice", "bob", "charlie", "dora")
    )
    admin = User.objects.create_superuser("root", password="correct horse")
    shared = Album.objects.create(title="Holiday", owner=alice)
    shared.viewers.add(bob)
    shared.admins.add(dora)
    return Cast(alice, bob, charlie, dora, admin, shared)


def scene_bytes(
    scene: Scene | None = None,
    *,
    seed: int = 0,
    size_px: tuple[int, int] = (320, 240),
    taken_at_local: datetime | None = None,
    image_format: str = "JPEG",
) -> bytes:
    """A drawn scene (a random one of ``seed`` by default) as a file."""
    rng = random.Random(seed)
    image, _ = draw_scene(scene or sample_scene(rng), rng, size_px)
    exif = Image.Exif()
    if taken_at_local is not None:
        exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = f"{taken_at_local:%Y:%m:%d %H:%M:%S}"
    file = io.BytesIO()
    image.save(file, image_format, exif=exif)
    return file.getvalue()


def make_photo(
    owner: User, scene: Scene | None = None, *, content: bytes | None = None, seed: int = 0, **values: Any
) -> MediaItem:
    """A prepared photo: ``content`` or the drawn ``scene``; ``values`` are columns, or the ``album`` it is in."""
    content = scene_bytes(scene, seed=seed) if content is None else content
    name, album = values.pop("original_name", "scene.jpg"), values.pop("album", None)
    item = ingest_upload(owner=owner, file=io.BytesIO(content), name=name, album=album).item
    prepare_item(item)
    if values:
        MediaItem.objects.filter(pk=item.pk).update(**values)
        item.refresh_from_db()
    return item


def make_rows(owner: User, count: int, **values: Any) -> list[MediaItem]:
    """``count`` pending photo rows without files, for tests about rows."""
    values = {"kind": "photo", "mime_type": "image/jpeg", "size_bytes": 1, "original_name": "row.jpg", **values}
    start = MediaItem.objects.count()
    rows = [
        MediaItem(owner=owner, sha256=f"{n:064x}", original=f"originals/{n:064x}.jpg", **values)
        for n in range(start, start + count)
    ]
    return MediaItem.objects.bulk_create(rows)
