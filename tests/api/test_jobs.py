"""The jobs API as a program meets it: fields, statuses, refusals."""

from __future__ import annotations

import base64
import errno
import io
import os
import re
import uuid
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone
from PIL import Image
from pytest_django import DjangoCaptureOnCommitCallbacks, Settings

from album import tasks
from album.models import ImageJob, MediaItem
from album.services.api_keys import create_key
from album.services.jobs import run_job
from tests.cast import Cast, scene_bytes

ID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The ids of the jobs whose message went out. The broker is replaced at its edge."""
    ids: list[str] = []
    monkeypatch.setattr(tasks.process_image_job, "apply_async", lambda args, **options: ids.append(args[0]))
    return ids


def post(
    client: Client, content: bytes | None = None, *, name: str = "photo.jpg", headers: dict[str, str] | None = None
):
    content = scene_bytes(size_px=(1000, 600)) if content is None else content
    return client.post("/jobs/", {"original_image": SimpleUploadedFile(name, content)}, headers=headers)


def files(settings: Settings) -> list[str]:
    """The files of jobs and of half uploads, without folders."""
    media = Path(settings.MEDIA_ROOT)
    found = [*media.glob("jobs/*/*"), *media.glob("originals/**/*.part")]
    return sorted(str(path.relative_to(media)) for path in found)


def test_a_new_job_has_the_promised_fields(
    cast: Cast,
    alice_client: Client,
    settings: Settings,
    sent: list[str],
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        answer = post(alice_client)
    assert (answer.status_code, answer.headers["Content-Type"]) == (201, "application/json")
    job = answer.json()
    assert list(job) == ["id", "status", "original_image", "resized_image", "error_message", "created_at"]
    assert re.fullmatch(ID, job["id"])
    assert (job["status"], job["resized_image"], job["error_message"]) == ("pending", None, None)
    assert job["original_image"] == f"/jobs/{job['id']}/original.jpg"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", job["created_at"])
    assert sent == [job["id"]]
    assert alice_client.get(f"/jobs/{job['id']}/").json() == job
    assert files(settings) == [f"jobs/originals/{job['id']}.jpg"]
    assert not MediaItem.objects.exists()


def test_a_done_job_gives_both_pictures(cast: Cast, alice_client: Client, sent: list[str]) -> None:
    content = scene_bytes(size_px=(1000, 600))
    job = post(alice_client, content).json()
    assert run_job(uuid.UUID(job["id"])) == "completed"
    job = alice_client.get(f"/jobs/{job['id']}/").json()
    assert (job["status"], job["error_message"]) == ("completed", None)
    assert re.fullmatch(rf"/jobs/{ID}/thumbnail-[0-9a-f]{{8}}\.jpg", job["resized_image"])
    assert alice_client.get(job["original_image"]).getvalue() == content
    resized = alice_client.get(job["resized_image"], headers={"Accept": "image/jpeg"})
    assert resized.headers["Content-Type"] == "image/jpeg"
    assert Image.open(io.BytesIO(resized.getvalue())).size == (800, 480)


def test_a_failed_job_says_why(cast: Cast, alice_client: Client, sent: list[str]) -> None:
    job = post(alice_client, scene_bytes()[:700]).json()
    assert run_job(uuid.UUID(job["id"])) == "failed"
    job = alice_client.get(f"/jobs/{job['id']}/").json()
    assert (job["status"], job["resized_image"]) == ("failed", None)
    assert job["error_message"].startswith("The photo cannot be decoded: truncated")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "the file is empty"),
        (b"<!DOCTYPE html><script>alert(1)</script>", "a text in XML or HTML"),
        (b"%PDF-1.7\n" + b"x" * 5000, "a PDF document"),
        (b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom" + b"\x00" * 5000, "video/mp4 cannot be resized"),
        (b"8BPS\x00\x01" + b"\x00" * 5000, "photoshop cannot be resized"),
    ],
)
def test_what_is_no_photo_is_refused_by_its_content(
    cast: Cast, alice_client: Client, settings: Settings, content: bytes, words: str
) -> None:
    answer = post(alice_client, content)
    assert answer.status_code == 400
    (reason,) = answer.json()["original_image"]
    assert words in reason
    assert files(settings) == [] and not ImageJob.objects.exists()


def test_a_request_without_file_is_told_the_field(cast: Cast, alice_client: Client) -> None:
    for values in ({}, {"original_image": "words"}, {"photo": SimpleUploadedFile("a.jpg", scene_bytes())}):
        answer = alice_client.post("/jobs/", values)
        assert answer.status_code == 400
        assert "multipart field original_image" in answer.json()["original_image"][0]
    assert alice_client.post("/jobs/", "{}", content_type="application/json").status_code == 415


def test_unknown_fields_are_ignored(cast: Cast, alice_client: Client, settings: Settings, sent: list[str]) -> None:
    values = {name: SimpleUploadedFile("a.jpg", scene_bytes()) for name in ("other", "original_image")}
    job = alice_client.post("/jobs/", {**values, "status": "completed", "id": "1"}).json()
    assert job["status"] == "pending"
    assert files(settings) == [f"jobs/originals/{job['id']}.jpg"]


def test_a_file_above_the_limit_is_refused(cast: Cast, alice_client: Client, settings: Settings) -> None:
    assert settings.JOB_MAX_BYTES == 50_000_000
    settings.JOB_MAX_BYTES = 3000
    answer = post(alice_client)
    assert answer.status_code == 400
    assert "JOB_MAX_MB" in answer.json()["original_image"][0]
    assert files(settings) == []


def test_a_full_disk_is_507_in_words(
    cast: Cast, alice_client: Client, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fail)
    answer = post(alice_client)
    assert answer.status_code == 507
    assert "storage full" in answer.json()["detail"]
    assert files(settings) == [] and not ImageJob.objects.exists()


def test_another_persons_job_does_not_exist(cast: Cast, alice_client: Client, sent: list[str]) -> None:
    job = post(alice_client).json()
    charlie = Client()
    charlie.force_login(cast.charlie)
    for address in (
        f"/jobs/{job['id']}/",
        job["original_image"],
        f"/jobs/{uuid.uuid4()}/",
        "/jobs/words/",
        "/jobs/1/x",
    ):
        answer = charlie.get(address, headers={"Accept-Language": "de"})
        assert (answer.status_code, answer.json()) == (404, {"detail": "Not found."})
    answer = alice_client.get(f"/jobs/{job['id']}/thumbnail-00000000.jpg")
    assert (answer.status_code, answer.json()) == (404, {"detail": "Not found."})


def test_a_picture_that_cannot_be_read_is_not_found(
    cast: Cast, alice_client: Client, sent: list[str], settings: Settings
) -> None:
    job = post(alice_client).json()
    path = Path(settings.MEDIA_ROOT, "jobs", "originals", f"{job['id']}.jpg")
    path.unlink()
    assert alice_client.get(job["original_image"]).status_code == 404
    path.mkdir()  # opening it fails, also for root
    assert alice_client.get(job["original_image"]).status_code == 404


def test_an_original_that_is_also_a_page_is_only_a_download(
    cast: Cast, alice_client: Client, sent: list[str]
) -> None:
    job = post(alice_client, scene_bytes(image_format="GIF") + b"<script>alert(1)</script>", name="a.html").json()
    answer = alice_client.get(job["original_image"])
    assert answer.headers["Content-Type"] == "image/gif"
    assert answer.headers["Content-Disposition"] == 'attachment; filename="original.gif"'
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    answer.close()


def test_jobs_above_the_hourly_number_wait(
    cast: Cast, alice_client: Client, settings: Settings, sent: list[str]
) -> None:
    settings.JOBS_PER_HOUR = 2
    now = timezone.now()
    assert [post(alice_client).status_code for _ in range(3)] == [201, 201, 429]
    ImageJob.objects.update(created_at=now - timedelta(minutes=59))
    refused = post(alice_client)
    assert 55 <= int(refused.headers["Retry-After"]) <= 60
    assert refused.json()["detail"].startswith("An account may make 2 jobs an hour. Expected available in ")
    assert len(files(settings)) == 2
    bob = Client()
    bob.force_login(cast.bob)
    assert post(bob).status_code == 201
    ImageJob.objects.filter(owner=cast.alice).update(created_at=now - timedelta(minutes=61))
    assert post(alice_client).status_code == 201


def test_strangers_are_told_to_sign_in_before_their_file_is_read(cast: Cast, settings: Settings) -> None:
    job = ImageJob.objects.create(owner=cast.alice, original_image="jobs/originals/a.jpg")
    for answer in (post(Client()), Client().get(f"/jobs/{job.pk}/"), Client().get(f"/jobs/{job.pk}/original.jpg")):
        assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, 'Bearer realm="api"')
        assert answer.json() == {"detail": "Authentication credentials were not provided."}
    assert not Path(settings.MEDIA_ROOT).exists()


def test_a_session_needs_its_token(cast: Cast, sent: list[str]) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(cast.alice)
    answer = post(client)
    assert answer.status_code == 403
    assert answer.json()["detail"].startswith("CSRF Failed")
    client.get("/upload/")
    assert post(client, headers={"X-CSRFToken": client.cookies["csrftoken"].value}).status_code == 201


def bearer(text: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {text}"}


def test_a_program_sends_a_key(cast: Cast, sent: list[str]) -> None:
    client = Client(enforce_csrf_checks=True)
    key, text = create_key(user=cast.alice, name="resizer", scopes=["upload"])
    job = post(client, headers=bearer(text))
    assert job.status_code == 201
    assert client.get(f"/jobs/{job.json()['id']}/", headers=bearer(text)).status_code == 200
    for wrong in (bearer("pa_wrong"), bearer(""), bearer("\0"), bearer("é")):
        answer = post(client, headers=wrong)
        assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, 'Bearer realm="api"')
    key.delete()
    assert post(client, headers=bearer(text)).status_code == 401


def test_a_key_does_no_more_than_it_may(cast: Cast, sent: list[str]) -> None:
    _key, reads = create_key(user=cast.alice, name="frame", scopes=["read"])
    answer = post(Client(), headers=bearer(reads))
    assert (answer.status_code, answer.json()) == (403, {"detail": "This key lacks the scope upload."})
    assert Client().get(f"/jobs/{uuid.uuid4()}/", headers=bearer(reads)).status_code == 404
    _key, starts = create_key(user=cast.alice, name="nights", scopes=["process"])
    answer = Client().get(f"/jobs/{uuid.uuid4()}/", headers=bearer(starts))
    assert answer.json() == {"detail": "This key lacks the scope read or upload."}


def test_passwords_are_not_taken_since_they_would_go_past_the_second_step(cast: Cast) -> None:
    name_and_password = "Basic " + base64.b64encode(b"alice:correct horse").decode()
    assert post(Client(), headers={"Authorization": name_and_password}).status_code == 401


def test_other_methods_are_refused_in_json(cast: Cast, alice_client: Client) -> None:
    for answer in (alice_client.get("/jobs/"), alice_client.delete(f"/jobs/{uuid.uuid4()}/")):
        assert answer.status_code == 405
        assert "not allowed" in answer.json()["detail"]


def test_asking_costs_a_constant_number_of_queries(
    cast: Cast, alice_client: Client, sent: list[str], django_assert_max_num_queries
) -> None:
    jobs = [post(alice_client).json() for _ in range(3)]
    with django_assert_max_num_queries(3):  # session, user, job
        alice_client.get(f"/jobs/{jobs[0]['id']}/")
    with django_assert_max_num_queries(9):  # those two, quota, marker, savepoint, account, quota, row, release
        post(alice_client)


def test_a_missing_broker_costs_no_job(
    cast: Cast,
    alice_client: Client,
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    from kombu.exceptions import OperationalError

    def fail(**options: object) -> None:
        raise OperationalError("connection refused")

    monkeypatch.setattr(tasks.process_image_job, "apply_async", fail)
    with django_capture_on_commit_callbacks(execute=True):
        assert post(alice_client).status_code == 201
    assert ImageJob.objects.get().status == "pending"
