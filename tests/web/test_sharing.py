"""Links in a browser: made once, opened by anybody, locked, over; what leaves through them."""

from __future__ import annotations

import io
import re
import time
import zipfile
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.http import HttpResponseBase
from django.test import Client
from django.utils import timezone
from PIL import ExifTags, Image

from album.models import Album, MediaItem, ShareLink
from album.services import sharing
from album.services.albums import remove_items
from album.services.sharing import Terms
from tests.cast import Cast, make_photo, make_rows
from tests.media.video_files import write_video

PLACE = "+48.1234+011.5678/"


def located_photo() -> bytes:
    exif = Image.Exif()
    exif[ExifTags.IFD.GPSInfo] = {1: "N", 2: (48.0, 12.0, 34.56), 3: "E", 4: (11.0, 0.0, 0.0)}
    exif[ExifTags.Base.ImageDescription] = PLACE
    file = io.BytesIO()
    Image.new("RGB", (320, 240), "teal").save(file, "JPEG", exif=exif)
    return file.getvalue()


@pytest.fixture
def photo(cast: Cast) -> MediaItem:
    return make_photo(cast.alice, album=cast.shared, content=located_photo(), original_name="=cmd() <b>.jpg")


def link_to(cast: Cast, **terms) -> str:
    """The path of a new link to the shared album."""
    _, token = sharing.create_link(user=cast.alice, album=cast.shared, terms=Terms(**terms))
    return f"/s/{token}/"


def body(answer: HttpResponseBase) -> bytes:
    return b"".join(answer)


def test_a_link_is_shown_once_and_opens_for_anybody(cast: Cast, photo: MediaItem, alice_client: Client) -> None:
    url = f"/albums/{cast.shared.pk}/links/"
    made = alice_client.post(url, {"label": "Grandma <script>", "expires_on": "2199-01-01"})
    made_late = alice_client.post(
        url, {"label": "Grandma <script>", "expires_on": timezone.localdate().isoformat()}
    )
    assert made.status_code == 422  # a century is enough
    page = made_late.content.decode()
    address = re.search(r'id="address" value="([^"]+)"', page)
    assert address is not None
    assert "<svg" in page and "<script>" not in page
    again = alice_client.get(url).content.decode()
    assert "Grandma &lt;script&gt;" in again
    assert address[1] not in again
    visitor = Client()
    shown = visitor.get(urlsplit(address[1]).path)
    assert shown.status_code == 200
    headers = ("X-Robots-Tag", "Referrer-Policy", "Cache-Control")
    assert [shown.headers[name] for name in headers] == ["noindex, nofollow", "no-referrer", "private, no-store"]
    assert 'id="menu"' not in shown.content.decode()
    link = ShareLink.objects.get()
    assert (link.visits, visitor.get(urlsplit(address[1]).path).status_code) == (1, 200)
    link.refresh_from_db()
    assert link.visits == 1


def test_the_pictures_of_a_link_open_with_it_and_end_with_it(cast: Cast, photo: MediaItem) -> None:
    path, visitor = link_to(cast), Client()
    visitor.get(path)
    (row,) = visitor.get(f"{path}items/").json()["rows"]
    for name in ("picture", "preview"):
        assert body(visitor.get(row[name]))
        assert Client().get(row[name]).status_code in {302, 404}
    assert PLACE.encode() not in body(visitor.get(row["preview"]))
    remove_items(user=cast.alice, album=cast.shared, item_ids=[photo.pk])
    assert visitor.get(row["picture"]).status_code == 404
    cast.shared.items.add(photo)
    assert body(visitor.get(row["picture"]))
    sharing.revoke_link(user=cast.alice, link=ShareLink.objects.get())
    for address in (row["picture"], row["preview"], path, f"{path}items/", f"{path}zip/"):
        assert visitor.get(address).status_code in {302, 404}


