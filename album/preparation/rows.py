"""Inspections to rows: machine columns only, the stated facts once, people's words never."""

from __future__ import annotations

import logging
import math
from collections.abc import Collection, Iterable
from datetime import UTC, datetime
from datetime import timezone as fixed_offset
from itertools import islice
from typing import Any

from django.db import DataError, transaction
from django.db.backends.base.operations import BaseDatabaseOperations
from django.db.models import QuerySet
from django.utils import timezone

from album.log_fields import about
from album.media.facts import (
    KEYWORD_MAX_LENGTH,
    KEYWORDS_MAX,
    PEOPLE_MAX,
    PERSON_MAX_LENGTH,
    TEXT_MAX_LENGTH,
    FileFacts,
)
from album.media.inspection import Inspection
from album.models import ItemPerson, ItemTag, MediaItem, Person, Preview, Tag
from album.models.media import Kind, edited_columns, timeline_at_of
from album.preparation.statements import item_field, read_row, write_row

logger = logging.getLogger(__name__)

SAME_NAMES = (
    *("width_px", "height_px", "duration_s", "is_animated", "needs_proxy", "taken_at_source", "rating"),
    *("latitude_deg", "longitude_deg", "exposure_s", "f_number", "focal_length_mm", "iso"),
    *("time_zone", "camera", "lens", "content_identifier", "video_codec", "audio_codec"),
)


def write_inspection(item: MediaItem, inspection: Inspection, *, with_facts: bool, is_final: bool) -> None:
    """Stores what became of the file in one transaction, and in ``item``. No file can make the database refuse.

    Args:
        with_facts: also what the file states; else only what was rendered.
        is_final: a file without renditions has none for good, and is not tried again.
    """
    if inspection.facts_problem:
        problem = inspection.facts_problem
        logger.warning("Item %s: its facts cannot be read: %s", item.pk, problem, extra=about(item.pk))
    try:
        _write(item, inspection, with_facts=with_facts, is_final=is_final)
    except (DataError, ValueError, OverflowError):  # else it would end each preparation, and the others would wait
        logger.exception("Item %s: its facts cannot be stored", item.pk, extra=about(item.pk))
        _write(item, inspection, with_facts=False, is_final=is_final)


def _write(item: MediaItem, inspection: Inspection, *, with_facts: bool, is_final: bool) -> None:
    columns = _preview_columns(item, inspection, is_final)
    facts = inspection.facts
    if with_facts:
        columns |= fact_columns(facts) | {"prepared_at": timezone.now()}
        came_in_at = item.file_modified_at or item.created_at
        columns["timeline_at"] = timeline_at_of(columns["taken_at_local"], columns["taken_at"], came_in_at)
        if inspection.rendered is not None and facts.width_px is None:
            columns |= {"width_px": inspection.rendered.width_px, "height_px": inspection.rendered.height_px}
    columns = {name: _fitted(name, value) for name, value in columns.items()}
    with transaction.atomic():
        # Read now: somebody may have written since ``item`` was read.
        row = read_row(item.pk, ["sha256", "edited_fields"], for_update=True)
        if row is None or row[0] != item.sha256:
            return  # deleted meanwhile, or its file has changed: what was read is of the old one
        edited = row[1]
        columns = {name: value for name, value in columns.items() if name not in edited_columns(edited)}
        write_row(item.pk, columns)
        if with_facts:
            _write_words(item, facts, edited)
            _write_keywords(item, facts.keywords)
            _write_people(item, facts.people)
    for name, value in columns.items():
        setattr(item, name, value)
    if with_facts:  # now that the other half sees it, which may be prepared at this moment
        _join_pair(item)


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
    """The columns of a row that hold what the file states."""
    local, place, clip = facts.taken_at_local, facts.place, facts.clip
    columns: dict[str, Any] = {name: getattr(facts, name) for name in SAME_NAMES}
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


