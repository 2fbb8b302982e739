"""Albums, what lies in them, who sees them."""

from __future__ import annotations

from datetime import UTC
from typing import Any, Literal

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Case, CharField, Exists, OuterRef, QuerySet, Value, When
from django.urls import reverse
from rest_framework import serializers
from rest_framework.exceptions import NotFound, PermissionDenied, ValidationError
from rest_framework.request import Request

from album import queries
from album.api.endpoints import Resource, allowed, cut_by_id, endpoint, found, member, page, page_of
from album.api.fields import Body, Id, Ids, Place, Switch, Text
from album.api.media_shapes import MediaInList
from album.api.moments import Moment
from album.models import Album, ShareLink
from album.queries.albums import album_cards
from album.queries.details import listed
from album.queries.pages import cursor_of
from album.services import albums as service
from album.services import bulk, sharing
from album.services.albums import Role

MyRole = Literal["owner", "admin", "editor", "viewer"]
DESCRIPTION_MAX_LENGTH = 10_000


class AlbumShape(serializers.ModelSerializer[Album]):
    """An album, and what the asking user is in it."""

    owner = serializers.CharField(source="owner.username")
    parent = serializers.IntegerField(  # type: ignore[assignment]
        source="parent_id", allow_null=True
    )
    cover = serializers.IntegerField(allow_null=True, help_text="The item that stands for it.")
    rule = serializers.DictField(
        allow_null=True,
        help_text="Of an automatic album; null for viewers and editors: it names people and places of its owner.",
    )
    role = serializers.SerializerMethodField(help_text="Yours. Site admins may do what owners may.")
    item_count = serializers.IntegerField()
    created_at = serializers.DateTimeField(default_timezone=UTC)

    class Meta:
        model = Album
        fields = (
            "id",
            "title",
            "description",
            "owner",
            "role",
            "parent",
            "position",
            "order",
            "rule",
            "cover",
            "item_count",
            "created_at",
        )
        read_only_fields = fields

    def get_role(self, album: Album) -> MyRole:
        role: MyRole = album.role  # type: ignore[attr-defined]  # annotated below
        return role

    def to_representation(self, instance: Album) -> dict[str, Any]:
        card = instance.card  # type: ignore[attr-defined]
        instance.cover, instance.item_count = None, card.item_count  # type: ignore[attr-defined]
        told = super().to_representation(instance)
        rule = instance.rule if told["role"] in ("owner", "admin") else None
        return told | {"cover": card.cover and card.cover.pk, "rule": rule}


class AlbumWrite(Body):
    description = Text(max_length=DESCRIPTION_MAX_LENGTH, allow_blank=True, required=False)
    parent = Id(  # type: ignore[assignment]
        allow_null=True, required=False, help_text="An own album in which it lies."
    )
    order = serializers.ChoiceField(list(Album.Order.values), required=False)
    rule = serializers.DictField(
        allow_null=True, required=False, help_text="Of an automatic album: what its items have in common."
    )


class NewAlbum(AlbumWrite):
    title = Text(max_length=200)


class AlbumChange(AlbumWrite):
    title = Text(max_length=200, required=False)
    cover = Id(allow_null=True, required=False, help_text="One of its items; null: the newest.")


class Picked(Body):
    ids = Ids(max_length=bulk.MOST_ITEMS)


class Refusal(serializers.Serializer[Any]):
    reason = serializers.CharField()
    ids = serializers.ListField(child=serializers.IntegerField())


class Outcome(serializers.Serializer[Any]):
    """For which items it was done, and for which not, and why."""

    done = serializers.ListField(child=serializers.IntegerField())
    refused = Refusal(many=True)


class MemberShape(serializers.Serializer[Any]):
    username = serializers.CharField()
    role = serializers.ChoiceField(list(Role.values))


class Members(serializers.Serializer[Any]):
    results = MemberShape(many=True)


class NewRole(Body):
    role = serializers.ChoiceField(list(Role.values))


class LinkShape(serializers.ModelSerializer[ShareLink]):
    """A link for people without an account. Its address is told once: to who makes it."""

    album = serializers.IntegerField(source="album_id", allow_null=True)
    created_by = serializers.CharField(source="created_by.username")
    has_password = serializers.BooleanField(source="password")
    created_at = serializers.DateTimeField(default_timezone=UTC)
    expires_at = serializers.DateTimeField(default_timezone=UTC, allow_null=True)
    revoked_at = serializers.DateTimeField(default_timezone=UTC, allow_null=True)
    last_used_at = serializers.DateTimeField(default_timezone=UTC, allow_null=True)
    address = serializers.SerializerMethodField()

    class Meta:
        model = ShareLink
        fields = (
            "id",
            "album",
            "created_by",
            "label",
            "has_password",
            "may_download",
            "shows_location",
            "created_at",
            "expires_at",
            "revoked_at",
            "last_used_at",
            "visits",
            "address",
        )
        read_only_fields = fields

    def get_address(self, link: ShareLink) -> str | None:
        token = getattr(link, "token", None)
        return token and self.context["request"].build_absolute_uri(reverse("album:shared", args=(token,)))


