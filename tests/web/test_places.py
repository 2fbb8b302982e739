"""The map and its groups, and the memories of this day."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from album.models import Favourite, MediaItem
from album.queries.memories import memories_of
from photo_album.env import Environment
from tests.cast import Cast, make_rows

WORLD = "-180,-90,180,90"


def place(items: list[MediaItem], *positions: tuple[float, float], **columns: Any) -> None:
    for item, (latitude, longitude) in zip(items, positions, strict=True):
        values = {"latitude_deg": latitude, "longitude_deg": longitude, **columns}
        MediaItem.objects.filter(pk=item.pk).update(**values)


def groups(client: Client, zoom: int = 2, bbox: str = WORLD) -> list[dict[str, Any]]:
    answer = client.get("/map/points/", {"bbox": bbox, "zoom": str(zoom)})
    assert answer.status_code == 200
    return list(answer.json()["groups"])


def count_queries(client: Client, address: str) -> int:
    client.get(address)
    with CaptureQueriesContext(connection) as queries:
        assert client.get(address).status_code == 200
    return len(queries)


def test_what_lies_close_together_is_one_group_until_somebody_zooms_in(cast: Cast, alice_client: Client) -> None:
    items = make_rows(cast.alice, 3)
    place(items, (48.86, 2.35), (48.87, 2.36), (-33.9, 151.2), city="Paris")
    paris, sydney = groups(alice_client)
    assert (paris["count"], sydney["count"]) == (2, 1)
    assert paris["latitude"] == pytest.approx(48.865)
    assert paris["bbox"] == [2.35, 48.86, 2.36, 48.87]
    assert paris["place"] == "Paris"
    assert f"/media/{items[1].pk}/" in paris["picture"]
    assert len(groups(alice_client, zoom=15)) == 3


def test_only_what_is_in_view_and_in_the_own_timeline_is_counted(cast: Cast, alice_client: Client) -> None:
    mine = make_rows(cast.alice, 2)
    place(mine, (10, 10), (50, 50))
    place(make_rows(cast.alice, 1, archived_at=timezone.now()), (10, 10))
    place(make_rows(cast.bob, 1), (10, 10))
    make_rows(cast.alice, 1)
    assert [group["count"] for group in groups(alice_client, bbox="0,0,20,20")] == [1]


@pytest.mark.parametrize(
    "query",
    [
        {"bbox": "nonsense", "zoom": "2"},
        {"bbox": "0,0,200,10", "zoom": "2"},
        {"bbox": "nan,nan,nan,nan", "zoom": "2"},
        {"bbox": WORLD, "zoom": "99"},
        {"bbox": WORLD, "zoom": "-1"},
        {"bbox": WORLD, "zoom": "²"},
        {"bbox": "0,0\x00", "zoom": "2"},
    ],
)
def test_a_view_that_is_none_is_refused_in_words(cast: Cast, alice_client: Client, query: dict[str, str]) -> None:
    answer = alice_client.get("/map/points/", query)
    assert answer.status_code == 400
    assert answer.json()["error"]


def test_there_are_never_more_than_500_groups_and_the_largest_are_shown(cast: Cast, alice_client: Client) -> None:
    items = make_rows(cast.alice, 602)
    for number, item in enumerate(items):
        item.latitude_deg, item.longitude_deg = (number // 30) * 4.0, (number % 30) * 10.0 - 150
    items[-1].latitude_deg, items[-1].longitude_deg = items[0].latitude_deg, items[0].longitude_deg
    MediaItem.objects.bulk_update(items, ["latitude_deg", "longitude_deg"])
    found = groups(alice_client, zoom=8)
    assert len(found) == 500
    assert found[0]["count"] == 2
    assert count_queries(alice_client, f"/map/points/?bbox={WORLD}&zoom=8") <= 5


def test_the_map_works_as_a_list_without_javascript(cast: Cast, alice_client: Client) -> None:
    items = make_rows(cast.alice, 3)
    place(items[:2], (48.8, 2.3), (48.9, 2.4), country="France", city="Paris")
    page = alice_client.get("/map/").content.decode()
    assert 'href="/?place=Paris"' in page
    assert 'href="/?place=France"' in page
    assert json.loads(page.partition('data-bounds="')[2].partition('"')[0]) == [2.3, 48.8, 2.4, 48.9]
    assert "1 item has no place" in page
    assert alice_client.get("/", {"place": "Paris"}).status_code == 200
    assert count_queries(alice_client, "/map/") <= 8


def test_who_has_no_place_is_told_how_to_get_one(cast: Cast, alice_client: Client) -> None:
    make_rows(cast.alice, 1)
    assert "Change the place" in alice_client.get("/map/").content.decode()


def test_a_tile_server_is_asked_only_where_an_administrator_chose_one(
    cast: Cast, alice_client: Client, settings
) -> None:
    assert "tiles.example" not in alice_client.get("/map/").headers["Content-Security-Policy"]
    settings.MAP_TILES_URL = "https://{s}.tiles.example/{z}/{x}/{y}.png"
    place(make_rows(cast.alice, 1), (1, 1))
    answer = alice_client.get("/map/")
    assert "img-src 'self' https://*.tiles.example data:" in answer.headers["Content-Security-Policy"]
    assert 'data-tiles="https://{s}.tiles.example/{z}/{x}/{y}.png"' in answer.content.decode()


@pytest.mark.parametrize("address", ["javascript:alert(1)", "https://tiles.example/", "{z}{x}{y}"])
def test_an_address_without_tiles_stops_the_start(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv("MAP_TILES_URL", address)
    with pytest.raises(ImproperlyConfigured, match="MAP_TILES_URL"):
        Environment(django_settings.BASE_DIR / "no.env").tiles("MAP_TILES_URL")


def taken(cast: Cast, *days: date, **columns: Any) -> list[MediaItem]:
    items = make_rows(cast.alice, len(days), **columns)
    for item, day in zip(items, days, strict=True):
        item.timeline_at = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
    MediaItem.objects.bulk_update(items, ["timeline_at"])
    return items


def remembered(cast: Cast, today: date) -> list[tuple[int, int, list[int]]]:
    return [
        (memory.year, memory.years_ago, [row.pk for row in memory.rows])
        for memory in memories_of(cast.alice, today)
    ]


def test_this_day_is_remembered_by_year_and_the_best_come_first(cast: Cast) -> None:
    today = date(2026, 11, 21)
    day = date(2024, 11, 21)
    plain, described, rated, liked = taken(cast, day, day, day, day)
    (older,) = taken(cast, date(2019, 11, 21))
    taken(cast, today, date(2024, 11, 20), date(2024, 11, 22))
    taken(cast, day, archived_at=timezone.now())
    make_rows(cast.bob, 1, timeline_at=datetime(2024, 11, 21, tzinfo=UTC))
    MediaItem.objects.filter(pk=described.pk).update(description="ours")
    MediaItem.objects.filter(pk=rated.pk).update(rating=4)
    Favourite.objects.create(user=cast.alice, item=liked)
    Favourite.objects.create(user=cast.bob, item=plain)
    best_first = [liked.pk, rated.pk, described.pk, plain.pk]
    assert remembered(cast, today) == [(2024, 2, best_first), (2019, 7, [older.pk])]
    assert remembered(cast, date(2026, 11, 23)) == []


def test_the_29th_of_february_is_remembered_where_there_is_none(cast: Cast) -> None:
    leap, before = taken(cast, date(2024, 2, 29), date(2023, 2, 28))
    assert remembered(cast, date(2026, 2, 28)) == [(2024, 2, [leap.pk]), (2023, 3, [before.pk])]
    assert remembered(cast, date(2028, 2, 29)) == [(2024, 4, [leap.pk])]
    assert remembered(cast, date(2028, 2, 28)) == [(2023, 5, [before.pk])]


def test_memories_stand_on_their_page_and_on_a_strip_until_it_is_closed(cast: Cast, alice_client: Client) -> None:
    today = timezone.localdate()
    (item,) = taken(cast, today.replace(year=today.year - 1, day=min(today.day, 28)))
    MediaItem.objects.update(timeline_at=item.timeline_at.replace(day=1) + timedelta(days=today.day - 1))
    assert "1 year ago" in alice_client.get("/memories/").content.decode()
    assert "1 year ago" in alice_client.get("/memories/strip/").content.decode()
    assert "/memories/strip/" in alice_client.get("/").content.decode()
    for elsewhere in ("https://evil.example/", "//evil.example/", "evil", "a\x00b"):
        assert alice_client.post("/memories/dismiss/", {"next": elsewhere}).headers["Location"] == "/"
    assert alice_client.get("/memories/strip/").content == b""
    assert "1 year ago" in alice_client.get("/memories/").content.decode()
    assert count_queries(alice_client, "/memories/") <= 6


def test_the_timeline_keeps_room_for_memories_from_the_first_visit_on(cast: Cast, alice_client: Client) -> None:
    room, today = 'class="memories-strip"', timezone.localdate()
    make_rows(cast.alice, 1)
    assert room not in alice_client.get("/").content.decode()
    now = datetime(today.year, today.month, today.day, 12, tzinfo=UTC)
    years = 4 if (today.month, today.day) == (2, 29) else 1
    make_rows(cast.alice, 1, timeline_at=now.replace(year=today.year - years))
    assert room in alice_client.get("/").content.decode()
    alice_client.get("/memories/strip/")
    assert alice_client.cookies["memories"].value == f"{today}.some"
    alice_client.cookies["memories"] = f"{today}.none"  # what the strip has told today is believed
    assert room not in alice_client.get("/").content.decode()
    alice_client.cookies["memories"] = f"{today - timedelta(days=1)}.none"
    assert room in alice_client.get("/").content.decode()
    alice_client.post("/memories/dismiss/")
    assert "/memories/strip/" not in alice_client.get("/").content.decode()


def test_who_has_no_memories_is_told_so(cast: Cast, alice_client: Client) -> None:
    assert "Look again tomorrow" in alice_client.get("/memories/").content.decode()
    assert "section" not in alice_client.get("/memories/strip/").content.decode()


@pytest.mark.parametrize("path", ["/map/", "/map/points/", "/memories/", "/memories/strip/", "/people/"])
def test_who_is_not_signed_in_is_asked_to(db: None, path: str) -> None:
    assert Client().get(path).status_code == 302
