"""The pages that start, watch and stop batches."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from album import tasks
from album.batches.hosts import this_host
from album.models import AIProcessingSettings, Album, BatchRun, MediaItem, Stage, StageResult, Status
from album.tasks import on_demand
from album.web.views import processing
from tests.cast import Cast, make_photo, make_rows

PHOTOS, VIDEOS = "/process-photos-ai/", "/process-videos-ai/"
State = BatchRun.State


class Bell:
    """What was rung for, and whether a worker answers."""

    def __init__(self) -> None:
        self.rung: list[tuple[str, tuple[object, ...]]] = []
        self.has_worker = True

    def ring(self, task, *args: object) -> bool:
        self.rung.append((task.name.rsplit(".", 1)[1], args))
        return True


@pytest.fixture(autouse=True)
def bell(monkeypatch: pytest.MonkeyPatch) -> Bell:
    bell = Bell()
    monkeypatch.setattr(on_demand, "ring_bell", bell.ring)
    monkeypatch.setattr(processing, "ring_bell", bell.ring)
    monkeypatch.setattr(tasks, "is_worker_there", lambda: bell.has_worker)
    return bell


def client_of(user) -> Client:
    client = Client()
    client.force_login(user)
    return client


def text_of(response) -> str:
    return str(response.content, "utf-8")


def running(kind: str = "photo", **values) -> BatchRun:
    values = {"trigger": "on-demand", "state": State.RUNNING, "heartbeat_at": timezone.now(), **values}
    return BatchRun.objects.create(kind=kind, host="elsewhere", **values)


def give_results(run: BatchRun, items: list[MediaItem], stage: Stage, **values) -> None:
    values = {"state": Status.COMPLETED, "weights": "tiny", "duration_s": 0.5, **values}
    StageResult.objects.bulk_create(StageResult(item=item, stage=stage, run=run, **values) for item in items)


class TestWho:
    @pytest.mark.parametrize("path", [PHOTOS, VIDEOS, f"{PHOTOS}run/", f"{VIDEOS}run/"])
    def test_site_admins_and_who_administers_an_album(self, cast: Cast, path: str) -> None:
        people = (cast.alice, cast.dora, cast.admin, cast.bob, cast.charlie)
        answers = {user.username: client_of(user).get(path).status_code for user in people}
        assert answers == {"alice": 200, "dora": 200, "root": 200, "bob": 403, "charlie": 403}
        anonymous = Client().get(path)
        assert (anonymous.status_code, "next=" in anonymous.headers["Location"]) == (302, True)

    def test_editors_fill_albums_and_do_not_process_them(self, cast: Cast) -> None:
        cast.shared.editors.add(cast.bob)
        assert client_of(cast.bob).post(PHOTOS, {"album": cast.shared.pk}).status_code == 403
        assert not BatchRun.objects.exists()

    def test_an_album_admin_sees_the_own_albums_only(self, cast: Cast) -> None:
        Album.objects.create(title="Secret", owner=cast.charlie)
        page = text_of(client_of(cast.dora).get(PHOTOS))
        assert "Holiday" in page
        assert "Secret" not in page
        assert "whole library" not in page
        assert "Secret" in text_of(client_of(cast.admin).get(PHOTOS))

    def test_runs_of_others_are_neither_seen_nor_stopped(self, cast: Cast) -> None:
        run = running(requested_by=cast.admin, message="of the admin")
        assert "No batch has run yet" in text_of(client_of(cast.dora).get(PHOTOS))
        stop = reverse("album:process_photos_ai_stop", args=(run.pk,))
        assert client_of(cast.dora).post(stop).status_code == 404
        run.refresh_from_db()
        assert not run.is_stop_requested


class TestStart:
    def test_a_site_admin_starts_one_for_everything_without_limit(self, cast: Cast, bell: Bell) -> None:
        answer = client_of(cast.admin).post(PHOTOS, {"force": "on"})
        assert answer.headers["Location"] == PHOTOS
        run = BatchRun.objects.get()
        assert (run.kind, run.album, run.item_limit, run.is_forced) == ("photo", None, None, True)
        assert (run.trigger, run.state, run.requested_by) == ("on-demand", State.QUEUED, cast.admin)

    def test_a_worker_is_told_when_the_row_is_there(
        self, cast: Cast, bell: Bell, django_capture_on_commit_callbacks
    ) -> None:
        with django_capture_on_commit_callbacks(execute=True):
            client_of(cast.admin).post(VIDEOS, {})
            assert bell.rung == []
        assert bell.rung == [("process_pending_videos_batch", (False, BatchRun.objects.get().pk))]

    def test_an_album_admin_gets_fifty_by_default_and_no_more(self, cast: Cast) -> None:
        client = client_of(cast.dora)
        too_many = client.post(PHOTOS, {"album": cast.shared.pk, "limit": "51"})
        assert too_many.status_code == 409
        assert "at most 50 items" in text_of(too_many)
        client.post(PHOTOS, {"album": cast.shared.pk})
        assert BatchRun.objects.get().item_limit == 50

    def test_the_setting_moves_that_limit(self, cast: Cast) -> None:
        AIProcessingSettings.load()
        AIProcessingSettings.objects.update(on_demand_limit=7)
        client = client_of(cast.alice)
        assert client.post(PHOTOS, {"album": cast.shared.pk, "limit": "8"}).status_code == 409
        assert client.post(PHOTOS, {"album": cast.shared.pk, "limit": "7"}).status_code == 302

    def test_an_album_admin_has_to_name_an_album_of_theirs(self, cast: Cast) -> None:
        other = Album.objects.create(title="Secret", owner=cast.charlie)
        for album in ("", other.pk, 10**30, "<script>", "1\x00"):
            assert client_of(cast.dora).post(PHOTOS, {"album": album}).status_code == 400
        assert not BatchRun.objects.exists()

    def test_an_automatic_album_is_counted_and_started_by_its_rule(self, cast: Cast) -> None:
        make_rows(cast.alice, 2, city="Graz")
        make_rows(cast.alice, 1, city="Wien")
        album = Album.objects.create(title="By rule", owner=cast.alice, rule={"city": "Graz"})
        client = client_of(cast.alice)
        counts = {row.album: row.pending for row in client.get(PHOTOS).context["albums"]}
        assert counts == {album: 2, cast.shared: 0}
        assert client.post(PHOTOS, {"album": album.pk}).status_code == 302

    @pytest.mark.parametrize("limit", ["0", "-1", "many", "1e3", "99999999999999999999", "\x00"])
    def test_a_limit_that_is_none_is_named_at_its_field(self, cast: Cast, limit: str) -> None:
        answer = client_of(cast.admin).post(PHOTOS, {"limit": limit})
        assert answer.status_code == 400
        assert "whole number of 1 or more" in text_of(answer)
        assert not BatchRun.objects.exists()

    def test_the_second_of_two_is_told_who_was_first(self, cast: Cast) -> None:
        client_of(cast.alice).post(PHOTOS, {"album": cast.shared.pk})
        second = client_of(cast.dora).post(PHOTOS, {"album": cast.shared.pk})
        assert second.status_code == 409
        assert "alice has started a batch already" in text_of(second)
        assert BatchRun.objects.count() == 1
        assert client_of(cast.dora).post(VIDEOS, {"album": cast.shared.pk}).status_code == 302

    def test_who_may_not_see_the_first_is_not_told_whose_it_is(self, cast: Cast) -> None:
        client_of(cast.admin).post(PHOTOS, {})
        second = client_of(cast.dora).post(PHOTOS, {"album": cast.shared.pk})
        assert second.status_code == 409
        assert "Another batch is under way" in text_of(second)
        assert "root" not in text_of(second)

    def test_a_dead_run_of_this_host_does_not_stand_in_the_way(self, cast: Cast) -> None:
        dead = running()
        BatchRun.objects.filter(pk=dead.pk).update(host=this_host(), pid=2**22 + 1)
        assert client_of(cast.admin).post(PHOTOS, {}).status_code == 302
        dead.refresh_from_db()
        assert (dead.state, dead.stop_reason) == ("interrupted", "killed")

    def test_switched_off_means_off(self, cast: Cast) -> None:
        AIProcessingSettings.load()
        AIProcessingSettings.objects.update(processing_enabled=False)
        answer = client_of(cast.admin).post(PHOTOS, {})
        assert answer.status_code == 409
        assert "switched off" in text_of(answer)


class TestWatch:
    def test_the_bar_counts_steps_and_items(self, cast: Cast) -> None:
        items = make_rows(cast.alice, 4)
        run = running(items_total=4, current_stage=Stage.CAPTION, items_per_second=0.5, peak_memory_bytes=5 << 20)
        give_results(run, items, Stage.EMBED)
        give_results(run, items[:2], Stage.CAPTION)
        page = text_of(client_of(cast.admin).get(f"{PHOTOS}run/"))
        for words in (
            "Step 2 of 2: Description",
            "2 of 4 items",
            "75 %",
            "2.0 seconds an item",
            "about 4 seconds left",
        ):
            assert words in page
        assert "tiny" in page
        assert "5.0\xa0MB of memory" in page
        assert "every 2s" in page

    def test_later_steps_are_part_of_the_time_left(self, cast: Cast) -> None:
        earlier = running(state=State.FINISHED)
        give_results(earlier, make_rows(cast.alice, 3), Stage.CAPTION, duration_s=10.0)
        run = running(items_total=27, current_stage=Stage.EMBED, items_per_second=1.0)
        assert "about 5 minutes left" in text_of(client_of(cast.admin).get(f"{PHOTOS}run/"))
        assert BatchRun.objects.filter(pk=run.pk, is_stop_requested=False).exists()

    def test_its_end_is_told_to_the_page_once(self, cast: Cast) -> None:
        run = running()
        client = client_of(cast.admin)
        assert "HX-Trigger" not in client.get(f"{PHOTOS}run/?active=1").headers
        BatchRun.objects.filter(pk=run.pk).update(state=State.FINISHED, stop_reason="limit", message="All is well.")
        ended = client.get(f"{PHOTOS}run/?active=1")
        assert ended.headers["HX-Trigger"] == "batch-ended"
        assert "Item limit reached" in text_of(ended)
        assert "All is well." in text_of(ended)
        assert "HX-Trigger" not in client.get(f"{PHOTOS}run/").headers

    def test_without_a_worker_the_command_is_named(self, cast: Cast, bell: Bell) -> None:
        bell.has_worker = False
        client = client_of(cast.admin)
        assert "--queues ai" in text_of(client.get(f"{PHOTOS}run/"))
        client.post(PHOTOS, {})
        BatchRun.objects.update(created_at=timezone.now() - timedelta(minutes=1))
        waiting = text_of(client.get(f"{PHOTOS}run/"))
        assert "Waiting for the worker" in waiting
        assert "--queues ai" in waiting
        bell.has_worker = True
        assert "this batch is next" in text_of(client.get(f"{PHOTOS}run/"))

    def test_a_silent_run_is_called_silent(self, cast: Cast) -> None:
        running(heartbeat_at=timezone.now() - timedelta(minutes=6))
        assert "not been heard of" in text_of(client_of(cast.admin).get(f"{PHOTOS}run/"))

    def test_results_show_what_the_asking_person_may_see(self, cast: Cast) -> None:
        run = running(state=State.FINISHED, album=cast.shared, items_completed=2)
        seen = make_photo(cast.alice, album=cast.shared, seed=1, ai_description="two red circles")
        hidden = make_photo(cast.charlie, seed=2, ai_description="a secret")
        give_results(run, [seen, hidden], Stage.CAPTION)
        page = text_of(client_of(cast.dora).get(PHOTOS))
        assert "two red circles" in page
        assert "a secret" not in page


class TestStop:
    def test_a_running_one_is_asked_a_waiting_one_ends(self, cast: Cast) -> None:
        photos, videos = running(), running("video", state=State.QUEUED)
        client = client_of(cast.admin)
        client.post(f"{PHOTOS}stop/{photos.pk}/")
        client.post(f"{VIDEOS}stop/{videos.pk}/")
        photos.refresh_from_db()
        videos.refresh_from_db()
        assert (photos.state, photos.is_stop_requested) == ("running", True)
        assert (videos.state, videos.stop_reason) == ("finished", "requested")
        assert "Stopping" in text_of(client.get(f"{PHOTOS}run/"))

    def test_htmx_gets_the_panel_others_the_page(self, cast: Cast) -> None:
        run = running(album=cast.shared)
        stop = f"{PHOTOS}stop/{run.pk}/"
        client = client_of(cast.dora)
        assert text_of(client.post(stop, headers={"HX-Request": "true"})).lstrip().startswith('<div class="run"')
        assert client.post(stop).headers["Location"] == PHOTOS

    def test_a_run_of_the_other_kind_or_none_is_not_found(self, cast: Cast) -> None:
        run = running()
        client = client_of(cast.admin)
        for path in (f"{VIDEOS}stop/{run.pk}/", f"{PHOTOS}stop/{run.pk + 1}/", f"{PHOTOS}stop/{10**30}/"):
            assert client.post(path).status_code == 404
        assert client.get(f"{PHOTOS}stop/{run.pk}/").status_code == 405


class TestRetry:
    def failed(self, owner, count: int = 1, **values) -> list[MediaItem]:
        items = make_rows(owner, count, processing_status=Status.FAILED, **values)
        give_results(
            running(state=State.FINISHED), items, Stage.CAPTION, state=Status.FAILED, error="Too <b>dark</b>."
        )
        return items

    def test_failures_are_listed_with_their_reason(self, cast: Cast) -> None:
        self.failed(cast.alice, original_name="=cmd()<script>.jpg")
        page = text_of(client_of(cast.alice).get(PHOTOS))
        assert "1 item failed" in page
        assert "Too &lt;b&gt;dark&lt;/b&gt;." in page
        assert "<script>.jpg" not in page

    def test_one_is_begun_at_once(self, cast: Cast, bell: Bell) -> None:
        one, other = self.failed(cast.alice, 2)
        assert client_of(cast.alice).post(f"{PHOTOS}retry/", {"item": one.pk}).headers["Location"] == PHOTOS
        assert bell.rung == [("process_photo_ai", (one.pk,))]
        states = dict(MediaItem.objects.values_list("pk", "processing_status"))
        assert states == {one.pk: "pending", other.pk: "failed"}

    def test_while_ai_is_switched_off_nothing_is_begun(self, cast: Cast, bell: Bell) -> None:
        AIProcessingSettings.load()
        AIProcessingSettings.objects.update(processing_enabled=False)
        (item,) = self.failed(cast.alice)
        answer = client_of(cast.alice).post(f"{PHOTOS}retry/", {"item": item.pk}, follow=True)
        assert "1 item waits again" in text_of(answer)
        assert bell.rung == []

    def test_all_wait_again_for_a_batch(self, cast: Cast, bell: Bell) -> None:
        self.failed(cast.alice, 3)
        theirs = self.failed(cast.charlie)
        answer = client_of(cast.alice).post(f"{PHOTOS}retry/", follow=True)
        assert "3 items wait again" in text_of(answer)
        assert bell.rung == []
        assert list(MediaItem.objects.filter(processing_status="failed")) == theirs

    @pytest.mark.parametrize(
        ("item", "status"), [("x", 400), ("-1", 400), ("٣", 400), ("9" * 30, 400), ("999999", 404)]
    )
    def test_nonsense_is_refused(self, cast: Cast, item: str, status: int) -> None:
        assert client_of(cast.alice).post(f"{PHOTOS}retry/", {"item": item}).status_code == status

    def test_an_item_of_somebody_else_does_not_exist(self, cast: Cast) -> None:
        (item,) = self.failed(cast.charlie)
        assert client_of(cast.alice).post(f"{PHOTOS}retry/", {"item": item.pk}).status_code == 404


def test_the_number_of_queries_does_not_grow(cast: Cast, django_assert_max_num_queries) -> None:
    """Session, user, settings, albums, their counts, the library, runs, results, failures and their reasons."""
    run = running(items_total=90, current_stage=Stage.EMBED)
    client = client_of(cast.admin)
    for number in range(30):
        album = Album.objects.create(title=f"Album {number}", owner=cast.alice)
        items = make_rows(cast.alice, 3, processing_status=Status.FAILED)
        for item in items:
            item.albums.add(album)
        give_results(run, items, Stage.CAPTION, state=Status.FAILED, error="Too dark.")
    client.get(PHOTOS)
    with django_assert_max_num_queries(16):
        page = text_of(client.get(PHOTOS))
    assert "90 items failed" in page
    with django_assert_max_num_queries(9):
        client.get(f"{PHOTOS}run/")
