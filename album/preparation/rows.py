"""Inspections to rows: machine columns only, the stated facts once, people's words never."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from datetime import timezone as fixed_offset
from typing import Any

from django.db import transaction
from django.utils import timezone

from album.media.facts import FileFacts
from album.media.inspection import Inspection
from album.models import ItemTag, MediaItem, Preview, Tag
from album.models.media import Kind

SAME_NAMES = (
    *("width_px", "height_px", "duration_s", "is_animated", "needs_proxy", "taken_at_source", "rating"),
    *("latitude_deg", "longitude_deg", "exposure_s", "f_number", "focal_length_mm", "iso"),
)
TEXTS = ("time_zone", "camera", "lens", "content_identifier", "video_codec", "audio_codec")


def write_inspection(item: MediaItem, inspection: Inspection, *, with_facts: bool, is_final: bool) -> None:
    """Stores what became of the file in one transaction, and in ``item``.

    Args:
        with_facts: also what the file states; else only what was rendered.
        is_final: a file without renditions has none for good, and is not tried again.
    """
    columns = _preview_columns(item, inspection, is_final)
    facts = inspection.facts
    if with_facts:
        columns |= fact_columns(facts) | {"prepared_at": timezone.now()}
        if inspection.rendered is not None and facts.width_px is None:
            columns |= {"width_px": inspection.rendered.width_px, "height_px": inspection.rendered.height_px}
    changed = {name: value for name, value in columns.items() if getattr(item, name) != value}
    with transaction.atomic():
        if not MediaItem.objects.filter(pk=item.pk).update(**changed):
            return  # deleted meanwhile
        if with_facts:
            _write_words(item, facts)
            _write_keywords(item, facts.keywords)
            _join_pair(item, columns["content_identifier"])
    for name, value in changed.items():
        setattr(item, name, value)


def _preview_columns(item: MediaItem, inspection: Inspection, is_final: bool) -> dict[str, Any]:
    if (rendered := inspection.rendered) is not None:
        return {
            "preview_status": Preview.READY,
            "preview_problem": rendered.warning,
            "placeholder": rendered.placeholder,
        }
    status = Preview.NONE if is_final else Preview.WAITING
    attempts = item.prepare_attempts + 1
    return {"preview_status": status, "preview_problem": inspection.problem, "prepare_attempts": attempts}


def fact_columns(facts: FileFacts) -> dict[str, Any]:
    """The columns of a row that hold what the file states; texts cut to their columns."""
    local, place, clip = facts.taken_at_local, facts.place, facts.clip
    columns: dict[str, Any] = {name: getattr(facts, name) for name in SAME_NAMES}
    for name in TEXTS:
        columns[name] = getattr(facts, name)[: getattr(MediaItem._meta.get_field(name), "max_length", None)]
    return columns | {
        "taken_at": moment_of(facts),
        "taken_at_local": local.isoformat() if local else "",
        "country_code": place.country_code if place else "",
        "country": place.country if place else "",
        "region": place.region if place else "",
        "city": place.city if place else "",
        "motion_offset": clip.offset if clip else None,
        "motion_size_bytes": clip.size_bytes if clip else None,
    }


def moment_of(facts: FileFacts) -> datetime | None:
    """When it was taken; a camera that names no offset is read in the time zone of this album."""
    if facts.taken_at_local is None:
        return None
    zone = timezone.get_default_timezone() if facts.utc_offset is None else fixed_offset(facts.utc_offset)
    try:
        return facts.taken_at_local.replace(tzinfo=zone).astimezone(UTC)
    except OverflowError:  # the years 1 and 9999
        return None


def _write_words(item: MediaItem, facts: FileFacts) -> None:
    """Title and description of the file, where nobody has written any."""
    for name, text in (("title", facts.title), ("description", facts.description)):
        if text and MediaItem.objects.filter(pk=item.pk, **{name: ""}).update(**{name: text}):
            setattr(item, name, text)


def _write_keywords(item: MediaItem, keywords: Iterable[str]) -> None:
    """The file's keywords as tags; those that it no longer states go, other sources stay."""
    names = {word.lower() for word in keywords}
    if item.prepared_at is not None:
        ItemTag.objects.filter(item=item, source=ItemTag.Source.FILE).exclude(tag__name__in=names).delete()
    if names:
        Tag.objects.bulk_create([Tag(name=name) for name in sorted(names)], ignore_conflicts=True)
        tags = Tag.objects.filter(name__in=names)
        rows = [ItemTag(item_id=item.pk, tag=tag, source=ItemTag.Source.FILE) for tag in tags]
        ItemTag.objects.bulk_create(rows, ignore_conflicts=True)


def _join_pair(item: MediaItem, identifier: str) -> None:
    """The clip of an Apple photo hides behind it, whichever of the two came first."""
    if not identifier:
        return
    same = MediaItem.objects.filter(owner=item.owner_id, content_identifier=identifier, trashed_at=None)
    photo_id = same.filter(kind=Kind.PHOTO).order_by("pk").values_list("pk", flat=True).first()
    if photo_id is not None:
        same.filter(kind=Kind.VIDEO, clip_of=None).update(clip_of=photo_id)
        if item.kind == Kind.VIDEO:
            item.clip_of_id = photo_id
