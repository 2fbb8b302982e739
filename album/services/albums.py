"""Albums are made, named, nested, filled, put in order, shared with other members, deleted. The items stay."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from django.contrib.auth.models import User
from django.db import models, transaction
from django.db.models import Max, Q
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from album.exceptions import AlbumError
from album.models import Album, AlbumItem, Preview, ShareLink
from album.models.media import Kind
from album.models.rules import AlbumRule
from album.queries import editable_albums, fillable_albums, items_of, owned_by, parents_of, visible_albums
from album.services.grants import revoke_albums, revoke_shares

CHANGEABLE = ("title", "description", "parent", "order", "rule")
DEPTH_MAX = 8
RULES_MAX = 100
"""Automatic albums of one owner: the rules of all are asked whenever somebody looks who sees them."""
ARRANGED_MAX = 5000
"""So many items are put in order by hand at once; what lies in the album beyond them follows."""


class AlbumRefused(AlbumError):
    """Something that cannot be done with an album."""


class Role(models.TextChoices):
    VIEWER = "viewer", gettext_lazy("Viewer: looks and downloads")
    EDITOR = "editor", gettext_lazy("Editor: adds and removes items too")
    ADMIN = "admin", gettext_lazy("Admin: also renames, shares and processes")


_FIELD = {Role.VIEWER: "viewers", Role.EDITOR: "editors", Role.ADMIN: "admins"}


def save_album(*, user: User, album: Album, changed: Collection[str] = CHANGEABLE) -> Album:
    """The album, made or changed by ``user``, who owns it if it is new.

    Only its owner changes what a rule lets in: an admin could widen it to everything that the owner has.

    Args:
        changed: columns to be stored; the others stay as they are now, whoever changed them meanwhile.

    Raises:
        AlbumRefused, InvalidRule: in words for a person; nothing was changed.
    """
    with transaction.atomic():
        before = Album.objects.select_for_update().filter(pk=album.pk).first() if album.pk else None
        if before is None:
            album.owner = user
        else:
            _require(editable_albums(user), album)
            for name in set(CHANGEABLE).difference(changed):
                setattr(album, name, getattr(before, name))
        _check_words(album)
        _check_rule(user, album, before)
        if before is None or before.parent_id != album.parent_id:
            _check_parent(user, album)
            album.position = _last_position(album) + 1
            changed = {*changed, "position"}
        album.save(update_fields=None if before is None else changed)
        if before is not None and before.rule != album.rule:
            revoke_albums([album.pk])
    return album


def delete_album(*, user: User, album: Album) -> None:
    """Deletes the album alone: its items stay, and albums in it move up to where it was."""
    if not (user.is_superuser or album.owner_id == user.pk):
        raise AlbumRefused(_("Only its owner can delete an album."))
    with transaction.atomic():
        revoke_albums([album.pk])
        album.children.update(parent=album.parent)
        album.delete()


def choose_cover(*, user: User, album: Album, item_id: int | None) -> None:
    """Sets the cover to one of the album's items; None: the newest, whichever that is."""
    _require(editable_albums(user), album)
    if item_id is not None and not items_of(album, user).filter(pk=item_id).exists():
        raise AlbumRefused(_("This item is not in the album, so it cannot be the cover."))
    Album.objects.filter(pk=album.pk).update(cover=item_id)


def add_items(*, user: User, album: Album, item_ids: Collection[int]) -> int:
    """How many of ``item_ids`` lie in the album now: those that ``user`` owns. They stay the user's."""
    _require(fillable_albums(user), album)
    with transaction.atomic():
        items = owned_by(user).filter(pk__in=item_ids).only("pk", "kind", "image_avif", "preview_status")
        AlbumItem.objects.bulk_create(
            (AlbumItem(album=album, mediaitem=item) for item in items), ignore_conflicts=True, batch_size=500
        )
        if items.filter(kind=Kind.PHOTO, image_avif="").exclude(preview_status=Preview.NONE).exists():
            Album.objects.filter(pk=album.pk).update(is_processing_photos=True)
    return len(items)


def remove_items(*, user: User, album: Album, item_ids: Collection[int]) -> int:
    """How many of ``item_ids`` lie in the album no longer. Nothing is deleted."""
    _require(fillable_albums(user), album)
    with transaction.atomic():
        removed, _each = AlbumItem.objects.filter(album=album, mediaitem__in=list(item_ids)).delete()
        if removed:
            revoke_albums([album.pk])
    return removed


def arrange_items(*, user: User, album: Album, item_ids: Sequence[int]) -> None:
    """Puts these items first, in this order; others follow as they came. It is ordered by hand from now on."""
    _require(editable_albums(user), album)
    if album.rule is not None:
        raise AlbumRefused(_("An automatic album is ordered by date."))
    places = {pk: place for place, pk in enumerate(item_ids[:ARRANGED_MAX], start=1)}
    with transaction.atomic():
        rows = list(AlbumItem.objects.select_for_update().filter(album=album))
        for row in rows:
            row.position = places.get(row.mediaitem_id, 0)
        AlbumItem.objects.bulk_update(rows, ["position"], batch_size=400)
        Album.objects.filter(pk=album.pk).update(order=Album.Order.BY_HAND)


