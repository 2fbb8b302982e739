"""The page from which site admins steer the batch."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.test import Client
from django.utils import timezone
from django_celery_beat.models import PeriodicTask
from pytest_django import Settings

from album import tasks
from album.inference.catalogue import CATALOGUE, Licence
from album.models import AIProcessingSettings, BatchRun, Stage, StageResult, Status, WeightsDownload
from album.models.media import Kind
from album.services.ai_settings import next_nights
from album.services.schedule import NIGHTS, write_beat_schedule
from album.tasks import on_demand
from tests.cast import Cast, make_rows

PAGE, MODELS, DOWNLOAD = "/ai-settings/", "/ai-settings/models/", "/ai-settings/models/download/"
VALUES = {
    "processing_enabled": "on",
    "scheduled_processing": "on",
    "batch_size": "",
    "processing_timeout": "",
    "schedule_hour": "2",
    "schedule_minute": "0",
    "max_minutes": "",
    "on_demand_limit": "50",
    "window_end": "",
}
NAME = "yolox-nano"


@pytest.fixture(autouse=True)
def _machine(tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.MODELS_CACHE_DIR = tmp_path / "weights"
    settings.AI_PROFILE = "raspberry-pi"
    monkeypatch.setattr(tasks, "is_worker_there", lambda: True)


@pytest.fixture(autouse=True)
def rung(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, tuple[object, ...]]]:
    heard: list[tuple[str, tuple[object, ...]]] = []

    def ring(task: SimpleNamespace, *args: object) -> None:
        heard.append((task.name.rsplit(".", 1)[1], args))

    monkeypatch.setattr(on_demand, "ring_bell", ring)
    return heard


@pytest.fixture
def admin(cast: Cast) -> Client:
    client = Client()
    client.force_login(cast.admin)
    return client


def text_of(response) -> str:
    return str(response.content, "utf-8")


def nights() -> dict[str, datetime | None]:
    return {night.kind.value: night.at for night in next_nights()}


@pytest.mark.parametrize("path", [PAGE, MODELS, DOWNLOAD])
def test_it_is_for_site_admins(cast: Cast, path: str) -> None:
    method = "post" if path == DOWNLOAD else "get"
    for user in (cast.alice, cast.bob, cast.charlie, cast.dora):
        client = Client()
        client.force_login(user)
        assert getattr(client, method)(path).status_code == 403
        assert client.post(PAGE, VALUES).status_code == 403
    assert getattr(Client(), method)(path).status_code == 302
    assert not AIProcessingSettings.objects.filter(schedule_hour=3).exists()


class TestSaving:
    def test_a_new_hour_changes_beat_and_the_next_night_on_the_page(self, admin: Client) -> None:
        write_beat_schedule(AIProcessingSettings.load())
        assert "02:00" in text_of(admin.get(PAGE))
        saved = admin.post(PAGE, VALUES | {"schedule_hour": "23", "schedule_minute": "45"}, follow=True)
        assert "Nothing needs a restart" in text_of(saved)
        crontab = PeriodicTask.objects.get(name=NIGHTS[Kind.PHOTO]).crontab
        assert (crontab.hour, crontab.minute) == ("23", "45")
        assert "23:45" in text_of(saved)
        assert "00:15" in text_of(saved)

    def test_switched_off_there_is_no_next_night(self, admin: Client) -> None:
        values = {name: value for name, value in VALUES.items() if name != "scheduled_processing"}
        assert "None: the schedule is off" in text_of(admin.post(PAGE, values, follow=True))
        assert nights() == {"photo": None, "video": None}

    @pytest.mark.parametrize(
        ("field", "value", "words"),
        [
            ("batch_size", "19", "from 20 to 10,000"),
            ("batch_size", "10001", "from 20 to 10,000"),
            ("batch_size", "many", "from 20 to 10,000"),
            ("processing_timeout", "4", "from 5 to 86,400"),
            ("schedule_hour", "24", "an hour from 0 to 23"),
            ("schedule_hour", "", "an hour from 0 to 23"),
            ("schedule_minute", "60", "a minute from 0 to 59"),
            ("max_minutes", "0", "from 1 to 1,440"),
            ("on_demand_limit", "0", "from 1 to 10,000"),
            ("on_demand_limit", "\x00", "from 1 to 10,000"),
            ("window_end", "25:00", "a time like 06:30"),
            ("batch_size", "9" * 40, "from 20 to 10,000"),
        ],
    )
    def test_what_is_wrong_is_said_at_its_field(self, admin: Client, field: str, value: str, words: str) -> None:
        before = AIProcessingSettings.load()
        answer = admin.post(PAGE, VALUES | {field: value})
        assert answer.status_code == 400
        assert list(answer.context["form"].errors) == [field]
        assert words in text_of(answer)
        assert getattr(AIProcessingSettings.load(), field) == getattr(before, field)

    def test_empty_fields_leave_it_to_the_profile(self, admin: Client) -> None:
        admin.post(PAGE, VALUES | {"batch_size": "20", "window_end": "06:30"})
        assert AIProcessingSettings.load().batch_size == 20
        admin.post(PAGE, VALUES)
        row = AIProcessingSettings.load()
        assert (row.batch_size, row.window_end) == (None, None)


class TestNextNight:
    @pytest.fixture(autouse=True)
    def _schedule(self, db: None, settings: Settings) -> None:
        settings.TIME_ZONE = "Europe/Berlin"
        write_beat_schedule(AIProcessingSettings.load())

    def ran_at(self, moment: datetime) -> None:
        PeriodicTask.objects.filter(name=NIGHTS[Kind.PHOTO]).update(last_run_at=moment)

    def test_it_is_in_the_zone_of_the_schedule(self) -> None:
        moment = nights()["photo"]
        assert moment is not None
        assert moment > timezone.now()
        from zoneinfo import ZoneInfo

        assert f"{moment.astimezone(ZoneInfo('Europe/Berlin')):%H:%M:%S}" == "02:00:00"

    def test_a_night_that_beat_missed_is_overdue(self) -> None:
        self.ran_at(timezone.now() - timedelta(days=2))
        (photos, videos) = next_nights()
        assert photos.is_overdue
        assert not videos.is_overdue

    def test_an_hour_that_has_passed_today_is_not_due_today(self) -> None:
        self.ran_at(timezone.now() - timedelta(days=1))
        row = AIProcessingSettings.load()
        passed = [(timezone.now() - timedelta(hours=ago)).astimezone(UTC).hour for ago in (2, 3)]
        row.schedule_hour = next(hour for hour in passed if hour != row.schedule_hour)  # else nothing changes
        write_beat_schedule(row)
        assert not next_nights()[0].is_overdue

    def test_no_row_means_no_night(self) -> None:
        PeriodicTask.objects.all().delete()
        assert nights() == {"photo": None, "video": None}

    def test_a_night_that_beat_knows_nothing_of_is_told_with_the_next_step(self, admin: Client) -> None:
        PeriodicTask.objects.filter(name=NIGHTS[Kind.PHOTO]).update(enabled=False)
        assert [night.is_missing for night in next_nights()] == [True, False]
        page = text_of(admin.get(PAGE))
        assert "the scheduler does not know of it" in page
        assert "manage.py setup_beat_schedule" in page
        assert "the schedule is off" not in page
        admin.post(PAGE, VALUES)
        assert [night.is_missing for night in next_nights()] == [False, False]


class TestForecast:
    def page(self, admin: Client) -> str:
        return " ".join(text_of(admin.get(PAGE)).split())

    def measured(self, cast: Cast, **seconds: float) -> None:
        run = BatchRun.objects.create(kind="photo", trigger="schedule", state="finished")
        for item in make_rows(cast.alice, 3, processing_status=Status.COMPLETED):
            for stage, each in seconds.items():
                StageResult.objects.create(
                    item=item, stage=Stage(stage), run=run, state=Status.COMPLETED, duration_s=each
                )

    def test_without_a_measurement_items_are_counted_and_that_is_said(self, admin: Client, cast: Cast) -> None:
        make_rows(cast.alice, 41)
        page = self.page(admin)
        assert "41 pending photos = 3 nights" in page  # 20 in a night: what the profile of the Pi advises
        assert "Nothing was measured on this machine yet" in page
        assert "Nothing is pending." in page

    def test_measured_seconds_say_how_long_a_night_takes(self, admin: Client, cast: Cast) -> None:
        self.measured(cast, embed=1.0, caption=5.0)
        make_rows(cast.alice, 41)
        assert "The next one takes about 2 minutes: 6 seconds an item" in self.page(admin)

    def test_minutes_and_window_bound_a_night(self, admin: Client, cast: Cast) -> None:
        self.measured(cast, caption=60.0)
        make_rows(cast.alice, 41)
        admin.post(PAGE, VALUES | {"max_minutes": "10"})
        assert "41 pending photos = 5 nights" in self.page(admin)
        admin.post(PAGE, VALUES | {"max_minutes": "10", "window_end": "02:05"})
        assert "41 pending photos = 9 nights" in self.page(admin)


class TestModels:
    def test_what_the_profile_wants_is_listed_with_what_is_there(self, admin: Client) -> None:
        page = text_of(admin.get(PAGE))
        assert "raspberry-pi" in page
        assert "Missing" in page
        assert f"Download {NAME}" in page
        assert "manage.py export_models --model blip-base-int8" in page

    def test_what_suits_the_machine_best_is_recommended(self, admin: Client) -> None:
        entries = re.findall(r"<li>.*?</li>", text_of(admin.get(MODELS)), re.S)
        best = [entry for entry in entries if "Recommended for this machine" in entry]
        named = [name for entry in best for name in re.findall(r"<b>(.*?)</b>", entry)]
        assert named == ["clip-vit-b-32-laion2b", "vit-gpt2-int8"]  # of what can be fetched

    def test_damage_is_told_with_its_remedy(self, admin: Client, settings: Settings) -> None:
        folder = Path(settings.MODELS_CACHE_DIR) / NAME
        folder.mkdir(parents=True)
        (folder / "manifest.json").write_text("{")
        page = text_of(admin.get(PAGE))
        assert "Damaged" in page
        assert f"Download {NAME}" in page

    def test_a_download_is_asked_for_and_shown(
        self, admin: Client, rung: list[object], django_capture_on_commit_callbacks
    ) -> None:
        with django_capture_on_commit_callbacks(execute=True):
            assert admin.post(DOWNLOAD, {"name": NAME}).status_code == 302
        assert rung == [("download_weights", (NAME,))]
        assert "Waiting for the worker" in text_of(admin.get(MODELS))
        WeightsDownload.objects.update(state=Status.PROCESSING, done_bytes=2_000_000, total_bytes=4_000_000)
        page = text_of(admin.get(MODELS))
        assert "1.9\xa0MB of 3.8\xa0MB" in page
        assert "every 2s" in page

    def test_the_second_of_two_is_told(self, admin: Client) -> None:
        admin.post(DOWNLOAD, {"name": NAME})
        assert "being fetched already" in text_of(admin.post(DOWNLOAD, {"name": NAME}, follow=True))
        told = admin.post(DOWNLOAD, {"name": NAME}, headers={"HX-Request": "true"})
        assert "being fetched already" in text_of(told)

    def test_a_lost_download_can_be_asked_for_again(self, admin: Client) -> None:
        admin.post(DOWNLOAD, {"name": NAME})
        WeightsDownload.objects.update(updated_at=timezone.now() - timedelta(minutes=11))
        assert "Waiting for the worker" in text_of(admin.get(MODELS)), "behind a batch, for hours"
        WeightsDownload.objects.update(state=Status.PROCESSING, updated_at=timezone.now() - timedelta(minutes=11))
        assert f"Download {NAME}" in text_of(admin.get(MODELS))
        admin.post(DOWNLOAD, {"name": NAME})
        assert "Waiting for the worker" in text_of(admin.get(MODELS))

    def test_its_failure_is_told_in_words(self, admin: Client) -> None:
        WeightsDownload.objects.create(name=NAME, state=Status.FAILED, error="The hub <b>is away</b>.")
        assert "The hub &lt;b&gt;is away&lt;/b&gt;." in text_of(admin.get(MODELS))

    def test_a_waiting_one_is_cancelled_a_running_one_is_asked_to_end(self, admin: Client) -> None:
        admin.post(DOWNLOAD, {"name": NAME})
        admin.post(DOWNLOAD, {"name": NAME, "stop": "1"})
        assert WeightsDownload.objects.get().state == Status.FAILED
        WeightsDownload.objects.update(state=Status.PROCESSING)
        admin.post(DOWNLOAD, {"name": NAME, "stop": "1"})
        assert WeightsDownload.objects.get().is_stop_requested

    def test_restricted_weights_need_a_yes(self, admin: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        restricted = replace(CATALOGUE[NAME], licence=Licence("NC-1.0", "https://example.org/nc", True))
        monkeypatch.setitem(CATALOGUE, NAME, restricted)
        assert "I accept NC-1.0" in text_of(admin.get(PAGE))
        assert "accept them first" in text_of(admin.post(DOWNLOAD, {"name": NAME}, follow=True))
        assert not WeightsDownload.objects.exists()
        admin.post(DOWNLOAD, {"name": NAME, "accepts": "on"})
        assert WeightsDownload.objects.get().name == NAME

    @pytest.mark.parametrize("name", ["", "../../etc", "<script>", "\x00", "x" * 5000])
    def test_unknown_names_do_not_exist(self, admin: Client, name: str) -> None:
        assert admin.post(DOWNLOAD, {"name": name}).status_code == 404
        assert admin.post(DOWNLOAD, {"name": name, "stop": "1"}).status_code == 404
        assert not WeightsDownload.objects.exists()

    def test_what_is_on_no_hub_is_not_fetched(self, admin: Client) -> None:
        answer = admin.post(DOWNLOAD, {"name": "blip-base-int8"}, follow=True)
        assert "manage.py export_models" in text_of(answer)
        assert not WeightsDownload.objects.exists()


def test_the_page_takes_few_queries(admin: Client, cast: Cast, django_assert_max_num_queries) -> None:
    admin.get(PAGE)
    make_rows(cast.alice, 30)
    with django_assert_max_num_queries(14):
        admin.get(PAGE)


def test_beat_that_was_not_heard_of_is_named_with_its_command(admin: Client) -> None:
    write_beat_schedule(AIProcessingSettings.load())
    assert "celery -A photo_album beat" not in text_of(admin.get(PAGE))
    PeriodicTask.objects.update(last_run_at=timezone.now() - timedelta(hours=2))
    assert "celery -A photo_album beat" in text_of(admin.get(PAGE))
