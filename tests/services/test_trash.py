"""Deleting: into the trash and back, and for good only what nobody else needs."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from django.utils import timezone

from album.exceptions import StorageError
from album.media.storage import LOCKS, MARKER
from album.models import MediaItem
from album.preparation.paths import rendition_path
from album.preparation.sidecars import sidecar_path
from album.queries import in_trash, visible_to
from album.services import trash
from album.services.trash import delete_now, move_to_trash, purge_trash, restore
from tests.cast import Cast, make_photo


def files() -> set[str]:
    """What lies in the storage, by its last name."""
    paths = (path for path in Path(django_settings.MEDIA_ROOT).rglob("*") if path.is_file())
    return {path.name for path in paths if path.name != MARKER and path.parent.name != LOCKS}


def add_rendition(item: MediaItem) -> None:
    path = rendition_path(item, "grid.webp")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"picture")


def make_pair(cast: Cast) -> tuple[MediaItem, MediaItem]:
    """A photo and the clip that belongs to it."""
    photo, clip = make_photo(cast.alice), make_photo(cast.alice, seed=1)
    MediaItem.objects.filter(pk=clip.pk).update(clip_of=photo)
    return photo, clip


def days_from_now(days: float):
    return timezone.now() + timedelta(days=days)


def test_an_item_goes_to_the_trash_and_comes_back_into_its_album(cast: Cast) -> None:
    photo, _ = make_pair(cast)
    cast.shared.items.add(photo)

    assert move_to_trash(user=cast.alice, items=[photo]) == 1
    assert list(in_trash(cast.alice)) == [photo]
    assert not visible_to(cast.bob).exists()
    assert MediaItem.objects.filter(trashed_at=None).count() == 0, "the clip goes with its photo"

    assert restore(user=cast.alice, items=in_trash(cast.alice)) == 1
    assert list(visible_to(cast.bob)) == [photo]
    assert MediaItem.objects.filter(trashed_at=None).count() == 2


def test_nobody_but_owner_and_site_admin_deletes_or_restores(cast: Cast) -> None:
    photo = make_photo(cast.alice, album=cast.shared)
    for user in (cast.bob, cast.charlie, cast.dora):
        assert move_to_trash(user=user, items=[photo]) == 0
    assert move_to_trash(user=cast.admin, items=[photo]) == 1
    for user in (cast.bob, cast.charlie, cast.dora):
        assert restore(user=user, items=[photo]) == 0
        assert delete_now(user=user, items=[photo]).items == 0
    assert restore(user=cast.alice, items=[photo]) == 1


def test_what_is_not_in_the_trash_is_not_deleted(cast: Cast) -> None:
    photo = make_photo(cast.alice)
    assert delete_now(user=cast.alice, items=[photo]).items == 0
    assert purge_trash(now=days_from_now(1000)).items == 0
    assert photo.path.is_file()


def test_the_trash_is_kept_for_its_days_and_then_leaves_nothing(cast: Cast, settings) -> None:
    settings.TRASH_DAYS = 30
    photo, clip = make_pair(cast)
    add_rendition(photo)
    sidecar = sidecar_path(photo.sha256, cast.alice.pk, ".xmp")
    sidecar.parent.mkdir(parents=True)
    sidecar.write_bytes(b"words")
    move_to_trash(user=cast.alice, items=[photo])

    assert purge_trash(now=days_from_now(29.9)).items == 0
    held = sum(path.stat().st_size for path in Path(settings.MEDIA_ROOT).rglob("*") if path.is_file())
    totals = purge_trash(now=days_from_now(30.1))

    assert totals.items == 2
    assert totals.size_bytes == held > photo.size_bytes + clip.size_bytes
    assert files() == set()
    assert not MediaItem.objects.exists()
    assert not rendition_path(photo, "").exists()


def test_files_that_another_row_needs_stay(cast: Cast) -> None:
    mine, theirs = make_photo(cast.alice), make_photo(cast.bob)
    add_rendition(mine)
    before = files()
    move_to_trash(user=cast.bob, items=[theirs])
    move_to_trash(user=cast.alice, items=[mine])

    assert delete_now(user=cast.alice, items=[mine]).files == 0
    assert files() == before, "also a trashed row needs them: it may come back"
    assert delete_now(user=cast.bob, items=[theirs]).files == len(before)
    assert files() == set()


def test_what_came_in_again_meanwhile_keeps_its_files_and_its_sidecar(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo = make_photo(cast.alice)
    sidecar = sidecar_path(photo.sha256, cast.alice.pk, ".xmp")
    move_to_trash(user=cast.alice, items=[photo])

    def upload_again(_: str) -> None:
        make_photo(cast.alice)
        sidecar.parent.mkdir(parents=True)
        sidecar.write_bytes(b"words")

    monkeypatch.setattr(trash, "failpoint", upload_again)
    assert delete_now(user=cast.alice, items=[photo]).files == 0
    assert photo.path.is_file()
    assert sidecar.is_file()


def test_a_file_that_was_indexed_in_place_is_never_deleted(cast: Cast, tmp_path: Path) -> None:
    source = tmp_path / "beach.jpg"
    photo = make_photo(cast.alice)
    photo.path.rename(source)
    MediaItem.objects.filter(pk=photo.pk).update(original="", source_path=str(source))
    add_rendition(photo)
    move_to_trash(user=cast.alice, items=[photo])

    assert delete_now(user=cast.alice, items=[photo]).items == 1
    assert source.is_file()
    assert not rendition_path(photo, "grid.webp").exists()


def test_the_copy_is_deleted_and_the_row_in_place_keeps_its_renditions(cast: Cast) -> None:
    copied = make_photo(cast.alice)
    add_rendition(copied)
    MediaItem.objects.create(
        owner=cast.bob, kind="photo", sha256=copied.sha256, size_bytes=1, source_path="/elsewhere/beach.jpg"
    )
    move_to_trash(user=cast.alice, items=[copied])
    delete_now(user=cast.alice, items=[copied])
    assert not copied.path.exists(), "else it would be adopted as an orphan"
    assert rendition_path(copied, "grid.webp").is_file()


def test_a_missing_storage_keeps_the_rows(cast: Cast, settings) -> None:
    photo = make_photo(cast.alice)
    move_to_trash(user=cast.alice, items=[photo])
    storage = Path(settings.MEDIA_ROOT)
    storage.rename(storage.with_name("unplugged"))
    storage.mkdir()
    with pytest.raises(StorageError, match="storage missing"):
        purge_trash(now=days_from_now(31))
    assert MediaItem.objects.count() == 1
    assert list(storage.iterdir()) == []


def test_files_that_cannot_be_removed_are_named_and_the_rest_goes_on(cast: Cast, settings, caplog) -> None:
    stuck, other = make_photo(cast.alice), make_photo(cast.alice, seed=1)
    lock = Path(settings.MEDIA_ROOT, LOCKS, stuck.sha256[:2])
    lock.unlink()
    lock.mkdir()  # nobody can open it: what a failing disk does to root, whom no permission stops
    move_to_trash(user=cast.alice, items=[stuck, other])

    assert purge_trash(now=days_from_now(31)).items == 2
    assert stuck.path.is_file()
    assert not other.path.exists()
    assert f"deleted item {stuck.pk} stay behind" in caplog.text
