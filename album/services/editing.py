"""What people write about an item. From then on it is theirs: no file, import or batch changes it."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from album.exceptions import AlbumError
from album.models import Favourite, ItemPerson, ItemTag, MediaItem, Person, Preview, Status, Tag
from album.models.media import timeline_at_of

logger = logging.getLogger(__name__)

DESCRIPTION_MAX_LENGTH = 10_000
FIRST_YEAR = 1826
"""Source: the oldest photograph that is kept, View from the Window at Le Gras."""


class EditRefused(AlbumError):
    """What somebody wrote cannot be stored; the message says what would do."""


def write_words(*, item: MediaItem, title: str | None = None, description: str | None = None) -> None:
    """Stores a title and a description; None leaves it, empty takes it away for good.

    Raises:
        EditRefused: one of them is too long.
    """
    words: dict[str, Any] = {}
    if title is not None:
        words["title"] = _line(title, _max_length(MediaItem, "title"), _("The title"))
    if description is not None:
        description = "\n".join(description.replace("\0", "").splitlines()).strip()
        if len(description) > DESCRIPTION_MAX_LENGTH:
            raise EditRefused(_("The description has more than %d characters.") % DESCRIPTION_MAX_LENGTH)
        words["description"] = description
    _write(item, words, *words)


def write_date(*, item: MediaItem, local: datetime, time_zone: str = "") -> None:
    """Stores what the clock showed where it was taken.

    Args:
        local: naive.
        time_zone: of that place, as ``Europe/Berlin``. Empty: the one known; else as far from UTC as before.

    Raises:
        EditRefused: there is no such zone, or nobody took photos then.
    """
    if not FIRST_YEAR <= local.year <= timezone.now().year + 1:
        raise EditRefused(_("The date must lie between %d and next year.") % FIRST_YEAR)
    zone = (time_zone or item.time_zone).strip()
    taken_at = local.replace(tzinfo=_zone(zone)) if zone else local.replace(tzinfo=UTC) - _offset_of(item, local)
    columns = {
        "taken_at": taken_at.astimezone(UTC),
        "taken_at_local": local.isoformat(),
        "taken_at_source": "person",
        "time_zone": zone,
        "timeline_at": timeline_at_of(local.isoformat(), None, item.created_at),
    }
    _write(item, columns, "date")


def write_place(*, item: MediaItem, latitude_deg: float | None, longitude_deg: float | None) -> None:
    """Stores where it was taken, with the names of the nearest town; nowhere, where both are None.

    Raises:
        EditRefused: there is no such place.
    """
    columns: dict[str, Any] = dict.fromkeys(("country_code", "country", "region", "city"), "")
    if latitude_deg is not None and longitude_deg is not None:
        if not (-90 <= latitude_deg <= 90 and -180 <= longitude_deg <= 180):  # also refuses what is no number
            raise EditRefused(_("Latitude goes from -90 to 90 degrees, longitude from -180 to 180."))
        columns |= _names_of(latitude_deg, longitude_deg)
    elif latitude_deg is not None or longitude_deg is not None:
        raise EditRefused(_("A place has a latitude and a longitude: give both, or none."))
    _write(item, columns | {"latitude_deg": latitude_deg, "longitude_deg": longitude_deg}, "place")


def write_rating(*, item: MediaItem, rating: int | None) -> None:
    """Stores 0 to 5 stars, None for no opinion. Raises EditRefused for another number."""
    if rating is not None and not 0 <= rating <= 5:
        raise EditRefused(_("A rating has 0 to 5 stars."))
    _write(item, {"rating": rating}, "rating")


def set_favourite(*, user: User, item: MediaItem, is_favourite: bool) -> None:
    """Notes whether ``user`` likes ``item`` best: of each user's own, it changes nothing for others."""
    if is_favourite:
        Favourite.objects.get_or_create(user=user, item=item)
    else:
        Favourite.objects.filter(user=user, item=item).delete()


def add_tag(*, item: MediaItem, name: str) -> Tag:
    """The tag that ``item`` has now by a person, be it one that was taken away before.

    Raises:
        EditRefused: the name is empty or too long.
    """
    name = tag_name(name)
    with transaction.atomic():
        tag, _is_new = Tag.objects.get_or_create(name=name)
        ItemTag.objects.filter(item=item, tag=tag, source=ItemTag.Source.REMOVED).delete()
        ItemTag.objects.get_or_create(item=item, tag=tag, source=ItemTag.Source.PERSON)
    return tag


