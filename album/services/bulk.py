"""The same change to many items: what was done, and what was not, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, timedelta

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from album.exceptions import AlbumError
from album.models import Album, AlbumItem, Favourite, ItemTag, MediaItem, Tag
from album.queries import editable_by, fillable_albums, in_trash, owned_by, visible_albums, visible_to
from album.services import albums, editing, trash

MOST_ITEMS = 1000
"""At once. Written in one transaction, so many keep others from writing for about a second."""
LONGEST_SHIFT = timedelta(days=366 * 200)


class BulkRefused(AlbumError):
    """Nothing was done; the message says what would do."""


class AlbumForbidden(BulkRefused):
    """The user sees the album and may not change what is in it."""


class AlbumFillsItself(AlbumForbidden):
    """Nobody puts items into an automatic album, or takes them out."""


class AlbumUnknown(BulkRefused):
    """The user sees no such album."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Ids for which it holds now, and those for which it does not, by the reason in words."""

    done: list[int]
    refused: dict[str, list[int]]


def set_favourite(*, user: User, ids: Sequence[int], is_favourite: bool) -> Outcome:
    """Favourites are each user's own: of all that ``user`` may see."""
    outcome = _sort_out(user, ids, visible_to(user))
    if is_favourite:
        liked = [Favourite(user=user, item_id=pk) for pk in outcome.done]
        Favourite.objects.bulk_create(liked, ignore_conflicts=True)
    else:
        Favourite.objects.filter(user=user, item__in=outcome.done).delete()
    return outcome


def set_archived(*, user: User, ids: Sequence[int], is_archived: bool) -> Outcome:
    """Moves items between timeline and archive: for their owner."""
    outcome = _sort_out(user, ids, owned_by(user))
    rows = MediaItem.objects.filter(pk__in=outcome.done, archived_at__isnull=is_archived)
    rows.update(archived_at=timezone.now() if is_archived else None)
    return outcome


def move_to_trash(*, user: User, ids: Sequence[int]) -> Outcome:
    """For the owner. They come back from there for some weeks."""
    outcome = _sort_out(user, ids, owned_by(user))
    trash.move_to_trash(user=user, items=_bare(outcome.done))
    return outcome


def restore(*, user: User, ids: Sequence[int]) -> Outcome:
    """Takes items out of the trash: for whoever may put them there."""
    outcome = _sort_out(user, ids, in_trash(user))
    trash.restore(user=user, items=_bare(outcome.done))
    return outcome


def add_tag(*, user: User, ids: Sequence[int], name: str) -> Outcome:
    """Tags items, also those from which this tag was taken away before.

    Raises:
        AlbumError: the name is empty or too long.
    """
    outcome = _sort_out(user, ids, editable_by(user))
    with transaction.atomic():
        tag, _is_new = Tag.objects.get_or_create(name=editing.tag_name(name))
        ItemTag.objects.filter(item__in=outcome.done, tag=tag, source=ItemTag.Source.REMOVED).delete()
        _write_tag(tag, outcome.done, ItemTag.Source.PERSON)
    return outcome


def remove_tag(*, user: User, ids: Sequence[int], name: str) -> Outcome:
    """Takes a tag away from those items that have it, whoever said it, for good.

    Raises:
        AlbumError: none of them has such a tag. Whether others have is not told: tags are everybody's.
    """
    outcome = _sort_out(user, ids, editable_by(user))
    with transaction.atomic():
        tag = Tag.objects.filter(name=editing.tag_name(name)).first()
        tagged = ItemTag.objects.filter(item__in=outcome.done, tag=tag)
        having = list(tagged.values_list("item", flat=True).distinct())
        if tag is None or not having:
            raise BulkRefused(_("There is no tag “%s”.") % name[:80])
        tagged.delete()
        _write_tag(tag, having, ItemTag.Source.REMOVED)
    return outcome


