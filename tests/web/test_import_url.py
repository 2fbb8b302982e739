"""The page that asks for an image from another site: judged at the door, fetched by a worker."""

from __future__ import annotations

import re
import socket
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from celery.exceptions import Retry
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from kombu.exceptions import OperationalError as BrokerError
from pytest_django import Settings

from album.models import Album, MediaItem
from album.services.external_images import ExternalImageUnavailable
from album.tasks import download_external_image_and_attach
from tests.cast import Cast
from tests.faults.installation import Installation
from tests.faults.servers import free_port

URL = "https://img.example.org/kit.jpg"


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> list[dict[str, Any]]:
    """The messages to the worker."""
    settings.ALLOWED_EXTERNAL_IMAGE_HOSTS = ["img.example.org"]
    messages: list[dict[str, Any]] = []
    monkeypatch.setattr(
        download_external_image_and_attach, "apply_async", lambda **message: messages.append(message)
    )
    return messages


def page(album: Album) -> str:
    return f"/albums/{album.pk}/import-url/"


def post(cast: Cast, user: Any, url: str) -> Any:
    client = Client()
    client.force_login(user)
    return client.post(page(cast.shared), {"url": url})


def test_an_album_admin_asks_and_a_worker_is_told(cast: Cast, sent: list[dict[str, Any]]) -> None:
    answer = post(cast, cast.dora, f"  {URL}\n")
    assert answer.status_code == 202
    assert "img.example.org" in answer.content.decode()
    assert [(message["args"], message["kwargs"]) for message in sent] == [
        (("album", "album", cast.shared.pk, URL), {"user_id": cast.dora.pk})
    ]


@pytest.mark.parametrize("who", ["bob", "charlie"])
def test_who_may_not_fill_the_album_learns_no_more_than_they_may_see(
    cast: Cast, sent: list[dict[str, Any]], who: str
) -> None:
    assert post(cast, getattr(cast, who), URL).status_code == {"bob": 403, "charlie": 404}[who]
    assert sent == []


@pytest.mark.parametrize(
    "url", ["", "http://img.example.org/a.jpg", "https://127.0.0.1/", "<script>alert(1)</script>"]
)
def test_a_wrong_address_is_refused_in_words(cast: Cast, sent: list[dict[str, Any]], url: str) -> None:
    answer = post(cast, cast.alice, url)
    assert answer.status_code == 422
    assert 'role="alert"' in answer.content.decode()
    assert "<script>alert" not in answer.content.decode()
    assert sent == []


def test_without_a_broker_nothing_is_promised(
    cast: Cast, sent: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(**message: Any) -> None:
        raise BrokerError("down")

    monkeypatch.setattr(download_external_image_and_attach, "apply_async", fail)
    assert post(cast, cast.alice, URL).status_code == 503


def test_a_redis_that_is_away_is_said_at_once(tmp_path: Path) -> None:
    redis = f"redis://127.0.0.1:{free_port()}/0"
    away = {"CELERY_BROKER_URL": redis, "CELERY_RESULT_BACKEND": redis}
    installation = Installation(tmp_path, away | {"ALLOWED_EXTERNAL_IMAGE_HOSTS": "img.example.org"})
    answer = installation.python(
        f"""
        import time
        from django.contrib.auth.models import User
        from django.test import Client
        from album.models import Album
        client, alice = Client(SERVER_NAME="localhost"), User.objects.create_user("alice")
        client.force_login(alice)
        page = f"/albums/{{Album.objects.create(owner=alice, title='Away').pk}}/import-url/"
        begun = time.monotonic()
        print(client.post(page, {{"url": "{URL}"}}).status_code, time.monotonic() - begun < 8)
        """
    )
    assert answer.splitlines()[-1] == "503 True"


def test_who_asked_is_told_for_a_day_why_an_image_did_not_come(cast: Cast, settings: Settings) -> None:
    settings.ALLOWED_EXTERNAL_IMAGE_HOSTS = ["127.0.0.1"]
    url = "https://127.0.0.1/<b>.jpg"
    task, other = download_external_image_and_attach, Album.objects.create(title="Other", owner=cast.dora)
    task("album", "album", cast.shared.pk, url, user_id=cast.dora.pk)

    def told(user: User, album: Album) -> bool:
        client = Client()
        client.force_login(user)
        return "https://127.0.0.1/&lt;b&gt;.jpg: " in client.get(page(album)).content.decode()

    assert told(cast.dora, cast.shared)
    assert not told(cast.alice, cast.shared) and not told(cast.dora, other)
    LogEntry.objects.update(action_time=timezone.now() - timedelta(hours=25))
    assert not told(cast.dora, cast.shared)


def test_the_upload_page_leads_there_where_hosts_are_allowed(cast: Cast, settings: Settings) -> None:
    def links(user: User) -> list[str]:
        client = Client()
        client.force_login(user)
        return re.findall(r'href="(/albums/\S+)"', client.get("/upload/").content.decode())

    assert links(cast.dora) == []
    settings.ALLOWED_EXTERNAL_IMAGE_HOSTS = ["img.example.org"]
    assert (links(cast.dora), links(cast.bob)) == ([page(cast.shared)], [])


def test_the_form_needs_its_token(cast: Cast, sent: list[dict[str, Any]]) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(cast.alice)
    assert client.post(page(cast.shared), {"url": URL}).status_code == 403


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("auth", "user", 1, URL), "albums only"),
        (("album", "album", 10**6, URL), "no album"),
        (("album", "mediaitem", 1, URL), "albums only"),
    ],
)
def test_the_task_attaches_to_albums_only(db: None, arguments: tuple[Any, ...], words: str) -> None:
    assert words in download_external_image_and_attach(*arguments)["skipped"]


def test_rights_are_asked_again_when_the_worker_comes(cast: Cast, settings: Settings) -> None:
    settings.ALLOWED_EXTERNAL_IMAGE_HOSTS = ["127.0.0.1"]
    task = download_external_image_and_attach
    assert "may not" in task("album", "album", cast.shared.pk, URL, user_id=cast.charlie.pk)["skipped"]
    answer = task("album", "Album", cast.shared.pk, "https://127.0.0.1/a.jpg", 3, user_id=cast.dora.pk)
    assert "public internet" in answer["failed"]
    assert not MediaItem.objects.exists()


def test_a_name_that_does_not_resolve_is_tried_again_with_longer_and_longer_waits(
    cast: Cast, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(*_: Any, **__: Any) -> None:
        raise socket.gaierror(socket.EAI_AGAIN, "try again")

    settings.ALLOWED_EXTERNAL_IMAGE_HOSTS = ["img.example.org"]
    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    waits: list[int] = []

    def note(*, exc: Exception, countdown: int, **_: Any) -> Retry:
        assert isinstance(exc, ExternalImageUnavailable)
        waits.append(countdown)
        return Retry(exc=exc)

    task = download_external_image_and_attach
    monkeypatch.setattr(task, "retry", note)
    arguments = ("album", "album", cast.shared.pk, URL)
    for retries in range(5):
        task.push_request(retries=retries)  # type: ignore[call-arg]
        with pytest.raises(Retry):
            task.run(*arguments)
        task.pop_request()
    task.push_request(retries=5)  # type: ignore[call-arg]
    assert "resolved" in task.run(*arguments)["failed"]
    task.pop_request()
    assert waits == [10, 20, 40, 80, 160]
