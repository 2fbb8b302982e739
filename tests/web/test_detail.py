"""The page of an item: what it tells, what people may write there, what stands beside it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from album.models import Favourite, ItemPerson, ItemTag, MediaItem, Person, Stage, StageResult, Status, Tag
from tests.cast import Cast, make_photo, make_rows, scene_bytes

HTMX = {"HX-Request": "true"}
HOSTILE = ["<script>alert(1)</script>", "\u202egnp.exe", "x" * 300, "=cmd()", "a\0b", "\U0001d504" * 50, ""]


def client_of(user: Any) -> Client:
    client = Client()
    client.force_login(user)
    return client


def page_of(client: Client, item: MediaItem) -> str:
    answer = client.get(f"/media/{item.pk}/")
    assert answer.status_code == 200
    return answer.content.decode()


def edit(client: Client, item: MediaItem, what: str, **fields: str) -> Any:
    return client.post(f"/media/{item.pk}/edit/{what}/", fields)


def test_a_description_by_a_network_is_marked_as_ai_with_its_weights(cast: Cast, alice_client: Client) -> None:
    item = make_photo(cast.alice, ai_description="two red circles", ai_weights="tiny-blip")
    page = page_of(alice_client, item)
    assert 'alt="two red circles"' in page
    assert 'AI</span> <span class="faint">tiny-blip</span>' in page


def test_a_built_in_description_is_never_called_ai(cast: Cast, alice_client: Client) -> None:
    item = make_photo(cast.alice, ai_description="a bright picture", ai_weights="built-in")
    tag = Tag.objects.create(name="bright")
    ItemTag.objects.create(item=item, tag=tag, source=ItemTag.Source.BUILT_IN)
    page = page_of(alice_client, item)
    assert '<span class="badge">built-in</span>' in page
    assert "Built-in, from light and colors" in page
    assert "badge ai" not in page


def test_words_of_people_come_first_and_apart(cast: Cast, alice_client: Client) -> None:
    item = make_photo(cast.alice, title="Sign", description="Our sign", ai_description="two circles")
    page = page_of(alice_client, item)
    assert page.index("Our sign</p>") < page.index("two circles</p>")
    assert "<h1>Sign</h1>" in page


def test_a_failure_is_told_stage_by_stage_and_can_be_tried_again(cast: Cast, alice_client: Client) -> None:
    item = make_photo(cast.alice, processing_status=Status.FAILED)
    StageResult.objects.create(item=item, stage=Stage.EMBED, state=Status.COMPLETED, attempts=1)
    failed = {"state": Status.FAILED, "attempts": 3, "error": "took longer than 60 s"}
    StageResult.objects.create(item=item, stage=Stage.CAPTION, **failed)
    page = page_of(alice_client, item)
    assert "<b>Description: failed</b>" in page
    assert "took longer than 60 s" in page
    assert "Recognition and tags: " not in page
    assert alice_client.post(f"/media/{item.pk}/retry/").headers["Location"] == f"/media/{item.pk}/"
    item.refresh_from_db()
    assert item.processing_status == Status.PENDING
    assert "/retry/" not in page_of(alice_client, item)


def test_the_page_shows_the_clock_of_the_camera(cast: Cast, alice_client: Client, settings) -> None:
    settings.TIME_ZONE = "Asia/Tokyo"
    item = make_photo(cast.alice, content=scene_bytes(taken_at_local=datetime(2024, 7, 5, 9, 30)))
    assert "Friday, July 5, 2024, 9:30 a.m." in page_of(alice_client, item)


def test_queries_do_not_grow_with_what_is_known(cast: Cast, alice_client: Client) -> None:
    item = make_photo(cast.alice, album=cast.shared)

    def count() -> int:
        with CaptureQueriesContext(connection) as queries:
            page_of(alice_client, item)
        return len(queries)

    count()
    few = count()
    for number in range(20):
        ItemTag.objects.create(item=item, tag=Tag.objects.create(name=f"tag {number}"), source="caption")
        person = Person.objects.create(owner=cast.alice, name=f"person {number}")
        ItemPerson.objects.create(item=item, person=person)
    assert count() == few <= 10


def test_the_page_tells_what_the_file_says_of_itself(cast: Cast, alice_client: Client) -> None:
    values: dict[str, Any] = {"camera": "NIKON D70", "exposure_s": 0.004, "f_number": 2.8, "iso": 200}
    item = make_photo(cast.alice, city="Paris", country="France", **values)
    page = page_of(alice_client, item)
    assert all(words in page for words in ("NIKON D70", "1/250 s, f/2.8, ISO 200", "Paris, France"))
    MediaItem.objects.filter(pk=item.pk).update(exposure_s=1e-320)  # of which no part of a second can be told
    assert "f/2.8, ISO 200" in page_of(alice_client, item)


def test_a_file_without_preview_says_why_and_can_be_had(cast: Cast, alice_client: Client) -> None:
    item = make_photo(cast.alice, preview_status="none", preview_problem="damaged (bad Huffman code)")
    page = page_of(alice_client, item)
    assert "damaged (bad Huffman code)" in page
    assert f'href="/media/{item.pk}/original/?v=' in page
    assert f"/media/{item.pk}/preview/" not in page


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"needs_proxy": True}, "A copy that they can play is being made"),
        ({"needs_proxy": True, "proxy_problem": "no frame can be decoded"}, "no frame can be decoded"),
        ({}, "playback/?v="),
        ({"needs_proxy": True, "video_proxy": "renditions/proxy.mp4"}, "playback/?v="),
    ],
)
def test_a_video_is_played_as_soon_as_browsers_can(
    cast: Cast, alice_client: Client, values: dict[str, Any], words: str
) -> None:
    item = make_photo(cast.alice, kind="video", preview_status="ready", **values)
    assert words in page_of(alice_client, item)


def test_moving_pictures_move_on_their_page(cast: Cast, alice_client: Client) -> None:
    item = make_photo(cast.alice, is_animated=True, mime_type="image/gif")
    assert f'<img src="/media/{item.pk}/original/?v=' in page_of(alice_client, item)


def test_the_page_leads_to_what_stands_beside_it_in_the_timeline(cast: Cast, alice_client: Client) -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    oldest, middle, twin, newest = make_rows(cast.alice, 4, timeline_at=at)
    MediaItem.objects.filter(pk=oldest.pk).update(timeline_at=at.replace(year=2020))
    MediaItem.objects.filter(pk=newest.pk).update(timeline_at=at.replace(year=2027))
    make_rows(cast.bob, 1, timeline_at=at)
    make_rows(cast.alice, 1, timeline_at=at, archived_at=at)

    def beside(item: MediaItem) -> tuple[str, str]:
        page = page_of(alice_client, item)
        ways = [page.partition(f'rel="{way}" href="')[2].partition('"')[0] for way in ("prev", "next")]
        return ways[0], ways[1]

    assert beside(middle) == (f"/media/{twin.pk}/", f"/media/{oldest.pk}/")
    assert beside(newest) == ("", f"/media/{twin.pk}/")
    assert beside(oldest) == (f"/media/{middle.pk}/", "")


def test_who_an_album_is_shared_with_leafs_through_what_is_shared(cast: Cast) -> None:
    shared, secret, other = make_rows(cast.alice, 3, timeline_at=datetime(2026, 1, 1, tzinfo=UTC))
    shared.albums.add(cast.shared)
    other.albums.add(cast.shared)
    page = page_of(client_of(cast.bob), other)
    assert f'rel="next" href="/media/{shared.pk}/"' in page
    assert f"/media/{secret.pk}/" not in page


def test_words_are_written_without_javascript(cast: Cast, alice_client: Client) -> None:
    item = make_photo(cast.alice)
    answer = edit(alice_client, item, "words", title="Lake", description="First line\r\nsecond")
    assert answer.url == f"/media/{item.pk}/"
    page = page_of(alice_client, item)
    assert "<h1>Lake</h1>" in page
    assert "First line<br>second" in page


def test_only_words_that_were_changed_are_a_persons(cast: Cast, alice_client: Client) -> None:
    item = make_photo(cast.alice)
    assert 'name="initial-description" value=""' in page_of(alice_client, item)
    MediaItem.objects.filter(pk=item.pk).update(description="from the file, since")
    edit(
        alice_client,
        item,
        "words",
        title="Lake",
        description="",
        **{"initial-title": "", "initial-description": ""},
    )
    item.refresh_from_db()
    assert (item.title, item.description, item.edited_fields) == ("Lake", "from the file, since", ["title"])


def test_htmx_gets_the_panel_alone(cast: Cast, alice_client: Client) -> None:
    item = make_photo(cast.alice)
    answer = alice_client.post(f"/media/{item.pk}/edit/words/", {"title": "Lake"}, headers=HTMX)
    assert (answer.status_code, answer.headers["HX-Trigger"]) == (200, "album:edited")
    assert answer.content.decode().lstrip().startswith('<div class="info"')
    assert alice_client.get(f"/media/{item.pk}/info/").content.decode().lstrip().startswith('<div class="info"')


def test_date_place_rating_tags_and_people_are_written(cast: Cast, alice_client: Client) -> None:
    item = make_photo(cast.alice)
    edit(alice_client, item, "date", local="1999-12-31T23:59", time_zone="Europe/Berlin")
    edit(alice_client, item, "place", latitude_deg="48.86", longitude_deg="2.34")
    edit(alice_client, item, "rating", rating="4")
    edit(alice_client, item, "tag", name="Lake")
    edit(alice_client, item, "person", name="Ada")
    page = page_of(alice_client, item)
    for words in (
        "Dec. 31, 1999, 11:59 p.m.",
        "Europe/Berlin",
        "France",
        "lake</a>",
        "Ada</a>",
        "Corrected by hand",
    ):
        assert words in page, words
    item.refresh_from_db()
    assert item.timeline_at == datetime(1999, 12, 31, 23, 59, tzinfo=UTC)
    assert item.rating == 4
    edit(alice_client, item, "rating", rating="")
    edit(alice_client, item, "untag", name="lake")
    edit(alice_client, item, "unname", person_id=str(Person.objects.get().pk))
    page = page_of(alice_client, item)
    assert "lake</a>" not in page
    assert "Ada</a>" not in page


@pytest.mark.parametrize(
    ("what", "fields", "words"),
    [
        ("date", {"local": "yesterday"}, "Write the date like"),
        ("date", {}, "Choose a date"),
        ("date", {"local": "2020-01-01", "time_zone": "Mars/Base"}, "no time zone"),
        ("place", {"latitude_deg": "99", "longitude_deg": "0"}, "Latitude goes from"),
        ("place", {"latitude_deg": "nan", "longitude_deg": "0"}, "Enter a number"),
        ("place", {"latitude_deg": "1"}, "give both"),
        ("rating", {"rating": "77"}, "0 to 5 stars"),
        ("tag", {"name": ""}, "Write the tag"),
        ("person", {"name": "x" * 121}, "more than 120"),
        ("words", {"title": "x" * 201}, "more than 200"),
    ],
)
def test_what_cannot_be_stored_is_refused_with_the_reason_and_stays_in_the_form(
    cast: Cast, alice_client: Client, what: str, fields: dict[str, str], words: str
) -> None:
    item = make_rows(cast.alice, 1)[0]
    for headers in ({}, HTMX):
        answer = alice_client.post(f"/media/{item.pk}/edit/{what}/", fields, headers=headers)
        assert answer.status_code == 422
        assert words in answer.content.decode()
    item.refresh_from_db()
    assert item.edited_fields == []


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize(
    "what", ["words", "date", "place", "rating", "tag", "untag", "person", "unname", "nothing"]
)
def test_hostile_words_are_stored_as_words_or_refused(
    cast: Cast, alice_client: Client, what: str, text: str
) -> None:
    item = make_rows(cast.alice, 1)[0]
    names = (
        "title",
        "description",
        "local",
        "time_zone",
        "latitude_deg",
        "longitude_deg",
        "rating",
        "name",
        "person_id",
    )
    answer = edit(alice_client, item, what, **dict.fromkeys(names, text))
    assert answer.status_code in {302, 404, 422}
    assert "<script>alert" not in page_of(alice_client, item)


def test_who_may_only_look_writes_nothing_and_strangers_find_nothing(cast: Cast) -> None:
    item = make_rows(cast.alice, 1)[0]
    item.albums.add(cast.shared)
    doors = ("edit/words/", "edit/tag/", "retry/")
    expected = {"alice": 302, "dora": 302, "root": 302, "bob": 403, "charlie": 404}
    for door in doors:
        for user in (cast.alice, cast.dora, cast.admin, cast.bob, cast.charlie):
            answer = client_of(user).post(f"/media/{item.pk}/{door}", {"name": "x", "title": user.username})
            assert answer.status_code == expected[user.username], (door, user)
    item.refresh_from_db()
    assert item.title == "root"
    page = page_of(client_of(cast.bob), item)
    assert "/edit/" not in page
    assert "/trash/" not in page.partition('class="info"')[2]


def test_everybody_who_sees_it_has_favourites_of_their_own(cast: Cast) -> None:
    item = make_rows(cast.alice, 1)[0]
    item.albums.add(cast.shared)
    bob = client_of(cast.bob)
    assert bob.post(f"/media/{item.pk}/favourite/").status_code == 302
    assert list(Favourite.objects.values_list("user", "item")) == [(cast.bob.pk, item.pk)]
    assert 'id="info-favourite" aria-pressed="true"' in page_of(bob, item)
    assert 'id="info-favourite" aria-pressed="false"' in page_of(client_of(cast.alice), item)
    json = bob.post(f"/media/{item.pk}/favourite/", {"on": "0"}, headers={"Accept": "application/json"})
    assert json.json() == {"is_favourite": False}
    assert client_of(cast.charlie).post(f"/media/{item.pk}/favourite/").status_code == 404
    assert not Favourite.objects.exists()


@pytest.mark.parametrize("door", ["favourite/", "retry/", "edit/words/"])
def test_nothing_is_changed_by_looking(cast: Cast, alice_client: Client, door: str) -> None:
    item = make_rows(cast.alice, 1)[0]
    assert alice_client.get(f"/media/{item.pk}/{door}").status_code == 405


def test_an_album_is_named_only_to_who_sees_it(cast: Cast) -> None:
    item = make_rows(cast.alice, 1)[0]
    item.albums.add(cast.shared)
    secret = cast.shared.__class__.objects.create(title="Secret plans", owner=cast.alice)
    item.albums.add(secret)
    assert "Secret plans" in page_of(client_of(cast.alice), item)
    page = page_of(client_of(cast.bob), item)
    assert "Holiday" in page
    assert "Secret plans" not in page


def test_the_lightbox_is_told_of_pictures_that_move_by_themselves(cast: Cast, alice_client: Client) -> None:
    moving, still, raw = make_rows(cast.alice, 3)
    MediaItem.objects.filter(pk=moving.pk).update(is_animated=True, mime_type="image/gif")
    MediaItem.objects.filter(pk=raw.pk).update(is_animated=True, mime_type="image/heic-sequence")
    rows = {row["id"]: row.get("moving", "") for row in alice_client.get("/timeline/items/").json()["rows"]}
    assert rows[moving.pk].startswith(f"/media/{moving.pk}/original/")
    assert (rows[still.pk], rows[raw.pk]) == ("", "")