def shift_dates(*, user: User, ids: Sequence[int], by: timedelta) -> Outcome:
    """Moves when items were taken, as after a camera whose clock was wrong.

    Raises:
        BulkRefused: by nothing, or by centuries.
    """
    if not by or abs(by) > LONGEST_SHIFT:
        raise BulkRefused(_("Give by how much to shift: at least a minute, at most 200 years."))
    outcome = _sort_out(user, ids, editable_by(user))
    done = []
    with transaction.atomic():
        for item in MediaItem.objects.filter(pk__in=outcome.done):
            try:
                local = item.timeline_at.astimezone(UTC).replace(tzinfo=None) + by
                editing.write_date(item=item, local=local)
                done.append(item.pk)
            except (editing.EditRefused, OverflowError):
                reason = _("The date would lie before photography or in the future.")
                outcome.refused.setdefault(reason, []).append(item.pk)
    return Outcome(done, outcome.refused)


def add_to_album(*, user: User, ids: Sequence[int], album_id: int) -> Outcome:
    """Puts own items into an album that ``user`` may fill.

    What others own stays where they put it: an album of one's own would show it to people they did not choose.

    Raises:
        AlbumUnknown, AlbumForbidden, AlbumFillsItself: which of them hinders.
    """
    album = _fillable(user, album_id)
    outcome = _sort_out(user, ids, owned_by(user))
    albums.add_items(user=user, album=album, item_ids=outcome.done)
    return outcome


def add_to_new_album(*, user: User, ids: Sequence[int], title: str) -> tuple[Album, Outcome]:
    """The album that was made for own items, and what came into it.

    Raises:
        BulkRefused, AlbumRefused: none of the items is the user's, or the title will not do. No album was made.
    """
    outcome = _sort_out(user, ids, owned_by(user))
    if not outcome.done:
        raise BulkRefused(" ".join(outcome.refused))
    with transaction.atomic():
        album = albums.save_album(user=user, album=Album(title=title.strip()))
        albums.add_items(user=user, album=album, item_ids=outcome.done)
    return album, outcome


def remove_from_album(*, user: User, ids: Sequence[int], album_id: int) -> Outcome:
    """Takes items out of an album that ``user`` may fill; they stay everywhere else.

    Raises:
        AlbumUnknown, AlbumForbidden, AlbumFillsItself: which of them hinders.
    """
    album = _fillable(user, album_id)
    with transaction.atomic():
        lying = AlbumItem.objects.filter(album=album, mediaitem__in=ids)
        done = list(lying.values_list("mediaitem", flat=True))
        albums.remove_items(user=user, album=album, item_ids=done)
    absent = sorted(set(ids) - set(done))
    return Outcome(done, {_("Not in this album."): absent} if absent else {})


def _sort_out(user: User, ids: Sequence[int], allowed: QuerySet[MediaItem]) -> Outcome:
    """``ids`` by whether they are among ``allowed``, in their order.

    Raises:
        BulkRefused: none, or too many.
    """
    wanted = list(dict.fromkeys(ids))
    if not 0 < len(wanted) <= MOST_ITEMS:
        raise BulkRefused(_("Choose from 1 to %d items at once.") % MOST_ITEMS)
    may = set(allowed.filter(pk__in=wanted).values_list("pk", flat=True))
    left = [pk for pk in wanted if pk not in may]
    seen = set(visible_to(user).filter(pk__in=left).values_list("pk", flat=True)) if left else set()
    reasons = {
        _("Only those who own them may do this."): [pk for pk in left if pk in seen],
        _("They are not here any more."): [pk for pk in left if pk not in seen],
    }
    return Outcome([pk for pk in wanted if pk in may], {words: pks for words, pks in reasons.items() if pks})


def _fillable(user: User, album_id: int) -> Album:
    album = visible_albums(user).filter(pk=album_id).first()
    if album is None:
        raise AlbumUnknown(_("There is no such album."))
    if album.rule is not None:
        raise AlbumFillsItself(
            _("This album fills itself by its rule. Change the rule, or choose an album that is picked by hand.")
        )
    if not fillable_albums(user).filter(pk=album_id).exists():
        raise AlbumForbidden(_("You may look at this album, and not change what is in it."))
    return album


def _write_tag(tag: Tag, ids: Sequence[int], source: str) -> None:
    rows = [ItemTag(item_id=pk, tag=tag, source=source) for pk in ids]
    ItemTag.objects.bulk_create(rows, ignore_conflicts=True)


def _bare(ids: Sequence[int]) -> list[MediaItem]:
    return [MediaItem(pk=pk) for pk in ids]