def arrange_albums(*, user: User, album_ids: Sequence[int]) -> None:
    """Gives the own albums of ``user`` among ``album_ids`` the places they have, in this order; others stay."""
    with transaction.atomic():
        albums = Album.objects.select_for_update().filter(owner=user).order_by("position", "title", "pk")
        before = {album.pk: album for album in albums}
        listed = {pk: before[pk] for pk in album_ids if pk in before}
        moved = iter(listed.values())
        after = [next(moved) if pk in listed else album for pk, album in before.items()]
        for place, album in enumerate(after, start=1):
            album.position = place
        Album.objects.bulk_update(after, ["position"], batch_size=400)


def set_member(*, user: User, album: Album, username: str, role: Role) -> User:
    """The account that has ``role`` in the album now, and no other.

    Raises:
        AlbumRefused: there is no such account, or it owns the album.
    """
    _require(editable_albums(user), album)
    named = User.objects.filter(Q(username=username) | Q(username__iexact=username), is_active=True)
    member = named.order_by(models.Case(models.When(username=username, then=0), default=1)).first()
    if member is None:
        raise AlbumRefused(_("There is no account called “%(name)s”.") % {"name": username[:150]})
    if member.pk == album.owner_id:
        raise AlbumRefused(_("%(name)s owns this album.") % {"name": member.username})
    with transaction.atomic():
        for each, field in _FIELD.items():
            people = getattr(album, field)
            people.add(member) if each == role else people.remove(member)
        if role != Role.ADMIN:
            _end_links(album, member)
        revoke_shares([member.pk])
    return member


def remove_member(*, user: User, album: Album, member: User) -> None:
    """Takes ``member`` out of the album, with what that person put in; leaving it oneself is always possible."""
    _require(visible_albums(user) if user.pk == member.pk else editable_albums(user), album)
    with transaction.atomic():
        for field in _FIELD.values():
            getattr(album, field).remove(member)
        AlbumItem.objects.filter(album=album, mediaitem__owner=member).exclude(
            mediaitem__owner=album.owner_id
        ).delete()
        _end_links(album, member)
        revoke_shares([member.pk])
        revoke_albums([album.pk])


def _end_links(album: Album, member: User) -> None:
    """Else they would open again with the next role."""
    ShareLink.objects.filter(album=album, created_by=member, revoked_at=None).update(revoked_at=timezone.now())


def members_of(album: Album) -> list[tuple[User, Role]]:
    """Everybody whom the album is shared with, by name."""
    people = [(member, role) for role, field in _FIELD.items() for member in getattr(album, field).all()]
    return sorted(people, key=lambda entry: entry[0].username.lower())


def _require(allowed: models.QuerySet[Album], album: Album) -> None:
    if not allowed.filter(pk=album.pk).exists():
        raise AlbumRefused(_("You may not change this album. Ask its owner."))


def _check_words(album: Album) -> None:
    album.title, album.description = album.title.strip(), album.description.strip()
    if not album.title:
        raise AlbumRefused(_("Give the album a name."))
    if len(album.title) > 200 or "\x00" in album.title + album.description:
        raise AlbumRefused(_("The name of an album has at most 200 characters."))


def _check_rule(user: User, album: Album, before: Album | None) -> None:
    old = before.rule if before else None
    if album.rule is not None:
        album.rule = AlbumRule.from_json(album.rule).to_json()
        if album.order == Album.Order.BY_HAND:
            raise AlbumRefused(_("An automatic album is ordered by date."))
        if before is None:
            _check_rules_left(user)
    if before is None or album.rule == old:
        return
    if (album.rule is None) != (old is None):
        raise AlbumRefused(_("An album is either picked by hand or automatic; make another one."))
    if not (user.is_superuser or album.owner_id == user.pk):
        raise AlbumRefused(_("Only its owner can change the rule of an automatic album."))


def _check_rules_left(user: User) -> None:
    if Album.objects.filter(owner=user, rule__isnull=False).count() >= RULES_MAX:
        raise AlbumRefused(
            _("You have %(count)d automatic albums, and nobody can have more. Delete one that you need less.")
            % {"count": RULES_MAX}
        )


def _check_parent(user: User, album: Album) -> None:
    if album.parent is None:
        return
    if album.parent.owner_id != album.owner_id or not editable_albums(user).filter(pk=album.parent.pk).exists():
        raise AlbumRefused(_("An album can only lie in another album of the same owner."))
    above = [*parents_of(album.parent), album.parent]
    if album.pk and any(parent.pk == album.pk for parent in above):
        raise AlbumRefused(_("An album cannot lie in itself."))
    if len(above) + _height(album) > DEPTH_MAX:
        raise AlbumRefused(_("Albums can be nested %(depth)s deep.") % {"depth": DEPTH_MAX})


def _height(album: Album) -> int:
    """How many albums lie one in the other here, this one included."""
    height, level, seen = 1, {album.pk}, {album.pk}
    while level := set(Album.objects.filter(parent__in=level).values_list("pk", flat=True)) - seen:
        height, seen = height + 1, seen | level
    return height


def _last_position(album: Album) -> int:
    siblings = Album.objects.filter(owner=album.owner_id, parent=album.parent_id)
    return siblings.aggregate(last=Max("position"))["last"] or 0
