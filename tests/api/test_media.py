"""Media for programs: pieces of lists, filters, what people write, the trash."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from album.models import ApiKey, Embedding, Favourite, MediaItem
from album.services.editing import add_tag, name_person
from tests.api.conftest import Program
from tests.cast import Cast, make_photo, make_rows

NOON = datetime(2026, 7, 31, 12, tzinfo=UTC)


def ids(answer: Any) -> list[int]:
    assert answer.status_code == 200, answer.content
    return [row["id"] for row in answer.json()["results"]]


def test_a_list_is_walked_by_its_next_addresses_and_skips_nothing(cast: Cast, program: Program) -> None:
    rows = make_rows(cast.alice, 25, timeline_at=NOON)  # all at once: the place must tell them apart
    address, seen = "media/?limit=10", []
    while address:
        answer = program.get(address)
        seen += ids(answer)
        if len(seen) == 10:
            make_rows(cast.alice, 1, timeline_at=NOON + timedelta(days=1))  # comes in meanwhile
        address = answer.json()["next"]
    assert seen == sorted((row.pk for row in rows), reverse=True)


def test_the_timeline_is_ones_own_and_visible_is_all_that_may_be_seen(cast: Cast, program: Program) -> None:
    mine, archived = make_photo(cast.alice), make_photo(cast.alice, seed=1, archived_at=NOON)
    bobs, hidden = make_photo(cast.bob, seed=2, album=cast.shared), make_photo(cast.bob, seed=3)
    trashed = make_photo(cast.alice, seed=4, trashed_at=NOON)
    Favourite.objects.create(user=cast.alice, item=bobs)
    assert ids(program.get("media/")) == [mine.pk]
    assert ids(program.get("media/?shelf=archive")) == [archived.pk]
    assert ids(program.get("media/?shelf=trash")) == [trashed.pk]
    assert ids(program.get("media/?shelf=favourites")) == [bobs.pk]
    assert set(ids(program.get("media/?shelf=visible"))) == {mine.pk, archived.pk, bobs.pk}
    assert program.get(f"media/{hidden.pk}/").status_code == 404
    assert program.get(f"media/{trashed.pk}/").json()["is_in_trash"] is True


@pytest.mark.parametrize(
    ("query", "is_found"),
    [
        ("kind=photo", True),
        ("kind=video", False),
        ("tag=sea", True),
        ("tag=Forest", False),
        ("favourite=true", True),
        ("favourite=false", True),
        ("rating=4", True),
        ("rating=5", False),
        ("year=2026&month=2026-07", True),
        ("month=2026-08", False),
        ("bbox=-10,38,-9,39", True),
        ("bbox=0,0,1,1", False),
        ("camera=Fuji", True),
        ("place=Lisbon", True),
        ("status=pending", True),
        ("status=completed", False),
    ],
)
def test_filters_are_those_of_the_timeline(cast: Cast, program: Program, query: str, is_found: bool) -> None:
    (item,) = make_rows(
        cast.alice,
        1,
        timeline_at=NOON,
        rating=4,
        latitude_deg=38.7,
        longitude_deg=-9.1,
        city="Lisbon",
        camera="Fuji",
    )
    add_tag(item=item, name="sea")
    Favourite.objects.create(user=cast.alice, item=item)
    assert ids(program.get(f"media/?{query}")) == [item.pk] * is_found


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("limit=0", "limit"),
        ("limit=501", "limit"),
        ("limit=ten", "limit"),
        ("limit=1_0", "limit"),
        ("limit=1&limit=2", "limit"),
        ("favourite=yes", "favourite"),
        ("kind=", "kind"),
        ("colour=red", "colour"),
        ("tag=%00", "tag"),
    ],
)
def test_a_question_that_makes_no_sense_is_refused_by_name(
    cast: Cast, program: Program, query: str, name: str
) -> None:
    answer = program.get(f"media/?{query}")
    assert (answer.status_code, list(answer.json()["errors"])) == (400, [name])


@pytest.mark.parametrize(
    "query", ["before=x", "before=" + "f" * 40, "month=2026-13", "bbox=1,2", "album=1", "person=9"]
)
def test_a_place_or_thing_that_is_not_there_is_refused_in_words(cast: Cast, program: Program, query: str) -> None:
    cast.shared.owner = cast.charlie
    cast.shared.save()
    answer = program.get(f"media/?{query}".replace("album=1", f"album={cast.shared.pk}"))
    assert (answer.status_code, answer.json()["errors"]) == (400, {})
    assert len(answer.json()["detail"]) > 10


def test_a_list_costs_a_constant_number_of_queries(
    cast: Cast, program: Program, django_assert_max_num_queries: Any
) -> None:
    for row in make_rows(cast.alice, 60, timeline_at=NOON):
        cast.shared.items.add(row)
    name_person(item=MediaItem.objects.first() or row, name="Ann")
    program.get("me/")  # the use of a key is noted once a minute
    addresses = ("media/", f"media/?tag=sea&album={cast.shared.pk}", "albums/", "tags/", "people/", "links/")
    for address in (*addresses, "batches/", f"albums/{cast.shared.pk}/items/", "search/?q=row"):
        with django_assert_max_num_queries(11 if address.startswith("search") else 6):
            assert program.get(address).status_code == 200
    bob = Program(cast.bob)
    bob.get("me/")
    with django_assert_max_num_queries(6):
        assert len(ids(bob.get("media/?shelf=visible"))) == 60


def test_what_people_write_is_theirs(cast: Cast, program: Program) -> None:
    item = make_photo(cast.alice)
    wanted = {
        "title": "By the sea",
        "description": "Waves",
        "taken_at_local": "2026-07-31T18:05:00",
        "time_zone": "Europe/Lisbon",
        "rating": 5,
        "latitude_deg": 38.7,
        "longitude_deg": -9.1,
        "is_favourite": True,
        "is_archived": True,
    }
    told = program.ask("PATCH", f"media/{item.pk}/", wanted).json()
    assert {name: told[name] for name in wanted} == wanted
    assert (told["taken_at"], told["timeline_at"]) == ("2026-07-31T17:05:00Z", "2026-07-31T18:05:00")
    assert set(told["edited_fields"]) == {"title", "description", "date", "place", "rating"}
    away = program.ask("PATCH", f"media/{item.pk}/", {"latitude_deg": None, "longitude_deg": None, "rating": None})
    assert (away.json()["latitude_deg"], away.json()["rating"], away.json()["city"]) == (None, None, "")


def test_a_change_is_made_whole_or_not_at_all(cast: Cast, program: Program) -> None:
    item = make_photo(cast.alice)
    for wrong in (
        {"time_zone": "Mars/Base", "taken_at_local": "2026-07-31T18:05:00"},
        {"taken_at_local": "1700-01-01T00:00:00"},
        {"latitude_deg": 5.0},
    ):
        answer = program.ask("PATCH", f"media/{item.pk}/", {"title": "x", **wrong})
        assert answer.status_code == 400, wrong
        item.refresh_from_db()
        assert (item.title, item.edited_fields) == ("", [])


@pytest.mark.parametrize(
    "wrong",
    [
        {"title": 5},
        {"title": None},
        {"title": "x" * 201},
        {"title": "a\x00b"},
        {"rating": "5"},
        {"rating": True},
        {"is_favourite": 1},
        {"latitude_deg": "5"},
        {"taken_at_local": "yesterday"},
        {"taken_at_local": "2026-07-31T18:05:00+02:00"},
        {"titel": "x"},
        ["title"],
    ],
)
def test_a_value_of_another_kind_is_refused(cast: Cast, program: Program, wrong: Any) -> None:
    item = make_photo(cast.alice)
    answer = program.ask("PATCH", f"media/{item.pk}/", wrong)
    assert answer.status_code == 400 and answer.json()["errors"]


def test_bodies_that_are_no_json_are_refused(cast: Cast, program: Program) -> None:
    path = f"/api/v1/media/{make_photo(cast.alice).pk}/"
    for body in (b"{", b"\xff", b'{"rating": NaN}', b"[" * 100_000, b'{"title": "\\ud800"}'):
        assert program.client.patch(path, body, content_type="application/json").status_code == 400
    assert (
        program.client.patch(path, b"title=x", content_type="application/x-www-form-urlencoded").status_code == 415
    )


def test_a_viewers_heart_is_the_viewers_own(cast: Cast, program: Program) -> None:
    item, bob = make_photo(cast.alice, album=cast.shared), Program(cast.bob)
    assert bob.ask("PATCH", f"media/{item.pk}/", {"is_favourite": True}).json()["is_favourite"] is True
    assert program.get(f"media/{item.pk}/").json()["is_favourite"] is False
    for wrong in ({"title": "x"}, {"is_archived": True}, {"is_favourite": False, "rating": 1}):
        assert bob.ask("PATCH", f"media/{item.pk}/", wrong).status_code == 403
    assert Favourite.objects.get().user == cast.bob


def test_tags_and_people_come_and_go_one_by_one(cast: Cast, program: Program) -> None:
    item = make_photo(cast.alice)
    program.ask("POST", f"media/{item.pk}/tags/", {"name": "places/rome"})
    assert program.ask("DELETE", f"media/{item.pk}/tags/places%2Frome/").status_code == 204
    told = program.ask("POST", f"media/{item.pk}/tags/", {"name": "Sea"}).json()
    assert told["tags"] == [{"name": "sea", "source": "person", "score": 1.0}]
    (person,) = program.ask("POST", f"media/{item.pk}/people/", {"name": "Ann"}).json()["people"]
    assert program.ask("DELETE", f"media/{item.pk}/tags/sea/").status_code == 204
    assert program.ask("DELETE", f"media/{item.pk}/tags/sky/").status_code == 404
    assert program.ask("DELETE", f"media/{item.pk}/people/{person['id']}/").status_code == 204
    told = program.get(f"media/{item.pk}/").json()
    assert (told["tags"], told["people"]) == ([], [])


def test_the_trash_gives_back(cast: Cast, program: Program) -> None:
    item = make_photo(cast.alice)
    assert program.ask("DELETE", f"media/{item.pk}/").status_code == 204
    assert ids(program.get("media/")) == [] and program.ask("DELETE", f"media/{item.pk}/").status_code == 404
    assert program.ask("POST", f"media/{item.pk}/restore/").json()["is_in_trash"] is False
    assert ids(program.get("media/")) == [item.pk]


def test_files_open_with_the_key_that_may_read(cast: Cast, program: Program) -> None:
    item = make_photo(cast.alice)
    files = program.get(f"media/{item.pk}/").json()["files"]
    assert files["playback"] is files["motion"] is None
    for name, kind in (("thumbnail", "image/webp"), ("preview", "image/jpeg"), ("original", "image/jpeg")):
        answer = program.client.get(files[name])
        assert (answer.status_code, answer.headers["Content-Type"]) == (200, kind)
        assert "immutable" in answer.headers["Cache-Control"]
        assert b"".join(answer)
        assert Client().get(files[name]).status_code == 302
    ApiKey.objects.update(scopes=["upload"])
    assert program.client.get(files["original"]).status_code == 302


def test_what_has_not_changed_is_not_sent_again(cast: Cast, program: Program) -> None:
    item = make_photo(cast.alice)
    first = program.get(f"media/{item.pk}/")
    assert first.headers["Cache-Control"] == "private, no-cache"
    again = program.get(f"media/{item.pk}/", **{"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    program.ask("PATCH", f"media/{item.pk}/", {"title": "x"})
    assert program.get(f"media/{item.pk}/", **{"If-None-Match": first.headers["ETag"]}).status_code == 200


def test_what_looks_like_an_item_says_why_there_is_nothing(cast: Cast, program: Program) -> None:
    item = make_photo(cast.alice)
    told = program.get(f"media/{item.pk}/similar/").json()
    assert (told["results"], told["looks"], Embedding.objects.count()) == ([], "none", 0)


@pytest.mark.parametrize("sort", ["best", "newest"])
def test_a_search_is_followed_to_its_end(cast: Cast, program: Program, sort: str) -> None:
    items = make_rows(cast.alice, 70, title="sea")
    answer = program.get(f"search/?q=sea&limit=30&sort={sort}").json()
    found = [row["id"] for row in answer["results"]]
    while answer["next"]:
        answer = program.get(answer["next"]).json()
        found += [row["id"] for row in answer["results"]]
    assert sorted(found) == sorted(item.pk for item in items)


def test_a_search_says_why_and_what_it_left_out(cast: Cast, program: Program) -> None:
    item = make_photo(cast.alice, title="By the sea")
    make_photo(cast.charlie, seed=1, title="Another sea")
    told = program.get("search/?q=sea+colour:red").json()
    assert [(row["id"], row["why"]) for row in told["results"]] == [(item.pk, "Title: sea")]
    assert told["left_out"] == [{"kind": "name", "name": "colour", "value": "red"}]
    assert (told["count"], told["is_capped"]) == (1, False)
    for wrong in ("search/", "search/?q=%20", "search/?q=sea&before=x", "search/?q=sea&sort=oldest"):
        assert program.get(wrong).status_code == 400, wrong