def tag_name(text: str) -> str:
    """The name of the tag that somebody means by ``text``. Raises EditRefused: it is empty or too long."""
    name = _line(text.lower(), _max_length(Tag, "name"), _("The tag"))  # some letters are longer in lower case
    if not name:
        raise EditRefused(_("Write the tag that you want to add."))
    return name


def remove_tag(*, item: MediaItem, name: str) -> None:
    """Takes the tag away, whoever said it: neither the file nor a batch brings it back."""
    tag = Tag.objects.filter(name=name).first()
    if tag is not None:
        with transaction.atomic():
            ItemTag.objects.filter(item=item, tag=tag).delete()
            ItemTag.objects.create(item=item, tag=tag, source=ItemTag.Source.REMOVED)


def name_person(*, item: MediaItem, name: str) -> Person:
    """The person, among those whom the owner of ``item`` knows, who is in it from now on.

    Raises:
        EditRefused: the name is empty or too long.
    """
    name = _line(name, _max_length(Person, "name"), _("The name"))
    if not name:
        raise EditRefused(_("Write the name of the person."))
    with transaction.atomic():
        person = Person.objects.filter(owner=item.owner_id, name__iexact=name).first()
        person = person or Person.objects.get_or_create(owner_id=item.owner_id, name=name)[0]
        by_person = {"source": ItemPerson.Source.PERSON}
        ItemPerson.objects.update_or_create(item=item, person=person, defaults=by_person)
    return person


def take_person_away(*, item: MediaItem, person_id: int) -> None:
    """The person is not in ``item``, whatever its file says."""
    ItemPerson.objects.filter(item=item, person=person_id).update(source=ItemPerson.Source.REMOVED)


def open_again(*, item: MediaItem) -> tuple[bool, bool]:
    """Whether ``item`` waits for preparation again, and whether for the batch: failures get new attempts."""
    row = MediaItem.objects.filter(pk=item.pk)
    unseen = row.filter(preview_status=Preview.NONE)
    waits = bool(unseen.update(preview_status=Preview.WAITING, preview_problem="", prepare_attempts=0))
    waits |= bool(row.exclude(proxy_problem="").update(proxy_problem="", proxy_attempts=0))
    return waits, bool(row.filter(processing_status=Status.FAILED).update(processing_status=Status.PENDING))


def _write(item: MediaItem, columns: dict[str, Any], *edits: str) -> None:
    """Writes ``columns`` to the row and to ``item``, and notes that people wrote them."""
    with transaction.atomic():
        row = MediaItem.objects.select_for_update().filter(pk=item.pk)
        known = row.values_list("edited_fields", flat=True).first() or []
        columns = columns | {"edited_fields": sorted({*known, *edits})}
        row.update(**columns)
    for name, value in columns.items():
        setattr(item, name, value)


def _line(text: str, max_length: int, what: str) -> str:
    """One line of printable text."""
    line = " ".join(text.replace("\0", "").encode(errors="replace").decode().split())
    if len(line) > max_length:
        words = _("%(what)s has more than %(count)d characters.")
        raise EditRefused(words % {"what": what, "count": max_length})
    return line


def _max_length(model: type[MediaItem | Tag | Person], name: str) -> int:
    return int(model._meta.get_field(name).max_length or 0)  # type: ignore[union-attr]


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise EditRefused(
            _("“%s” is no time zone. Write one like Europe/Berlin, or nothing.") % name[:48]
        ) from error


def _offset_of(item: MediaItem, local: datetime) -> timedelta:
    """How far its clock was from UTC; of an item without date as far as the clock of this album then."""
    if item.taken_at is None or not item.taken_at_local:
        return local.replace(tzinfo=timezone.get_default_timezone()).utcoffset() or timedelta()
    return datetime.fromisoformat(item.taken_at_local).replace(tzinfo=UTC) - item.taken_at


def _names_of(latitude_deg: float, longitude_deg: float) -> dict[str, str]:
    """Country, region and town as columns. A child looks them up: its table would stay in the web process."""
    from album.media.places import find_place
    from album.preparation.boxes import shared_box

    try:
        place = shared_box().run(find_place, latitude_deg, longitude_deg, Path(settings.VAR_DIR) / "places")
    except AlbumError as error:  # the position is known all the same
        logger.warning("The place %s, %s has no name: %s", latitude_deg, longitude_deg, error)
        return {}
    names = ("country_code", "country", "region", "city")
    return {name: getattr(place, name) for name in names} if place is not None else {}