def test_unknown_expired_and_revoked_links_answer_alike(cast: Cast) -> None:
    expired, revoked = link_to(cast), link_to(cast)
    newest, oldest = ShareLink.objects.order_by("-pk")
    sharing.revoke_link(user=cast.alice, link=newest)
    ShareLink.objects.filter(pk=oldest.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    pages = []
    for path in (expired, revoked, "/s/unknown/", "/s/%00/", "/s/" + "é" * 300 + "/"):
        answer = Client().get(path)
        assert answer.status_code == 404
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        pages.append(re.sub(r'"X-CSRFToken": "\w+"', "", answer.content.decode()))
    assert len(set(pages)) == 1
    assert "This link is not valid any more" in pages[0]


def test_a_password_stands_before_everything(cast: Cast, photo: MediaItem) -> None:
    path, visitor = link_to(cast, password="open sesame", may_download=True), Client(enforce_csrf_checks=True)
    page = visitor.get(path)
    assert "Holiday" not in page.content.decode()
    assert page.headers["Referrer-Policy"] == "same-origin"
    for inner in ("items/", "zip/", f"original/{photo.pk}/"):
        assert visitor.get(path + inner).status_code == 403
    assert visitor.get(f"/media/{photo.pk}/thumbnail/").status_code == 302
    assert visitor.post(path, {"password": "open sesame"}).status_code == 403
    token = {"csrfmiddlewaretoken": visitor.cookies["csrftoken"].value}
    assert visitor.post(path, {"password": "wrong", **token}).status_code == 403
    assert visitor.post(path, {"password": "open sesame", **token}).headers["Location"] == path
    assert "Holiday" in visitor.get(path).content.decode()
    assert visitor.get(f"{path}items/").status_code == 200
    assert ShareLink.objects.get().visits == 1
    other = Client()
    other.get(link_to(cast))
    assert other.get(f"{path}items/").status_code == 403


def test_guessing_passwords_is_slowed_down(cast: Cast) -> None:
    path, visitor = link_to(cast, password="open sesame"), Client()
    told = [visitor.post(path, {"password": f"guess {n}"}).status_code for n in range(6)]
    assert told == [403] * 5 + [429]
    assert visitor.post(path, {"password": "open sesame"}).status_code == 429
    assert visitor.post(path, {"password": "open sesame"}, REMOTE_ADDR="192.0.2.7").status_code == 302


def test_without_leave_nothing_is_downloaded(cast: Cast, photo: MediaItem) -> None:
    path, visitor = link_to(cast, shows_location=True), Client()
    visitor.get(path)
    for address in (f"{path}zip/", f"{path}original/{photo.pk}/", f"/media/{photo.pk}/original/"):
        assert visitor.get(address).status_code == 404


def test_an_original_leaves_without_its_place(cast: Cast, photo: MediaItem) -> None:
    path, visitor = link_to(cast, may_download=True), Client()
    visitor.get(path)
    answer = visitor.get(f"{path}original/{photo.pk}/")
    content = body(answer)
    assert PLACE.encode() not in content
    with Image.open(io.BytesIO(content)) as image:
        assert ExifTags.IFD.GPSInfo not in image.getexif()
        assert image.size == (320, 240)
    assert answer.headers["Content-Disposition"].startswith("attachment;")
    assert "\n" not in answer.headers["Content-Disposition"]
    assert visitor.get(f"/media/{photo.pk}/original/").status_code == 404
    with zipfile.ZipFile(io.BytesIO(body(visitor.get(f"{path}zip/")))) as file:
        (name,) = file.namelist()
        assert file.read(name) == content
        assert file.testzip() is None


def test_a_link_that_shows_places_gives_the_original_as_it_is(cast: Cast, photo: MediaItem) -> None:
    path, visitor = link_to(cast, may_download=True, shows_location=True), Client()
    visitor.get(path)
    answer = visitor.get(f"{path}original/{photo.pk}/", follow=True)
    assert body(answer) == located_photo()
    with zipfile.ZipFile(io.BytesIO(body(visitor.get(f"{path}zip/")))) as file:
        assert file.read(file.namelist()[0]) == located_photo()


def test_a_video_is_played_in_parts_without_its_place(cast: Cast, tmp_path: Path) -> None:
    source = write_video(tmp_path / "v.mp4", ["red", "blue"], codec="libx264", metadata={"location": PLACE})
    video = make_photo(cast.alice, album=cast.shared, content=source.read_bytes(), original_name="v.mp4")
    assert not video.video_proxy
    path, visitor = link_to(cast, may_download=True), Client()
    visitor.get(path)
    (row,) = visitor.get(f"{path}items/").json()["rows"]
    assert row["playback"] == f"{path}video/{video.pk}/"
    whole = body(visitor.get(row["playback"]))
    assert b"+48.12" in source.read_bytes() and b"+48.12" not in whole
    part = visitor.get(row["playback"], headers={"Range": "bytes=4-7"})
    assert (part.status_code, body(part)) == (206, b"ftyp")
    assert body(visitor.get(f"{path}original/{video.pk}/")) == whole
    assert visitor.get(f"/media/{video.pk}/playback/").status_code == 404


def test_rows_of_a_link_lead_to_nothing_that_it_does_not_give(cast: Cast) -> None:
    (moving,) = make_rows(cast.alice, 1, is_animated=True, mime_type="image/gif")
    (motion,) = make_rows(cast.alice, 1, motion_offset=1, motion_size_bytes=1)
    cast.shared.items.set([moving, motion])
    told = []
    for terms in ({}, {"may_download": True}, {"may_download": True, "shows_location": True}):
        path, visitor = link_to(cast, **terms), Client()
        rows = visitor.get(f"{path}items/").json()["rows"]
        told.append(sorted(name for row in rows for name in ("moving", "motion") if name in row))
        assert all("pending" not in row["badges"] for row in rows)
    assert told == [[], [], ["motion", "moving"]]


def test_what_is_not_shared_is_not_there(cast: Cast, photo: MediaItem) -> None:
    hidden = make_photo(cast.alice, seed=3)
    path, visitor = link_to(cast, may_download=True, shows_location=True), Client()
    visitor.get(path)
    assert [row["id"] for row in visitor.get(f"{path}items/").json()["rows"]] == [photo.pk]
    for address in (
        f"{path}original/{hidden.pk}/", f"{path}original/{10**30}/", f"{path}video/{photo.pk}/",
        f"/media/{hidden.pk}/preview/", f"/media/{hidden.pk}/original/",
    ):  # fmt: skip
        assert visitor.get(address).status_code == 404
    assert visitor.get(f"/media/{photo.pk}/").status_code == 302
    assert visitor.get(f"/albums/{cast.shared.pk}/").status_code == 302


@pytest.mark.parametrize("before", ["x", "\x00", "1.2.3", "'"])
def test_a_broken_place_in_a_link_is_refused(cast: Cast, before: str) -> None:
    path = link_to(cast)
    assert Client().get(f"{path}items/", {"before": before}).status_code == 400
    assert Client().get(path, {"before": before}).status_code == 302


def test_a_link_reads_page_by_page_in_the_order_of_its_album(cast: Cast) -> None:
    rows = make_rows(cast.alice, 5)
    cast.shared.items.set(rows)
    Album.objects.update(order="oldest")
    path, visitor, found, before = link_to(cast), Client(), [], ""
    while before is not None:
        answer = visitor.get(f"{path}items/", {"limit": "2", "before": before}).json()
        found += [row["id"] for row in answer["rows"]]
        before = answer["next"]
    assert found == [item.pk for item in rows]


def test_a_page_of_a_link_costs_the_same_however_much_it_shows(cast: Cast, django_assert_max_num_queries) -> None:
    cast.shared.items.set(make_rows(cast.alice, 150))
    path, visitor = link_to(cast), Client()
    visitor.get(path)
    with django_assert_max_num_queries(8):
        visitor.get(path)
    with django_assert_max_num_queries(6):
        assert len(visitor.get(f"{path}items/").json()["rows"]) == 100


def test_picked_items_are_shared_by_their_owner(cast: Cast, photo: MediaItem) -> None:
    bob, alice = Client(), Client()
    bob.force_login(cast.bob)
    alice.force_login(cast.alice)
    seen = bob.post("/links/new/", {"ids": str(photo.pk)})
    assert seen.context["total"] == 0
    assert bob.post("/links/new/", {"ids": str(photo.pk), "terms": "1"}).status_code == 422
    assert alice.post("/links/new/", {"ids": f"{photo.pk},x,{10**30}"}).context["total"] == 1
    made = alice.post("/links/new/", {"ids": str(photo.pk), "terms": "1", "may_download": "on"})
    visitor = Client()
    shown = visitor.get(urlsplit(made.context["address"]).path)
    assert [row["id"] for row in shown.context["grid"].rows] == [photo.pk]
    assert Client().post("/links/new/", {"ids": "1"}).status_code == 302
    assert alice.get("/links/new/").status_code == 405
    listed = alice.get("/links/")
    assert [link.picked for link in listed.context["links"]] == [1]
    revoke = f"/links/{ShareLink.objects.get().pk}/revoke/"
    assert bob.post(revoke).status_code == 404
    assert alice.post(revoke).headers["Location"] == "/links/"
    assert visitor.get(urlsplit(made.context["address"]).path).status_code == 404


def test_what_is_too_much_for_a_link_is_told_before_it_is_made(
    cast: Cast, alice_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sharing, "ITEMS_MAX", 2)
    rows = [*make_rows(cast.alice, 3), *make_rows(cast.bob, 1)]
    ids = ",".join(str(row.pk) for row in rows)
    page = " ".join(alice_client.post("/links/new/", {"ids": ids}).content.decode().split())
    assert "at most 2 photos and videos, so 2 items are left out" in page and "not yours" not in page
    refused = alice_client.post("/links/new/", {"ids": ids, "terms": "1", "expires_on": "1999-01-01"})
    assert (refused.status_code, refused.context["beyond"]) == (422, 2)
    alice_client.post("/links/new/", {"ids": ids, "terms": "1"})
    assert ShareLink.objects.get().items.count() == 2


def test_all_of_a_link_is_downloaded_some_times_an_hour(
    cast: Cast, photo: MediaItem, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sharing, "ZIPS_PER_HOUR", 2)
    path, other = link_to(cast, may_download=True), link_to(cast, may_download=True)

    def asked(address: str, method: str = "get") -> int:
        answer: HttpResponseBase = getattr(Client(), method)(address)
        body(answer)
        return answer.status_code

    assert [asked(f"{path}zip/", "head") for _ in range(3)] == [200] * 3  # whoever only looks takes nothing
    assert [asked(f"{path}zip/") for _ in range(4)] == [200, 200, 429, 429]
    refused = Client().get(f"{path}zip/")
    assert "Try again in 60 min" in refused.content.decode()
    assert 3500 < int(refused.headers["Retry-After"]) <= 3600
    assert asked(f"{path}original/{photo.pk}/") == 200
    assert asked(f"{other}zip/") == 200
    later = time.time() + 3601
    monkeypatch.setattr(time, "time", lambda: later)
    assert asked(f"{path}zip/") == 200


def test_descriptions_of_the_built_in_analyzer_are_hidden_with_the_places_that_they_name(cast: Cast) -> None:
    words = "A bright landscape picture, taken in Lisbon, with Ann named in the file."
    (item,) = make_rows(cast.alice, 1, ai_description=words, ai_weights="built-in", title="Us")
    (seen,) = make_rows(cast.alice, 1, ai_description="a dog on a beach", ai_weights="tiny-blip")
    cast.shared.items.set([item, seen])
    hidden, told = link_to(cast), link_to(cast, shows_location=True)
    for address in (hidden, f"{hidden}items/"):
        page = Client().get(address).content.decode()
        assert "Lisbon" not in page and "Ann named" not in page
        assert "Us" in page and "a dog on a beach" in page
    assert "Lisbon" in Client().get(f"{told}items/").content.decode()
