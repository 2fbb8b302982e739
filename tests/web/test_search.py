"""The search pages: what is found, why, for whom, in which order, and what is said of nonsense."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from album.models import Album, Embedding, ItemPerson, ItemTag, MediaItem, Person, Tag
from album.search import ranking, semantic
from tests.cast import Cast, make_rows


def found(client: Client, text: str, **params: Any) -> list[int]:
    """The ids of all pages of a search, in order."""
    ids: list[int] = []
    answer: dict[str, Any] = {"next": None}
    while True:
        place = {"before": answer["next"]} if answer["next"] else {}
        answer = client.get("/search/items/", {"q": text, "limit": 40, **params, **place}).json()
        ids += [row["id"] for row in answer["rows"]]
        if not answer["next"]:
            return ids


def notes(client: Client, text: str) -> dict[int, str]:
    rows = client.get("/search/items/", {"q": text}).json()["rows"]
    return {row["id"]: row.get("note", "") for row in rows}


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> dict[int, float]:
    """What the helper process answers; fill it."""
    answer: dict[int, float] = {}
    monkeypatch.setattr(semantic, "_ask", lambda question, line=None: semantic.Lookalikes(dict(answer)))
    return answer


def embed(*items: MediaItem) -> None:
    Embedding.objects.bulk_create(
        Embedding(item=item, weights="tiny-clip", revision="1", vector=b"\0\0") for item in items
    )


def test_the_page_shows_what_was_found_and_each_says_why(cast: Cast, alice_client: Client) -> None:
    (item,) = make_rows(cast.alice, 1, title="Sunday", description="Boats in the harbor", city="Genoa")
    make_rows(cast.alice, 1, description="a harbour without boots")
    ItemTag.objects.create(item=item, tag=Tag.objects.create(name="sailing boat"), source="caption")
    ItemPerson.objects.create(item=item, person=Person.objects.create(owner=cast.alice, name="Anna Bell"))
    assert notes(alice_client, "boat genoa anna sund") == {
        item.pk: "Title: sund · Tag: sailing boat · Person: Anna Bell · Place: Genoa · Description: boat"
    }
    page = alice_client.get("/search/", {"q": 'tag:"sailing boat" place:genoa'})
    assert b"1 found" in page.content
    assert page.content.count(b'class="chip"') == 2
    assert b"Tag: sailing boat" in page.content


def test_a_tag_that_was_taken_away_is_no_reason(cast: Cast, alice_client: Client) -> None:
    (item,) = make_rows(cast.alice, 1, title="cat")
    cat = Tag.objects.create(name="cat")
    for source in ("caption", "removed"):
        ItemTag.objects.create(item=item, tag=cat, source=source)
    assert notes(alice_client, "cat") == {item.pk: "Title: cat"}


def test_words_and_looks_are_fused_and_both_together_come_first(
    cast: Cast, alice_client: Client, looks: dict[int, float]
) -> None:
    both, worded, alike, other = make_rows(cast.alice, 4)
    MediaItem.objects.filter(pk__in=[both.pk, worded.pk]).update(description="a beach")
    (hidden,) = make_rows(cast.charlie, 1)
    embed(both, alike, other, hidden)
    looks |= {hidden.pk: 0.9, alike.pk: 0.8, both.pk: 0.7}
    assert found(alice_client, "beach") == [both.pk, worded.pk, alike.pk]
    assert notes(alice_client, "beach")[both.pk] == "Description: beach · Looks like it: 70 %"
    assert found(alice_client, '"beach"') == [worded.pk, both.pk], "quoted words are looked for as they are"
    assert found(alice_client, "beach", sort="newest") == [worded.pk, both.pk]
    assert found(alice_client, "beach -description kind:video") == []


@pytest.mark.parametrize("address", ["/search/items/?q=sunset", "/media/{}/similar/items/"])
def test_who_sees_few_of_the_nearest_is_shown_those_further_away(
    cast: Cast, alice_client: Client, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    asked, near, far = make_rows(cast.alice, 3)
    hidden = make_rows(cast.charlie, 3)
    embed(asked, near, far, *hidden)
    alike = {item.pk: 0.9 - place / 10 for place, item in enumerate([near, *hidden, far])}

    def answer(question: dict[str, Any], line: Any = None) -> semantic.Lookalikes:
        told = dict(list(alike.items())[: 3 if question["most"] <= ranking.MOST + 1 else None])
        return semantic.Lookalikes(told, more=len(told) < len(alike))

    monkeypatch.setattr(semantic, "_ask", answer)
    rows = alice_client.get(address.format(asked.pk)).json()["rows"]
    assert [row["id"] for row in rows] == [near.pk, far.pk]


def test_filters_hold_for_what_looks_like_it_too(cast: Cast, alice_client: Client, looks: dict[int, float]) -> None:
    photo, video = make_rows(cast.alice, 2)
    MediaItem.objects.filter(pk=video.pk).update(kind="video")
    embed(photo, video)
    looks |= {video.pk: 0.9, photo.pk: 0.8}
    assert found(alice_client, "sunset is:photo") == [photo.pk]


@pytest.mark.parametrize(("problem", "words"), [("starting", "being prepared"), ("weights", "not installed")])
def test_without_the_helper_words_alone_find_and_the_page_says_so(
    cast: Cast, alice_client: Client, monkeypatch: pytest.MonkeyPatch, problem: str, words: str
) -> None:
    (item,) = make_rows(cast.alice, 1, title="beach")
    embed(item)
    monkeypatch.setattr(semantic, "_ask", lambda question, line=None: semantic.Lookalikes(problem=problem))
    page = alice_client.get("/search/", {"q": "beach"}).content.decode()
    assert words in page
    assert f'data-id="{item.pk}"' in page


def test_everyone_finds_what_they_may_see_alone(cast: Cast, looks: dict[int, float]) -> None:
    (item,) = make_rows(cast.alice, 1, title="beach")
    cast.shared.items.add(item)
    embed(item)
    looks |= {item.pk: 0.9}
    client = Client()
    for user, ids in ((cast.alice, [item.pk]), (cast.bob, [item.pk]), (cast.admin, [item.pk]), (cast.charlie, [])):
        client.force_login(user)
        assert found(client, "beach") == found(client, "beach", sort="newest") == found(client, "lagoon") == ids
        assert client.get(f"/media/{item.pk}/similar/").status_code == (200 if ids else 404)
        assert client.get(f"/media/{item.pk}/similar/items/").status_code == (200 if ids else 404)
        suggested = client.get("/search/suggest/", {"q": "hol"}).json()["suggestions"]
        assert bool(suggested) == bool(ids)


@pytest.mark.parametrize("path", ["/search/", "/search/items/", "/search/suggest/", "/media/1/similar/"])
def test_strangers_are_asked_to_sign_in(client: Client, db: None, path: str) -> None:
    assert client.get(path).status_code == 302


def test_pages_go_on_to_the_end_without_repeats(cast: Cast, alice_client: Client) -> None:
    items = make_rows(cast.alice, 130, title="row")
    for sort in ("best", "newest"):
        assert sorted(found(alice_client, "row", sort=sort)) == sorted(item.pk for item in items)
    page = alice_client.get("/search/", {"q": "row", "before": "60"})
    assert page.content.count(b'class="tile"') == 60


@pytest.mark.parametrize("trashed", [slice(0, 5), slice(3, 30), slice(0, 30)])
def test_what_leaves_the_list_takes_nothing_else_along(
    cast: Cast, alice_client: Client, trashed: slice[int, int, int]
) -> None:
    items = make_rows(cast.alice, 70, title="row")
    first = alice_client.get("/search/items/?q=row&limit=30").json()
    seen = [row["id"] for row in first["rows"]]
    MediaItem.objects.filter(pk__in=seen[trashed]).update(trashed_at=datetime.now(UTC))
    while first["next"]:
        first = alice_client.get(f"/search/items/?q=row&limit=30&before={first['next']}").json()
        seen += [row["id"] for row in first["rows"]]
    assert set(seen) == {item.pk for item in items}


def test_what_is_pictured_similarly_comes_by_likeness(
    cast: Cast, alice_client: Client, looks: dict[int, float]
) -> None:
    item, near, far = make_rows(cast.alice, 3)
    (hidden,) = make_rows(cast.charlie, 1)
    embed(item)
    looks |= {item.pk: 1.0, hidden.pk: 0.99, near.pk: 0.9, far.pk: 0.5}
    rows = alice_client.get(f"/media/{item.pk}/similar/items/").json()["rows"]
    assert [(row["id"], row["note"]) for row in rows] == [(near.pk, "90 % alike"), (far.pk, "50 % alike")]
    assert b"data-grid" in alice_client.get(f"/media/{item.pk}/similar/").content
    assert b"not been compared" in alice_client.get(f"/media/{near.pk}/similar/").content


def test_a_filter_that_makes_no_sense_is_named_with_what_is_possible(cast: Cast, alice_client: Client) -> None:
    (item,) = make_rows(cast.alice, 1, title="sea")
    page = alice_client.get("/search/", {"q": "sea colour:red before:soon"}).content.decode()
    assert "There is no filter “colour:”. There are tag:, person:" in page
    assert "“before:soon” makes no sense" in page
    assert f'data-id="{item.pk}"' in page


HOSTILE = ["<script>alert(1)</script>", "\u202egnp.exe", "a" * 5000, "=cmd()", "nul\x00nul", '"', "tag:", "-" * 300]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_inert(cast: Cast, alice_client: Client, text: str) -> None:
    for path in ("/search/", "/search/items/", "/search/suggest/"):
        answer = alice_client.get(path, {"q": text})
        assert answer.status_code == 200
        assert b"<script>alert" not in answer.content


@pytest.mark.parametrize("before", ["-1", "x", "9" * 30, "²", "1.5.5", "zz.1"])
@pytest.mark.parametrize("sort", ["best", "newest"])
def test_a_place_that_nobody_gave_out_is_refused(cast: Cast, alice_client: Client, before: str, sort: str) -> None:
    for path in ("/search/", "/search/items/"):
        answer = alice_client.get(path, {"q": "sea", "before": before, "sort": sort})
        assert answer.status_code == 400
        assert b"place in the list" in answer.content


def test_suggestions_complete_the_last_word(cast: Cast, alice_client: Client) -> None:
    items = make_rows(cast.alice, 3, city="Barcelona", camera="Canon EOS R6")
    (others,) = make_rows(cast.charlie, 1, city="Bari")
    barn, secret = Tag.objects.create(name="red barn"), Tag.objects.create(name="barge")
    for item in items[:2]:
        ItemTag.objects.create(item=item, tag=barn, source="caption")
    ItemTag.objects.create(item=items[0], tag=barn, source="zero-shot")
    ItemTag.objects.create(item=others, tag=secret, source="caption")

    def told(text: str) -> list[tuple[str, str, str, int | None]]:
        answer = alice_client.get("/search/suggest/", {"q": text}).json()["suggestions"]
        return [(one["kind"], one["label"], one["text"], one["count"]) for one in answer]

    assert told("sunny -bar") == [
        ("Tag", "red barn", 'sunny -tag:"red barn" ', 2),
        ("Place", "Barcelona", "sunny -place:Barcelona ", 3),
    ]
    assert told("place:ba") == [("Place", "Barcelona", "place:Barcelona ", 3)]
    assert told('camera:"canon eo') == [("Camera", "Canon EOS R6", 'camera:"Canon EOS R6" ', 3)]
    assert told("holi") == [("Album", "Holiday", "album:Holiday ", None)]
    assert told("b") == told("") == told("colour:ba") == []


@pytest.mark.parametrize(
    ("typed", "text"),
    [
        ("sea album:big", 'sea album:"The ""Big"" Day" '), ('album:"the ""bi', 'album:"The ""Big"" Day" '),
        ('"the sea" -dog tag:vin', '"the sea" -dog tag:"12"" vinyl" '),
        ('tag:"12"" vi', 'tag:"12"" vinyl" '),
    ],
)  # fmt: skip
def test_a_suggestion_with_quotes_finds_what_it_names(
    cast: Cast, alice_client: Client, typed: str, text: str
) -> None:
    (item,) = make_rows(cast.alice, 1, title="The sea")
    Album.objects.create(owner=cast.alice, title='The "Big" Day').items.add(item)
    ItemTag.objects.create(item=item, tag=Tag.objects.create(name='12" vinyl'), source="person")
    (told,) = alice_client.get("/search/suggest/", {"q": typed}).json()["suggestions"]
    assert told["text"] == text
    rows = alice_client.get("/search/items/", {"q": text, "sort": "newest"}).json()["rows"]
    assert [row["id"] for row in rows] == [item.pk]


def test_queries_do_not_grow_with_what_is_found(cast: Cast, alice_client: Client) -> None:
    def count(path: str) -> int:
        with CaptureQueriesContext(connection) as queries:
            assert alice_client.get(path).status_code == 200
        return len(queries)

    tag = Tag.objects.create(name="row")
    paths = ("/search/?q=row", "/search/items/?q=row", "/search/?q=row&sort=newest", "/search/suggest/?q=row")
    tagged = make_rows(cast.alice, 2)
    ItemTag.objects.bulk_create(ItemTag(item=item, tag=tag, source="caption") for item in tagged)
    for path in paths:
        count(path)  # what is remembered between requests is read once
    few = [count(path) for path in paths]
    tagged = make_rows(cast.alice, 100)
    ItemTag.objects.bulk_create(ItemTag(item=item, tag=tag, source="caption") for item in tagged)
    few[2] += 2  # what there is beyond the first page is counted
    assert [count(path) for path in paths] == few
    assert max(few) <= 11
