"""The installable app: what a browser asks for, and what other apps share with it."""

from __future__ import annotations

import pytest
from django.contrib.staticfiles.finders import find
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from album.models import MediaItem
from tests.cast import Cast, scene_bytes


def share(client: Client, site: str | None) -> object:
    file = SimpleUploadedFile("a.jpg", scene_bytes(), "image/jpeg")
    headers = {"Sec-Fetch-Site": site} if site else {}
    return client.post("/share-target/", {"uploads": file}, headers=headers).status_code


def test_the_manifest_names_icons_that_are_there_and_where_to_share_to(client: Client) -> None:
    answer = client.get("/manifest.webmanifest")
    app = answer.json()
    assert answer.headers["Content-Type"] == "application/manifest+json"
    assert {icon["purpose"] for icon in app["icons"]} == {"any", "maskable"}
    assert all(find(icon["src"].removeprefix("/static/")) for icon in app["icons"])
    assert (app["share_target"]["action"], app["display"]) == ("/share-target/", "standalone")


def test_who_has_to_sign_in_first_is_told_to_share_once_more(cast: Cast, client: Client) -> None:
    assert share(client, "none") == 302
    client.force_login(cast.alice)
    assert "Share it once more" in client.get("/share-target/", follow=True).content.decode()
    assert not MediaItem.objects.exists()


def test_what_names_no_icon_has_that_of_the_album(client: Client) -> None:
    answer = client.get("/favicon.ico")
    assert find(answer.headers["Location"].removeprefix("/static/"))


def test_the_worker_stands_at_the_root_and_the_offline_page_shows_nobody(client: Client, cast: Cast) -> None:
    worker = client.get("/service-worker.js")
    assert (worker.status_code, worker.headers["Content-Type"]) == (200, "text/javascript; charset=utf-8")
    client.force_login(cast.alice)
    assert b"alice" not in client.get("/offline/").content


def test_what_other_apps_share_is_stored(cast: Cast) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(cast.alice)
    assert share(client, "none") == 200
    assert MediaItem.objects.get().owner == cast.alice


@pytest.mark.parametrize("site", ["cross-site", "same-site", None])
def test_pages_of_other_sites_share_nothing(cast: Cast, site: str | None) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(cast.alice)
    assert share(client, site) == 403
    assert not MediaItem.objects.exists()


def test_who_is_not_signed_in_shares_nothing(client: Client, cast: Cast) -> None:
    assert share(client, "none") == 302
    assert not MediaItem.objects.exists()
