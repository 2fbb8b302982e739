"""Telling workers of what came in."""

from __future__ import annotations

from collections.abc import Iterable

from album.models import AIProcessingSettings, MediaItem
from album.models.media import Kind
from album.tasks.ai import process_photo_ai, process_video_ai
from album.tasks.bell import ring_bell
from album.tasks.media import prepare_media


def ring_for(items: Iterable[MediaItem]) -> None:
    """Rings for each new item. Without a broker the periodic check finds them, and the night describes them."""
    items = list(items)
    if not items:
        return
    row = AIProcessingSettings.load()
    is_described_now = row.processing_enabled and row.auto_process_on_upload
    for item in items:
        describe = process_photo_ai if item.kind == Kind.PHOTO else process_video_ai
        calls = [prepare_media, describe] if is_described_now else [prepare_media]
        if not all(ring_bell(task, item.pk) for task in calls):
            return
