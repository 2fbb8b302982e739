"""The timeline and its like: order, places, months, filters, who sees what, and what a page costs."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from album.models import Favourite, ItemPerson, ItemTag, MediaItem, Person, Status, Tag
from album.queries import Cursor
from album.queries.pages import BadPosition
from tests.cast import Cast, make_rows

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


def ask(client: Client, address: str, **params: Any) -> dict[str, Any]:
    answer = client.get(address, params)
    assert answer.status_code == 200, answer.content
    return dict(json.loads(answer.content))


def ids(client: Client, address: str = "/timeline/items/", **params: Any) -> list[int]:
    return [row["id"] for row in ask(client, address, **params)["rows"]]


def on_page(page: str) -> list[int]:
    """The ids of the tiles that the server wrote, in order."""
    return [int(pk) for pk in re.findall(r'class="tile" data-id="(\d+)"', page)]


def show(client: Client, address: str = "/", **params: Any) -> str:
    """The page as text."""
    return str(client.get(address, params).content.decode())


def spread(owner: Any, count: int, hours: int = 1, **values: Any) -> list[MediaItem]:
    """``count`` rows, the first the newest."""
    rows = make_rows(owner, count, **values)
    for n, row in enumerate(rows):
        row.timeline_at = NOON - timedelta(hours=hours * n)
    MediaItem.objects.bulk_update(rows, ["timeline_at"])
    return rows


def tag_all(items: list[MediaItem], name: str, *sources: str) -> None:
    tag = Tag.objects.get_or_create(name=name)[0]
    ItemTag.objects.bulk_create(ItemTag(item=item, tag=tag, source=source) for item in items for source in sources)


def test_newest_first_and_nothing_of_others(cast: Cast, alice_client: Client) -> None:
    rows = spread(cast.alice, 3)
    others = make_rows(cast.bob, 2)
    cast.shared.items.set(others)
    assert ids(alice_client) == [row.pk for row in rows]
    assert on_page(show(alice_client)) == [row.pk for row in rows]


def test_a_row_says_what_a_grid_shows(cast: Cast, alice_client: Client) -> None:
    values: dict[str, Any] = {
        "ai_description": "two red <circles>",
        "width_px": 40,
        "height_px": 30,
        "placeholder": "LKO2",
    }
    (photo,) = spread(cast.alice, 1, motion_offset=9, processing_status=Status.FAILED, **values)
    Favourite.objects.create(user=cast.alice, item=photo)
    Favourite.objects.create(user=cast.bob, item=photo)
    (video,) = make_rows(cast.alice, 1, kind="video", duration_s=3.5, timeline_at=NOON - timedelta(days=1))
    first, second = ask(alice_client, "/timeline/items/")["rows"]
    picture, preview, motion = first.pop("picture"), first.pop("preview"), first.pop("motion")
    assert first == {
        "id": photo.pk, "width": 40, "height": 30, "placeholder": "LKO2", "kind": "photo", "day": "2026-05-01",
        "is_favourite": True, "badges": ["failed", "motion"], "alt": "two red <circles>",
    }  # fmt: skip
    assert len({picture, preview, motion}) == 3
    assert all(f"/media/{photo.pk}/" in address for address in (picture, preview, motion))
    assert (second["duration_s"], second["width"], second["height"]) == (3.5, 4, 3)
    assert f"/media/{video.pk}/" in second["playback"]
    page = alice_client.get("/").content.decode()
    assert 'alt="two red &lt;circles&gt;"' in page and "two red <circles>" not in page


def test_pages_follow_one_another_without_gap_or_repetition(cast: Cast, alice_client: Client) -> None:
    rows = make_rows(cast.alice, 23, timeline_at=NOON)  # all at one moment: the id decides
    seen: list[int] = []
    place = None
    while place or not seen:
        answer = ask(alice_client, "/timeline/items/", limit=5, **({"before": place} if place else {}))
        seen += [row["id"] for row in answer["rows"]]
        place = answer["next"]
    assert seen == [row.pk for row in reversed(rows)]


def test_the_page_leads_on_and_back_without_javascript(cast: Cast, alice_client: Client) -> None:
    rows = spread(cast.alice, 130)
    seen, address, page = [], "/", ""
    while address:
        page = alice_client.get(address).content.decode()
        seen += on_page(page)
        older = re.search(r'rel="next" href="([^"]+)"', page)
        address = "/" + older[1] if older else ""
    assert seen == [row.pk for row in rows]
    newer = re.search(r'rel="prev" href="([^"]+)"', page)
    assert newer is not None
    assert on_page(alice_client.get("/" + newer[1]).content.decode()) == [row.pk for row in rows[60:120]]


def test_months_are_counted_and_read_alone(cast: Cast, alice_client: Client) -> None:
    rows = spread(cast.alice, 5, hours=24 * 14)
    make_rows(cast.alice, 1, timeline_at=NOON, archived_at=timezone.now())
    answer = alice_client.get("/timeline/months/")
    assert json.loads(answer.content) == [["2026-05", 1], ["2026-04", 2], ["2026-03", 2]]
    assert ids(alice_client, month="2026-04") == [rows[1].pk, rows[2].pk]
    place = ask(alice_client, "/timeline/items/", month="2026-04", limit=1)["next"]
    assert ids(alice_client, month="2026-04", before=place) == [rows[2].pk]
    make_rows(cast.alice, 1, timeline_at=datetime(9999, 12, 31, tzinfo=UTC))
    assert len(ids(alice_client, month="9999-12")) == 1


@pytest.mark.parametrize(
    "params",
    [
        {"before": "x"}, {"before": "-.-"}, {"after": "1.2.3"}, {"before": "f" * 15 + ".1"}, {"before": "1.1\x00"},
        {"month": "2026-13"}, {"month": "0000-01"}, {"month": "\u0660" * 4 + "-01"},
        {"month": "<script>"}, {"kind": "song"}, {"status": "done"}, {"album": "99999"},
        {"album": "x"}, {"album": "9" * 400}, {"person": "1"}, {"rating": "6"}, {"rating": "45"},
        {"year": "20265"}, {"year": "٢٠٢٦"}, {"tag": "a\x00b"}, {"camera": "c" * 300}, {"bbox": "1,2,3"},
        {"bbox": "nan,0,0,0"}, {"bbox": "0,50,0,40"},
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_with_words(
    cast: Cast, alice_client: Client, params: dict[str, str]
) -> None:
    make_rows(cast.alice, 1)
    answer = alice_client.get("/timeline/items/", params)
    assert answer.status_code == 400
    assert len(json.loads(answer.content)["error"]) > 15
    if "month" not in params:
        page = alice_client.get("/", params)
        assert page.status_code == 400
        assert 'role="alert"' in page.content.decode()


@pytest.mark.parametrize("limit", ["0", "-5", "x", "1e3", "999999999", ""])
def test_a_limit_is_kept_within_bounds(cast: Cast, alice_client: Client, limit: str) -> None:
    make_rows(cast.alice, 3)
    assert len(ids(alice_client, limit=limit)) in {1, 3}


def test_a_place_survives_being_written_and_read() -> None:
    for at in (
        NOON,
        datetime(1826, 1, 1, tzinfo=UTC),
        datetime(1, 1, 1, tzinfo=UTC),
        datetime.max.replace(tzinfo=UTC),
    ):
        assert Cursor.read(str(Cursor(at, 7))) == Cursor(at, 7)
    with pytest.raises(BadPosition, match="from its beginning"):
        Cursor.read("0.0 ")


@pytest.fixture
def varied(cast: Cast) -> list[MediaItem]:
    """A video of Rome, a photo with everything, a failed photo."""
    video, photo, failed = spread(cast.alice, 3, hours=24 * 200)
    MediaItem.objects.filter(pk=video.pk).update(
        kind="video", city="Rome", country="Italy", latitude_deg=41.9, longitude_deg=12.5
    )
    MediaItem.objects.filter(pk=photo.pk).update(camera="Pixel 9", rating=4, processing_status=Status.COMPLETED)
    MediaItem.objects.filter(pk=failed.pk).update(
        processing_status=Status.FAILED, latitude_deg=0, longitude_deg=179
    )
    cast.shared.items.set([photo, video])
    tag_all([photo, video], "sea", "caption", "file")
    tag_all([video], "sea", "removed")
    person = Person.objects.create(owner=cast.alice, name="Eve")
    ItemPerson.objects.create(item=photo, person=person)
    ItemPerson.objects.create(item=failed, person=person, source=ItemPerson.Source.REMOVED)
    Favourite.objects.create(user=cast.alice, item=failed)
    return [video, photo, failed]


@pytest.mark.parametrize(
    ("params", "places"),
    [
        ({"kind": "video"}, [0]), ({"kind": "photo"}, [1, 2]), ({"status": "failed"}, [2]), ({"tag": "Sea"}, [1]),
        ({"place": "Rome"}, [0]), ({"place": "Italy"}, [0]), ({"camera": "Pixel 9"}, [1]), ({"rating": "3"}, [1]),
        ({"rating": "5"}, []), ({"year": "2026"}, [0]), ({"year": "2025"}, [1, 2]), ({"favourite": "1"}, [2]),
        ({"bbox": "12,41,13,42"}, [0]), ({"bbox": "170,-10,-170,10"}, [2]),
        ({"kind": "photo", "year": "2025", "rating": "4"}, [1]),
        ({"kind": ""}, [0, 1, 2]), ({"unknown": "x"}, [0, 1, 2]),
    ],
)  # fmt: skip
def test_filters_compose(
    alice_client: Client, varied: list[MediaItem], params: dict[str, str], places: list[int]
) -> None:
    expected = [varied[place].pk for place in places]
    assert ids(alice_client, **params) == expected
    assert on_page(show(alice_client, **params)) == expected
    months = json.loads(alice_client.get("/timeline/months/", params).content)
    assert sum(count for _, count in months) == len(expected)


def test_albums_and_people_are_filters_for_those_who_know_them(cast: Cast, varied: list[MediaItem]) -> None:
    person, clients = Person.objects.get(), {}
    for user in (cast.alice, cast.bob, cast.charlie):
        clients[user.username] = Client()
        clients[user.username].force_login(user)
    assert ids(clients["alice"], album=cast.shared.pk) == [varied[0].pk, varied[1].pk]
    assert ids(clients["alice"], person=person.pk) == [varied[1].pk]
    assert ids(clients["bob"], album=cast.shared.pk) == []  # he sees it, and nothing in it is his own
    for name in ("bob", "charlie"):
        assert clients[name].get("/timeline/items/", {"person": person.pk}).status_code == 400
    assert clients["charlie"].get("/timeline/items/", {"album": cast.shared.pk}).status_code == 400


def test_a_filter_is_shown_and_can_be_taken_away(cast: Cast, alice_client: Client, varied: list[MediaItem]) -> None:
    page = alice_client.get("/", {"kind": "photo", "tag": "sea"}).content.decode()
    assert re.search(r'class="chip" href="/\?tag=sea"[^>]*>Photos', page)
    assert re.search(r'class="chip" href="/\?kind=photo"[^>]*>sea', page)
    assert 'data-source="/timeline/items/?kind=photo&amp;tag=sea"' in page
    form = alice_client.get("/timeline/filters/", {"kind": "photo"}).content.decode()
    assert '<option value="photo" selected>' in form
    assert all(words in form for words in ("Rome", "Pixel 9", "Holiday", "Eve", 'value="sea"', "<option>2025"))


def test_favourites_are_what_a_user_likes_of_all_that_they_see(cast: Cast, alice_client: Client) -> None:
    own, shared, hidden = make_rows(cast.dora, 3)
    cast.shared.items.set([shared])
    (mine,) = make_rows(cast.alice, 1, archived_at=timezone.now())
    for item in (shared, hidden, mine):
        Favourite.objects.create(user=cast.alice, item=item)
    Favourite.objects.create(user=cast.bob, item=own)
    assert set(ids(alice_client, "/favourites/items/")) == {shared.pk, mine.pk}
    assert len(on_page(show(alice_client, "/favourites/"))) == 2
    assert ids(alice_client, "/archive/items/") == [mine.pk] == on_page(show(alice_client, "/archive/"))
    assert ids(alice_client) == []


@pytest.mark.parametrize("room", ["/", "/favourites/", "/archive/"])
def test_an_empty_grid_says_what_to_do(cast: Cast, alice_client: Client, room: str) -> None:
    page = alice_client.get(room).content.decode()
    assert "data-empty>" in page and "data-grid" not in page
    assert "Nothing fits" in alice_client.get(room, {"kind": "video"}).content.decode()


@pytest.mark.parametrize("room", ["", "favourites/", "archive/"])
@pytest.mark.parametrize("view", ["", "items/", "months/", "filters/"])
def test_strangers_are_asked_to_sign_in(db: None, room: str, view: str) -> None:
    address = f"/{room or ('timeline/' if view else '')}{view}"
    assert Client().get(address).status_code == 302
    assert Client().post(address).status_code == 405


def count_queries(client: Client, path: str) -> int:
    with CaptureQueriesContext(connection) as queries:
        assert client.get(path).status_code == 200
    return len(queries)


@pytest.mark.parametrize(
    "path",
    ["/", "/timeline/items/", "/timeline/months/", "/favourites/items/", "/archive/items/", "/?tag=sea&year=2026"],
)
def test_queries_do_not_grow_with_the_rows(cast: Cast, alice_client: Client, path: str) -> None:
    tag_all(spread(cast.alice, 2), "sea", "caption")
    few = count_queries(alice_client, path)
    tag_all(spread(cast.alice, 50), "star", "caption", "detector")
    assert count_queries(alice_client, path) <= few <= 6  # one more when the ledger of grants is read