class NewLink(Body):
    label = Text(max_length=120, allow_blank=True, default="")  # type: ignore[assignment]
    password = Text(max_length=128, allow_blank=True, default="", trim_whitespace=False)
    expires_at = Moment(allow_null=True, default=None)
    may_download = Switch(default=False)
    shows_location = Switch(default=False, help_text="Tell where pictures were taken.")


class NewItemsLink(NewLink):
    ids = Ids(max_length=sharing.ITEMS_MAX)


class AlbumList(Resource):
    @endpoint(page_of(AlbumShape), query=Place)
    def get(self, request: Request, asked: dict[str, Any]) -> dict[str, Any]:
        """Albums that you may see."""
        albums, after = cut_by_id(_visible(member(request)), asked)
        return page(request, _with_cards(albums), after)

    @endpoint(AlbumShape, body=NewAlbum, status=201)
    def post(self, request: Request, asked: dict[str, Any]) -> Album:
        """Makes an album, filled by hand or, with a rule, by itself."""
        album = service.save_album(user=member(request), album=_changed(Album(), request, asked))
        return _seen(request, album.pk)


class AlbumDetail(Resource):
    @endpoint(AlbumShape)
    def get(self, request: Request, asked: dict[str, Any], pk: int) -> Album:
        """An album."""
        return _seen(request, pk)

    @endpoint(AlbumShape, body=AlbumChange)
    def patch(self, request: Request, asked: dict[str, Any], pk: int) -> Album:
        """Changes what is given. For its owner and its admins; the rule for the owner."""
        user, album = member(request), _editable(request, pk)
        cover = asked.pop("cover", album)
        with transaction.atomic():
            if asked:
                service.save_album(user=user, album=_changed(album, request, asked), changed=asked.keys())
            if cover is not album:
                service.choose_cover(user=user, album=album, item_id=cover)
        return _seen(request, pk)

    @endpoint()
    def delete(self, request: Request, asked: dict[str, Any], pk: int) -> None:
        """Deletes the album; its items stay. For its owner."""
        album, user = found(queries.visible_albums(member(request)), pk), member(request)
        if not (user.is_superuser or album.owner_id == user.pk):
            raise PermissionDenied("Only its owner can delete an album.")
        service.delete_album(user=user, album=album)


class AlbumItems(Resource):
    @endpoint(page_of(MediaInList), query=Place)
    def get(self, request: Request, asked: dict[str, Any], pk: int) -> dict[str, Any]:
        """What lies in the album, in its order."""
        user = member(request)
        album, limit = found(queries.visible_albums(user), pk), asked["limit"]
        items = queries.in_order_of(album, queries.items_of(album, user), asked["before"])
        rows = list(listed(items, user)[: limit + 1])
        after = queries.place_of(album, cursor_of(rows[limit - 1])) if len(rows) > limit else None
        return page(request, rows[:limit], after)

    @endpoint(Outcome, body=Picked)
    def post(self, request: Request, asked: dict[str, Any], pk: int) -> dict[str, Any]:
        """Puts own items into the album. For its owner, admins and editors."""
        return told(bulk.add_to_album(user=member(request), ids=asked["ids"], album_id=pk))


class AlbumItemsRemove(Resource):
    @endpoint(Outcome, body=Picked)
    def post(self, request: Request, asked: dict[str, Any], pk: int) -> dict[str, Any]:
        """Takes items out of the album; they stay everywhere else."""
        return told(bulk.remove_from_album(user=member(request), ids=asked["ids"], album_id=pk))


class AlbumMembers(Resource):
    @endpoint(Members)
    def get(self, request: Request, asked: dict[str, Any], pk: int) -> dict[str, Any]:
        """Whom the album is shared with."""
        members = service.members_of(found(queries.visible_albums(member(request)), pk))
        return {"results": [{"username": user.username, "role": role} for user, role in members]}


