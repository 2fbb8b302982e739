from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from PIL import Image

from album.batches.options import BatchOptions
from album.media.storage import mark
from album.models import BatchRun, MediaItem
from album.models.media import Kind


@pytest.fixture(autouse=True)
def media_root(tmp_path: Path, settings) -> Path:
    folder = tmp_path / "media"
    mark(folder)
    settings.MEDIA_ROOT = folder
    return folder


def gray_png(gray: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), (gray, gray, gray)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def make_grays(db) -> Callable[..., list[MediaItem]]:
    """Pending photos, each of one gray value."""

    def make(*grays: int) -> list[MediaItem]:
        owner, _ = User.objects.get_or_create(username="alice")
        items = []
        for gray in grays:
            content = gray_png(gray)
            item = MediaItem(
                kind=Kind.PHOTO,
                owner=owner,
                original_name=f"gray-{gray}.png",
                sha256=f"{MediaItem.objects.count():064x}",
                size_bytes=len(content),
                mime_type="image/png",
            )
            item.original.save(f"gray-{gray}-{MediaItem.objects.count()}.png", ContentFile(content), save=False)
            item.save()
            items.append(item)
        return items

    return make


@pytest.fixture
def photo_run(db) -> Callable[[], BatchRun]:
    return lambda: BatchRun.objects.create(kind=Kind.PHOTO, trigger=BatchRun.Trigger.COMMAND)


@pytest.fixture
def photos() -> BatchOptions:
    return BatchOptions(kind=Kind.PHOTO, item_timeout_s=5)