def take_back_words(item: MediaItem, facts: FileFacts) -> None:
    """Keywords and people of the file go, and title and description that ``facts`` state: others may follow.

    What people wrote stays, also where it is the same.
    """
    _keywords_of(item).delete()
    ItemPerson.objects.filter(item=item, source=ItemPerson.Source.FILE).delete()
    edited = MediaItem.objects.filter(pk=item.pk).values_list("edited_fields", flat=True).first() or ()
    for name, text in _words(facts):
        if name not in edited:
            MediaItem.objects.filter(pk=item.pk, **{name: text}).update(**{name: ""})


def _keywords_of(item: MediaItem) -> QuerySet[ItemTag]:
    return ItemTag.objects.filter(item=item, source=ItemTag.Source.FILE)


def _words(facts: FileFacts) -> list[tuple[str, str]]:
    """Title and description as they are stored."""
    return [(name, _fitted(name, getattr(facts, name))) for name in ("title", "description")]


def _fitted(name: str, value: Any) -> Any:
    """``value`` as the column takes it on every database: texts are cut, impossible numbers are unknown."""
    field = item_field(name)
    if isinstance(value, str):
        return storable(value, field.max_length or TEXT_MAX_LENGTH)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, int):
        _, most = BaseDatabaseOperations.integer_field_ranges.get(field.get_internal_type(), (0, 1))
        return value if 0 <= value <= most else None
    return value


def storable(text: str, max_length: int) -> str:
    """PostgreSQL takes no null characters, and no database halves of UTF-16 pairs."""
    return text.replace("\0", "").encode(errors="replace").decode()[:max_length]


def _write_words(item: MediaItem, facts: FileFacts, edited: Collection[str]) -> None:
    """Title and description of the file, where nobody has written any, nor has taken them away."""
    for name, text in _words(facts):
        if text and name not in edited:
            is_free = MediaItem.objects.filter(pk=item.pk, **{name: ""})
            if is_free.update(**{name: text}):
                setattr(item, name, text)


def _write_keywords(item: MediaItem, keywords: Iterable[str]) -> None:
    """The file's keywords as tags, beside those of other sources."""
    names = {storable(word.lower(), KEYWORD_MAX_LENGTH).strip() for word in islice(keywords, KEYWORDS_MAX)} - {""}
    if names:
        Tag.objects.bulk_create([Tag(name=name) for name in sorted(names)], ignore_conflicts=True)
        removed = ItemTag.objects.filter(item=item, source=ItemTag.Source.REMOVED)
        tags = Tag.objects.filter(name__in=names).exclude(pk__in=removed.values("tag"))
        rows = [ItemTag(item_id=item.pk, tag=tag, source=ItemTag.Source.FILE) for tag in tags]
        ItemTag.objects.bulk_create(rows, ignore_conflicts=True)


def _write_people(item: MediaItem, people: Iterable[str]) -> None:
    """The people whom the file names, among those whom the owner knows; whom people took away stays away."""
    names = {storable(name, PERSON_MAX_LENGTH).strip() for name in islice(people, PEOPLE_MAX)} - {""}
    if names:
        known = [Person(owner_id=item.owner_id, name=name) for name in sorted(names)]
        Person.objects.bulk_create(known, ignore_conflicts=True)
        named = Person.objects.filter(owner=item.owner_id, name__in=names)
        rows = [ItemPerson(item_id=item.pk, person=person, source=ItemPerson.Source.FILE) for person in named]
        ItemPerson.objects.bulk_create(rows, ignore_conflicts=True)


def _join_pair(item: MediaItem) -> None:
    """The clip of an Apple photo hides behind it, whichever of the two came first."""
    if not item.content_identifier:
        return
    same = MediaItem.objects.filter(
        owner=item.owner_id, content_identifier=item.content_identifier, trashed_at=None
    )
    photo_id = same.filter(kind=Kind.PHOTO).order_by("pk").values_list("pk", flat=True).first()
    if photo_id is not None:
        same.filter(kind=Kind.VIDEO, clip_of=None).update(clip_of=photo_id)
        if item.kind == Kind.VIDEO:
            item.clip_of_id = photo_id