class AlbumMember(Resource):
    @endpoint(MemberShape, body=NewRole)
    def put(self, request: Request, asked: dict[str, Any], pk: int, username: str) -> dict[str, Any]:
        """Gives an account this role in the album, and no other."""
        album, role = _editable(request, pk), Role(asked["role"])
        user = service.set_member(user=member(request), album=album, username=username, role=role)
        return {"username": user.username, "role": role}

    @endpoint()
    def delete(self, request: Request, asked: dict[str, Any], pk: int, username: str) -> None:
        """Takes an account out of the album, with what it put in. Everybody may leave."""
        user = member(request)
        album = found(queries.visible_albums(user), pk)
        if username != user.username:
            album = _editable(request, pk)
        who = next((each for each, _role in service.members_of(album) if each.username == username), None)
        if who is None:
            raise NotFound("Not found.")
        service.remove_member(user=user, album=album, member=who)


class AlbumLinks(Resource):
    @endpoint(page_of(LinkShape), query=Place)
    def get(self, request: Request, asked: dict[str, Any], pk: int) -> dict[str, Any]:
        """The links to an album, for its owner and its admins."""
        links = sharing.links_to(member(request), _editable(request, pk))
        read, after = cut_by_id(links, asked, newest_first=True)
        return page(request, read, after)

    @endpoint(LinkShape, body=NewLink, status=201)
    def post(self, request: Request, asked: dict[str, Any], pk: int) -> ShareLink:
        """Makes a link to the album. Its address is in this answer and nowhere else."""
        return _new_link(request, asked, album=_editable(request, pk))


class LinkList(Resource):
    @endpoint(page_of(LinkShape), query=Place)
    def get(self, request: Request, asked: dict[str, Any]) -> dict[str, Any]:
        """All links that you may revoke."""
        links, after = cut_by_id(sharing.links_to(member(request)), asked, newest_first=True)
        return page(request, links, after)

    @endpoint(LinkShape, body=NewItemsLink, status=201)
    def post(self, request: Request, asked: dict[str, Any]) -> ShareLink:
        """Makes a link to own items. Its address is in this answer and nowhere else."""
        return _new_link(request, asked, item_ids=asked["ids"])


class LinkDetail(Resource):
    @endpoint(LinkShape)
    def get(self, request: Request, asked: dict[str, Any], pk: int) -> ShareLink:
        """A link."""
        return found(sharing.links_to(member(request)), pk)

    @endpoint()
    def delete(self, request: Request, asked: dict[str, Any], pk: int) -> None:
        """Revokes a link: whoever has its address sees nothing any more."""
        user = member(request)
        sharing.revoke_link(user=user, link=found(sharing.links_to(user), pk))


def told(outcome: bulk.Outcome) -> dict[str, Any]:
    """The outcome as its shape wants it."""
    refused = [{"reason": reason, "ids": ids} for reason, ids in outcome.refused.items()]
    return {"done": outcome.done, "refused": refused}


def _new_link(request: Request, asked: dict[str, Any], **about: Any) -> ShareLink:
    terms = {name: value for name, value in asked.items() if name != "ids"}
    link, token = sharing.create_link(user=member(request), terms=sharing.Terms(**terms), **about)
    link.token = token  # type: ignore[attr-defined]  # for its shape, this once
    return link


def _visible(user: User) -> QuerySet[Album]:
    """Albums that ``user`` sees, with the role that the user has there."""

    def is_one(field: str) -> Exists:
        return Exists(getattr(Album, field).through.objects.filter(album=OuterRef("pk"), user=user.pk))

    otherwise = "owner" if user.is_superuser else "viewer"
    role = Case(
        When(owner=user.pk, then=Value("owner")),
        When(is_one("admins"), then=Value("admin")),
        When(is_one("editors"), then=Value("editor")),
        default=Value(otherwise),
        output_field=CharField(),
    )
    return queries.visible_albums(user).select_related("owner").annotate(role=role)


def _with_cards(albums: list[Album]) -> list[Album]:
    for card in album_cards(albums):
        card.album.card = card  # type: ignore[attr-defined]
    return albums


def _seen(request: Request, pk: int) -> Album:
    return _with_cards([found(_visible(member(request)), pk)])[0]


def _editable(request: Request, pk: int) -> Album:
    user = member(request)
    return allowed(queries.editable_albums(user), queries.visible_albums(user), pk)


def _changed(album: Album, request: Request, asked: dict[str, Any]) -> Album:
    """``album`` with what was asked for, not stored yet. Raises ValidationError: there is no such parent."""
    for name in ("title", "description", "order", "rule"):
        if name in asked:
            setattr(album, name, asked[name])
    if "parent" in asked:
        parent = queries.editable_albums(member(request)).filter(pk=asked["parent"] or 0).first()
        if asked["parent"] is not None and parent is None:
            raise ValidationError({"parent": ["There is no such album of yours."]})
        album.parent = parent
    return album
