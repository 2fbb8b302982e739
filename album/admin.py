"""Django's admin: people's words may be changed, what machines wrote is for reading."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from album.models import AIProcessingSettings, Album, AlbumItem, BatchRun, ItemTag, MediaItem, StageResult, Tag
from album.services.ai_settings import save_ai_settings
from album.services.editing import EditRefused, tag_name, write_words
from album.services.grants import revoke_albums, revoke_items
from album.services.trash import move_to_trash

admin.site.site_header = admin.site.site_title = "Photo Album"


class ReadOnly:
    """For rows that only batches write."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class StageResultInline(ReadOnly, admin.TabularInline):  # type: ignore[type-arg]
    model = StageResult
    fields = ("stage", "state", "attempts", "weights", "revision", "error", "duration_s", "updated_at")
    readonly_fields = ("updated_at",)
    extra = 0


class ItemTagInline(admin.TabularInline):  # type: ignore[type-arg]
    model = ItemTag
    autocomplete_fields = ("tag",)
    extra = 0


class AlbumItemInline(admin.TabularInline):  # type: ignore[type-arg]
    model = AlbumItem
    autocomplete_fields = ("album",)
    extra = 0


@admin.register(MediaItem)
class MediaItemAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Originals come in through ingest, never through a form, and go through the trash, with their files."""

    list_display = ("id", "original_name", "kind", "owner", "processing_status", "ai_weights", "created_at")
    list_filter = ("processing_status", "kind", "owner", "albums")
    list_select_related = ("owner",)
    search_fields = ("original_name", "title", "description", "ai_description")
    fields = (
        ("title", "description"),
        ("ai_description", "ai_description_score", "ai_weights"),
        ("processing_status", "processed_at"),
        ("original_name", "stored_as", "mime_type", "size_bytes", "sha256"),
        ("kind", "owner", "width_px", "height_px", "duration_s"),
        ("taken_at", "taken_at_local", "latitude_deg", "longitude_deg", "created_at"),
    )
    inlines = (AlbumItemInline, ItemTagInline, StageResultInline)
    actions = ("trash_items",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: MediaItem | None = None) -> bool:
        return False  # nor may an account be deleted that still owns some

    @admin.action(description="Move selected items to the trash", permissions=["change"])
    def trash_items(self, request: HttpRequest, items: QuerySet[MediaItem]) -> None:
        assert isinstance(request.user, User)  # noqa: S101 - for mypy: the admin has no anonymous pages
        count = move_to_trash(user=request.user, items=items)
        self.message_user(request, f"{count} of {len(items)} items are in the trash now.")

    def view_on_site(self, obj: MediaItem) -> str:
        return reverse("album:photo_detail", args=(obj.pk,))

    @admin.display(description="Stored as")
    def stored_as(self, obj: MediaItem) -> str:
        return str(obj.original.name)  # as text: Django's own link would lead past the access rule

    def get_readonly_fields(self, request: HttpRequest, obj: MediaItem | None = None) -> tuple[str, ...]:
        of_people = {"id", "title", "description"}
        columns = [field.name for field in MediaItem._meta.concrete_fields]
        return ("stored_as", *(name for name in columns if name not in of_people))

    def save_model(self, request: HttpRequest, obj: MediaItem, form: Any, change: bool) -> None:
        # A batch may be writing its own columns of the same row.
        write_words(item=obj, **{name: form.cleaned_data[name] for name in form.changed_data})

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        revoke_items([form.instance.pk])  # while the albums are known that it may leave
        super().save_related(request, form, formsets, change)


@admin.register(Album)
class AlbumAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Whoever loses an album here loses its pictures, too. Its people, and where it lies, change on its pages."""

    list_display = ("title", "owner", "created_at")
    list_select_related = ("owner",)
    search_fields = ("title",)
    raw_id_fields = ("cover",)
    readonly_fields = ("parent", "admins", "editors", "viewers")

    def save_model(self, request: HttpRequest, obj: Album, form: Any, change: bool) -> None:
        revoke_albums([obj.pk] if change else [])  # while its owner is known who may lose it
        super().save_model(request, obj, form, change)

    def delete_model(self, request: HttpRequest, obj: Album) -> None:
        self.delete_queryset(request, Album.objects.filter(pk=obj.pk))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Album]) -> None:
        with transaction.atomic():
            revoke_albums(queryset.values_list("pk", flat=True))
            super().delete_queryset(request, queryset)


admin.site.unregister(User)


@admin.register(User)
class AccountAdmin(UserAdmin):  # type: ignore[type-arg]
    """With an account go its albums, and with these the sight of what others have put there."""

    def delete_model(self, request: HttpRequest, obj: User) -> None:
        self.delete_queryset(request, User.objects.filter(pk=obj.pk))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        with transaction.atomic():
            revoke_albums(Album.objects.filter(owner__in=queryset).values_list("pk", flat=True))
            super().delete_queryset(request, queryset)


class TagForm(ModelForm):  # type: ignore[type-arg]
    def clean_name(self) -> str:
        try:
            return tag_name(self.cleaned_data["name"])
        except EditRefused as error:
            raise ValidationError(str(error)) from error


@admin.register(Tag)
class TagAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    form = TagForm
    search_fields = ("name",)


@admin.register(BatchRun)
class BatchRunAdmin(ReadOnly, admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = (
        "id", "kind", "trigger", "state", "stop_reason", "items_completed", "items_failed", "profile",
        "started_at", "finished_at",
    )  # fmt: skip
    list_filter = ("state", "kind", "trigger")


@admin.register(StageResult)
class StageResultAdmin(ReadOnly, admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("item", "stage", "state", "attempts", "weights", "error", "updated_at")
    list_filter = ("state", "stage", "weights")
    list_select_related = ("item",)
    search_fields = ("item__original_name", "error")


@admin.register(AIProcessingSettings)
class AIProcessingSettingsAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """One row, opened at once. Saving it tells beat, which needs no restart."""

    exclude = ("schedule_changed_at",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: AIProcessingSettings | None = None) -> bool:
        return False

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        row = AIProcessingSettings.load()
        return HttpResponseRedirect(reverse("admin:album_aiprocessingsettings_change", args=(row.pk,)))

    def save_model(self, request: HttpRequest, obj: AIProcessingSettings, form: Any, change: bool) -> None:
        save_ai_settings(obj)
