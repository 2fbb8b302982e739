"""What the status page tells, to whom, and the same as numbers; each trouble is made for real."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from unittest.mock import Mock

import psutil
import pytest
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client
from django.utils import timezone, translation
from django_celery_beat.models import PeriodicTask

from album.media.storage import MARKER
from album.models import AIProcessingSettings, BatchRun, Status
from album.models.media import Kind
from album.services.backup.status import note_backup, note_drill, note_failed_backup
from album.services.schedule import write_beat_schedule
from album.services.status import check_status, machine, running
from album.services.status.line import Figure, Line
from album.services.status.metrics import write_metrics
from photo_album import celery_app
from tests.cast import Cast, make_photo, make_rows
from tests.faults.servers import free_port


@pytest.fixture(autouse=True)
def _no_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(celery_app.conf, "broker_url", f"redis://127.0.0.1:{free_port()}/0")


@pytest.fixture(autouse=True)
def _folders(settings, tmp_path: Path) -> None:
    settings.BACKUP_DIR = tmp_path / "var" / "backups"
    settings.VAR_DIR.mkdir(exist_ok=True)


def told() -> dict[str, Line]:
    return {line.name: line for line in check_status(asks_web=False)}


def figures(line: Line) -> dict[tuple[str, ...], float]:
    return {(name, *(value for _, value in labels)): value for name, value, labels in line.figures}


def test_without_a_broker_the_rest_is_told_all_the_same(cast: Cast) -> None:
    lines = told()
    assert (lines["broker"].state, lines["broker"].next_step) == ("problem", "./scripts/run")
    assert "does not answer" in lines["broker"].words
    assert (lines["worker"].state, lines["worker"].next_step) == ("warning", "./scripts/run")
    assert {"beat", "version", "database", "items", "models", "backup", "memory", "load"} <= set(lines)


def test_beat_that_is_not_heard_is_a_problem(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    unit = {"LoadState": "loaded", "ActiveState": "inactive"}
    monkeypatch.setattr(running, "_show_units", lambda: {"photo-album-celery-beat": unit})
    assert told()["beat"].next_step == "manage.py setup_beat_schedule"
    write_beat_schedule(AIProcessingSettings.load())
    fresh = told()["beat"]
    assert (fresh.state, "next night" in fresh.words) == ("ok", True)
    PeriodicTask.objects.update(last_run_at=timezone.now() - timedelta(hours=2))
    silent = told()["beat"]
    assert (silent.state, silent.next_step) == ("problem", "systemctl start photo-album-celery-beat")
    assert figures(silent)["beat_last_seen_timestamp_seconds",] == pytest.approx(
        timezone.now().timestamp() - 7200, abs=60
    )


def test_the_next_step_is_the_command_of_this_installation(cast: Cast, tmp_path: Path, monkeypatch) -> None:
    def steps() -> list[str]:
        lines = told()
        return [lines[name].next_step for name in ("broker", "worker", "beat")]

    write_beat_schedule(AIProcessingSettings.load())
    PeriodicTask.objects.update(last_run_at=timezone.now() - timedelta(hours=2))
    assert steps() == ["./scripts/run"] * 3
    monkeypatch.setattr(running, "RUN", tmp_path / "none")
    assert steps() == ["docker compose up -d"] * 3
    unit = {"LoadState": "loaded", "ActiveState": "active"}
    systemctl = Mock(return_value={"photo-album-celery-beat": unit})
    monkeypatch.setattr(running, "_show_units", systemctl)
    redis = "systemctl start redis-server"
    assert steps() == [redis, redis, "systemctl start photo-album-celery-beat"]
    systemctl.assert_called_once_with()


@pytest.mark.parametrize("language", ["en", "de", "es", "fr"])
def test_what_mends_the_models_is_told_once(cast: Cast, settings, tmp_path: Path, language: str) -> None:
    settings.MODELS_CACHE_DIR, settings.AI_PROFILE = tmp_path / "no-models", "mid-range"
    with translation.override(language):
        line = told()["models"]
    assert (line.state, line.next_step) == ("warning", "manage.py download_models")
    assert line.words.count(". ") == 2, "two things are short"
    assert "manage.py" not in line.words


def test_items_are_counted_by_kind_and_status(cast: Cast) -> None:
    make_rows(cast.alice, 3)
    make_rows(cast.alice, 2, processing_status=Status.FAILED)
    make_rows(cast.alice, 1, kind=Kind.VIDEO, processing_status=Status.COMPLETED)
    line = told()["items"]
    assert line.words == "3 pending, 1 described, 2 failed"
    counts = figures(line)
    assert counts["items", "photo", "pending"] == 3
    assert counts["items", "video", "completed"] == 1
    assert counts["items", "video", "failed"] == 0


def test_the_last_batch_tells_its_end_and_where_its_log_is(cast: Cast) -> None:
    ended = {"started_at": timezone.now(), "finished_at": timezone.now(), "items_completed": 7, "items_failed": 1}
    good = BatchRun.objects.create(kind=Kind.PHOTO, state="finished", stop_reason="limit", **ended)
    bad = BatchRun.objects.create(
        kind=Kind.VIDEO, state="interrupted", stop_reason="killed", message="the process 7 ended", **ended
    )
    BatchRun.objects.create(kind=Kind.PHOTO)  # waits: no batch yet
    lines = told()
    assert lines["last_photo_run"].state == "ok"
    assert lines["last_photo_run"].words.startswith(f"{good.pk}, ")
    assert lines["last_photo_run"].words.endswith("7 described, 1 failed. Item limit reached.")
    assert (lines["last_video_run"].state, lines["last_video_run"].next_step) == (
        "problem",
        f"journalctl BATCH_RUN={bad.pk}",
    )


def test_backups_that_are_missing_old_or_failed(cast: Cast, settings) -> None:
    assert (told()["backup"].state, told()["backup"].words) == ("warning", "There is none.")
    assert told()["backup"].next_step == f"manage.py backup {settings.BACKUP_DIR}"
    note_backup(settings.BACKUP_DIR, folder="/usb/000001")
    assert told()["backup"].state == "ok"
    assert "found whole" in told()["database"].words
    note_failed_backup("the disk is full")
    assert (told()["backup"].state, "the disk is full" in told()["backup"].words) == ("problem", True)
    note_drill(is_passed=False, problem="2 files differ")
    assert (told()["drill"].state, told()["drill"].next_step) == ("problem", "manage.py restore_drill")
    with pytest.MonkeyPatch.context() as patch:
        note_backup(settings.BACKUP_DIR)
        later = timezone.now() + timedelta(days=4)
        patch.setattr(timezone, "now", lambda: later)
        assert told()["backup"].state == "warning"


def test_a_migration_that_is_not_applied_is_named_with_its_command(cast: Cast) -> None:
    rows = MigrationRecorder(connection).migration_qs
    rows.filter(pk=rows.filter(app="album").order_by("-pk")[:1].get().pk).delete()
    line = told()["version"]
    assert (line.state, line.next_step) == ("problem", "manage.py migrate")
    assert figures(line)["migrations_missing",] == 1


def test_a_database_that_fails_is_one_problem_and_the_rest_is_told(cast: Cast) -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE django_celery_beat_periodictask RENAME TO elsewhere")
    try:
        lines = told()
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE elsewhere RENAME TO django_celery_beat_periodictask")
    assert (lines["database"].state, "does not answer" in lines["database"].words) == ("problem", True)
    assert {"items", "memory"} <= set(lines)


def test_a_check_that_cannot_be_made_is_a_problem_and_the_rest_is_told(cast: Cast, monkeypatch) -> None:
    def fail(_: str) -> None:
        raise OSError("the disk does not answer")

    monkeypatch.setattr(psutil, "disk_usage", fail)
    lines = told()
    assert (lines["machine"].state, lines["machine"].words) == ("problem", "the disk does not answer")
    assert {"broker", "items", "backup"} <= set(lines)


def test_originals_that_are_not_mounted_are_a_problem(cast: Cast, settings) -> None:
    make_photo(cast.alice)
    assert "storage" not in told()
    (settings.MEDIA_ROOT / MARKER).unlink()
    assert (told()["storage"].state, told()["storage"].next_step) == ("problem", f"mount {settings.MEDIA_ROOT}")


@pytest.mark.parametrize(("free", "state"), [(32 * 10**9, "ok"), (3 * 10**9, "warning"), (10**8, "problem")])
def test_a_disk_that_fills_up_warns_and_then_is_a_problem(cast: Cast, monkeypatch, free, state) -> None:
    usage = psutil.disk_usage("/")._replace(total=64 * 10**9, free=free)
    monkeypatch.setattr(psutil, "disk_usage", lambda _: usage)
    disk = told()["disk_originals"]
    assert (disk.state, "larger disk" in disk.words) == (state, state != "ok")
    assert figures(disk)["disk_free_bytes", "originals"] == free


@pytest.mark.parametrize(
    ("millidegrees", "bits", "states"),
    [
        (45_000, "0", ("ok", "ok")),
        (79_000, "20000", ("warning", "ok")),
        (84_500, "50005", ("problem", "problem")),
    ],
)
def test_a_hot_board_and_a_weak_supply_are_told_of(tmp_path, monkeypatch, millidegrees, bits, states) -> None:
    (tmp_path / "thermal_zone0").mkdir()
    (tmp_path / "thermal_zone0" / "temp").write_text(f"{millidegrees}\n")
    (tmp_path / "thermal_zone1").mkdir()
    (tmp_path / "thermal_zone1" / "temp").write_text("")
    (tmp_path / "throttled").write_text(f"{bits}\n")
    monkeypatch.setattr(machine, "THERMAL", tmp_path)
    monkeypatch.setattr(machine, "THROTTLED", tmp_path / "throttled")
    lines = {line.name: line for each in (machine._check_temperature, machine._check_throttling) for line in each()}
    assert (lines["temperature"].state, lines["throttling"].state) == states
    assert figures(lines["temperature"])["temperature_celsius",] == millidegrees / 1000


def test_the_address_of_the_web_server_is_the_one_of_its_unit() -> None:
    assert running._web_address({}) == "127.0.0.1:8000"
    unit = {"Environment": "PYTHONUNBUFFERED=1 GUNICORN_CMD_ARGS=--bind=0.0.0.0:8080"}
    assert running._web_address(unit) == "127.0.0.1:8080"


def test_site_admins_see_troubles_first_each_with_its_next_step(cast: Cast) -> None:
    client = Client()
    client.force_login(cast.admin)
    page = client.get("/status/").content.decode()
    assert '<code class="command">./scripts/run</code>' in page
    assert page.index("Broker") < page.index("Memory")
    assert 'href="/status/"' in client.get("/").content.decode()


def test_metrics_are_there_for_the_token_only(cast: Cast, settings) -> None:
    client = Client()
    assert client.get("/metrics").status_code == 404
    settings.METRICS_TOKEN = "a-token-of-this-test"
    for given in ("", "Bearer ", "Bearer another", "a-token-of-this-test", "Bearer a-token-of-this-tést"):
        assert client.get("/metrics", headers={"Authorization": given}).status_code == 401, given
    make_rows(cast.alice, 3)
    answer = client.get("/metrics", headers={"Authorization": "Bearer a-token-of-this-test"})
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    text = answer.content.decode()
    assert 'photo_album_items{kind="photo",status="pending"} 3\n' in text
    assert 'photo_album_state{check="broker"} 2\n' in text
    kinds = re.findall(r"^# TYPE (\w+) gauge$", text, re.MULTILINE)
    assert len(kinds) == len(set(kinds)) >= 12
    for line in text.splitlines():
        assert re.fullmatch(
            r'# TYPE \w+ gauge|photo_album_\w+(\{\w+="[^"]*"(,\w+="[^"]*")*\})? -?[\d.e+-]+', line
        ), line


def test_the_page_for_administrators_explains_every_gauge(cast: Cast) -> None:
    page = (Path(__file__).parents[2] / "docs" / "status.md").read_text()
    gauges = re.findall(r"^# TYPE photo_album_(\w+) gauge$", write_metrics(check_status()), re.MULTILINE)
    assert [name for name in gauges if f"`{name}`" not in page] == []


def test_labels_of_metrics_are_escaped() -> None:
    line = Line("x", "x", "ok", "", "", (Figure("disk", 1, (("volume", 'a"b\\c\nd'),)),))
    assert 'photo_album_disk{volume="a\\"b\\\\c\\nd"} 1' in write_metrics([line])


def test_a_database_that_does_not_answer_makes_the_sign_of_life_fail_without_details(cast: Cast) -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE django_migrations RENAME TO elsewhere")
    try:
        answer = Client().get("/healthz")
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE elsewhere RENAME TO django_migrations")
    assert (answer.status_code, answer.json()) == (503, {"status": "unavailable"})
