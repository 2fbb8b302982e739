"""How items are shown."""

from __future__ import annotations

from datetime import UTC
from typing import Any, TypedDict

from django.urls import reverse
from rest_framework import serializers

from album.models import MediaItem, Shelf
from album.models.media import Kind
from album.queries import albums_with
from album.queries.files import plain_address


class Files(TypedDict):
    """Addresses of its files, null where there is none: small pictures, the original, what players play."""

    thumbnail: str
    preview: str
    original: str
    playback: str | None
    animation: str | None
    motion: str | None


class MediaInList(serializers.ModelSerializer[MediaItem]):
    """A photo or video. Lengths in pixels, sizes in bytes, durations in seconds, moments in UTC."""

    owner = serializers.CharField(source="owner.username")
    taken_at = serializers.DateTimeField(default_timezone=UTC, allow_null=True)
    created_at = serializers.DateTimeField(default_timezone=UTC)
    timeline_at = serializers.SerializerMethodField(help_text="The clock where it was taken; lists sort by it.")
    is_favourite = serializers.SerializerMethodField()
    is_archived = serializers.SerializerMethodField()
    is_in_trash = serializers.SerializerMethodField()
    files = serializers.SerializerMethodField()
    page = serializers.SerializerMethodField(help_text="Where people look at it.")

    class Meta:
        model = MediaItem
        fields: tuple[str, ...] = (
            "id",
            "kind",
            "owner",
            "original_name",
            "mime_type",
            "sha256",
            "size_bytes",
            "width_px",
            "height_px",
            "duration_s",
            "placeholder",
            "title",
            "description",
            "ai_description",
            "taken_at",
            "taken_at_local",
            "time_zone",
            "timeline_at",
            "created_at",
            "latitude_deg",
            "longitude_deg",
            "country",
            "region",
            "city",
            "camera",
            "rating",
            "processing_status",
            "preview_status",
            "is_favourite",
            "is_archived",
            "is_in_trash",
            "files",
            "page",
        )
        read_only_fields = fields

    def get_timeline_at(self, item: MediaItem) -> str:
        return item.timeline_at.astimezone(UTC).replace(tzinfo=None).isoformat()

    def get_is_favourite(self, item: MediaItem) -> bool:
        return bool(item.is_favourite)  # type: ignore[attr-defined]  # of queries.details.listed

    def get_is_archived(self, item: MediaItem) -> bool:
        return item.archived_at is not None

    def get_is_in_trash(self, item: MediaItem) -> bool:
        return bool(item.shelf == Shelf.TRASH)

    def get_files(self, item: MediaItem) -> Files:
        def address(name: str) -> str:
            return str(self.context["request"].build_absolute_uri(plain_address(name, item)))

        is_video = item.kind == Kind.VIDEO
        moves = not is_video and (item.motion_offset is not None or item.has_clip)  # type: ignore[attr-defined]
        return {
            "thumbnail": address("thumbnail"),
            "preview": address("preview"),
            "original": address("original"),
            "playback": address("playback") if is_video else None,
            "animation": address("animation") if is_video else None,
            "motion": address("motion") if moves else None,
        }

    def get_page(self, item: MediaItem) -> str:
        return str(self.context["request"].build_absolute_uri(reverse("album:photo_detail", args=(item.pk,))))


class TagOnItem(serializers.Serializer[Any]):
    name = serializers.CharField(source="tag.name")
    source = serializers.CharField(  # type: ignore[assignment]
        help_text="`person`, `file`, or how AI found it."
    )
    score = serializers.FloatField(help_text="How sure the source is, 0 to 1.")


class PersonOnItem(serializers.Serializer[Any]):
    id = serializers.IntegerField(source="person_id")
    name = serializers.CharField(source="person.name")
    source = serializers.CharField()  # type: ignore[assignment]


class StageOfItem(serializers.Serializer[Any]):
    stage = serializers.CharField()
    state = serializers.CharField()
    weights = serializers.CharField()
    error = serializers.CharField(help_text="Why it failed, in words.")


class AlbumOfItem(TypedDict):
    """An album in which it lies."""

    id: int
    title: str


class Media(MediaInList):
    """A photo or video with all that is known of it."""

    tags = TagOnItem(source="item_tags", many=True)
    people = PersonOnItem(source="item_people", many=True)
    albums = serializers.SerializerMethodField(help_text="As far as they were filled by hand.")
    edited_fields = serializers.ListField(child=serializers.CharField(), help_text="What people wrote.")
    stages = StageOfItem(source="stage_results", many=True)
    processed_at = serializers.DateTimeField(default_timezone=UTC, allow_null=True)

    class Meta(MediaInList.Meta):
        fields = (
            *MediaInList.Meta.fields,
            "lens",
            "exposure_s",
            "f_number",
            "focal_length_mm",
            "iso",
            "video_codec",
            "audio_codec",
            "ai_description_score",
            "ai_weights",
            "preview_problem",
            "processed_at",
            "edited_fields",
            "tags",
            "people",
            "albums",
            "stages",
        )
        read_only_fields = fields

    def get_albums(self, item: MediaItem) -> list[AlbumOfItem]:
        found = albums_with(item, self.context["request"].user).values_list("pk", "title")
        return [{"id": pk, "title": title} for pk, title in found]
