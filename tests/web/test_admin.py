"""Django's admin: lists open, machine columns stay machines', and saving the settings tells beat."""

from __future__ import annotations

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.test import Client
from django_celery_beat.models import PeriodicTask

from album.models import AIProcessingSettings, Album, BatchRun, MediaItem, StageResult, Tag
from album.web.grants import ledger
from tests.cast import Cast, make_photo, make_rows
from tests.web.doors import address_for, browser_of, is_let_in


@pytest.fixture
def admin_client(cast: Cast) -> Client:
    client = Client()
    client.force_login(cast.admin)
    return client


def test_every_list_and_row_of_the_album_opens(cast: Cast, admin_client: Client) -> None:
    item = make_photo(cast.alice, album=cast.shared)
    run = BatchRun.objects.create(kind="photo", trigger="command")
    StageResult.objects.create(item=item, stage="caption", run=run)
    admin_client.get("/admin/")  # the first page loads the others
    models = [model for model in admin.site._registry if model._meta.app_label == "album"]
    assert len(models) >= 6
    for model in models:
        path = f"/admin/album/{model._meta.model_name}/"
        answer = admin_client.get(path, follow=True)
        assert answer.status_code == 200, path
        for row in model._default_manager.all()[:1]:
            assert admin_client.get(f"{path}{row.pk}/change/").status_code == 200, path


def test_the_admin_is_called_as_the_album_is(cast: Cast, admin_client: Client) -> None:
    page = str(admin_client.get("/admin/").content, "utf-8")
    assert "Photo Album</title>" in page
    assert "Django administration" not in page


def test_the_settings_page_opens_its_one_row_and_tells_beat(cast: Cast, admin_client: Client) -> None:
    path = "/admin/album/aiprocessingsettings/"
    assert admin_client.get(path).headers["Location"] == f"{path}1/change/"
    values = {"processing_enabled": "on", "scheduled_processing": "on", "schedule_hour": 4, "schedule_minute": 15}
    answer = admin_client.post(f"{path}1/change/", {**values, "on_demand_limit": 50, "batch_size": 200})

    assert answer.status_code == 302
    assert AIProcessingSettings.load().batch_size == 200
    crontab = PeriodicTask.objects.get(task="album.tasks.process_pending_photos_batch").crontab
    assert (crontab.hour, crontab.minute) == ("4", "15")
    assert admin_client.get(f"{path}add/").status_code == 403


def test_a_value_out_of_range_is_refused_with_words(cast: Cast, admin_client: Client) -> None:
    path = "/admin/album/aiprocessingsettings/1/change/"
    AIProcessingSettings.load()
    answer = admin_client.post(path, {"schedule_hour": 24, "schedule_minute": 0, "on_demand_limit": 50})
    assert answer.status_code == 200
    assert b"less than or equal to 23" in answer.content
    assert AIProcessingSettings.load().schedule_hour == 2


def test_a_form_left_open_does_not_undo_what_a_batch_wrote(cast: Cast, admin_client: Client) -> None:
    (item,) = make_rows(cast.alice, 1)
    inlines = ("albumitem_set", "item_tags", "stage_results")
    formsets = {f"{name}-{key}": 0 for name in inlines for key in ("TOTAL_FORMS", "INITIAL_FORMS")}
    MediaItem.objects.update(ai_description="from the batch", processing_status="completed")
    path = f"/admin/album/mediaitem/{item.pk}/change/"
    answer = admin_client.post(path, {"title": "Mine", "description": "", "ai_description": "forged", **formsets})

    assert answer.status_code == 302
    item.refresh_from_db()
    assert (item.title, item.ai_description, item.processing_status) == ("Mine", "from the batch", "completed")

    assert item.edited_fields == ["title"], "and no file changes it any more"


def test_the_people_of_an_album_and_its_place_do_not_change_in_the_admin(cast: Cast, admin_client: Client) -> None:
    inner = Album.objects.create(owner=cast.alice, title="Inner", parent=cast.shared)
    values = {"title": "Beach", "owner": cast.alice.pk, "order": "newest", "position": 0, "parent": inner.pk}
    before = sorted(cast.shared.viewers.values_list("pk", flat=True))
    assert admin_client.post(f"/admin/album/album/{cast.shared.pk}/change/", values).status_code == 302
    cast.shared.refresh_from_db()
    assert (cast.shared.title, cast.shared.parent) == ("Beach", None)
    assert sorted(cast.shared.viewers.values_list("pk", flat=True)) == before != []


def test_tags_of_the_admin_are_those_that_are_looked_for(admin_client: Client) -> None:
    assert admin_client.post("/admin/album/tag/add/", {"name": " Sea  Side "}).status_code == 302
    assert Tag.objects.get().name == "sea side"
    assert b"80" in admin_client.post("/admin/album/tag/add/", {"name": "\u0130" * 80}).content


def test_items_leave_the_admin_through_the_trash_only(cast: Cast, admin_client: Client) -> None:
    first, second = make_photo(cast.alice), make_photo(cast.alice, seed=1)
    path = "/admin/album/mediaitem/"
    assert admin_client.post(f"{path}{first.pk}/delete/", {"post": "yes"}).status_code == 403
    assert admin_client.post(f"/admin/auth/user/{cast.alice.pk}/delete/", {"post": "yes"}).status_code == 403
    for action in ("delete_selected", "trash_items"):
        admin_client.post(path, {"action": action, "_selected_action": [first.pk], "post": "yes"})

    assert list(MediaItem.objects.filter(trashed_at=None)) == [second]
    assert MediaItem.objects.filter(pk=first.pk).exists()
    assert User.objects.filter(pk=cast.alice.pk).exists()


def test_an_album_is_deleted_without_its_items(cast: Cast, admin_client: Client) -> None:
    make_photo(cast.alice, album=cast.shared)
    assert admin_client.post(f"/admin/album/album/{cast.shared.pk}/delete/", {"post": "yes"}).status_code == 302
    assert (Album.objects.count(), MediaItem.objects.count()) == (0, 1)


def test_with_an_account_goes_the_sight_of_what_others_put_into_its_albums(
    cast: Cast, admin_client: Client
) -> None:
    item, bob = make_photo(cast.dora, album=cast.shared), browser_of(cast.bob)
    address = address_for(cast.bob, item)
    assert is_let_in(address, bob)
    answer = admin_client.post(f"/admin/auth/user/{cast.alice.pk}/delete/", {"post": "yes"})
    assert answer.status_code == 302
    assert not User.objects.filter(pk=cast.alice.pk).exists()
    ledger.read()
    bob.get("/trash/")
    assert not is_let_in(address, bob)
