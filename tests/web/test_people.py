"""People by name: who sees and names them, and what joining two does."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from album.models import Album, ItemPerson, MediaItem, Person
from album.services.editing import EditRefused
from album.services.people import merge_people
from tests.cast import Cast, make_rows

REMOVED = ItemPerson.Source.REMOVED


def know(cast: Cast, name: str, *items: MediaItem, **columns: Any) -> Person:
    person = Person.objects.create(owner=cast.alice, name=name)
    for item in items:
        ItemPerson.objects.create(item=item, person=person, **columns)
    return person


def items_of(person: Person) -> dict[int, str]:
    return dict(ItemPerson.objects.filter(person=person).values_list("item", "source"))


def client_of(user: Any) -> Client:
    client = Client()
    client.force_login(user)
    return client


def test_everybody_is_listed_with_a_face_and_a_count(cast: Cast, alice_client: Client) -> None:
    first, second = make_rows(cast.alice, 2)
    know(cast, "Ada", first, second)
    know(cast, "Bo", first)
    know(cast, "Cy", second, source=REMOVED)
    page = alice_client.get("/people/").content.decode()
    assert page.index("Ada</b>") < page.index("Bo</b>") < page.index("Cy</b>")
    assert "2 photos and videos" in page
    assert "0 photos and videos" in page
    assert page.count("/thumbnail/") == 2
    assert "Bo</b>" not in alice_client.get("/people/", {"q": "ad"}).content.decode()
    know(cast, "Émile", first)
    assert "Émile</b>" in alice_client.get("/people/", {"q": "émi"}).content.decode()


def test_the_list_asks_as_often_for_many_as_for_few(cast: Cast, alice_client: Client) -> None:
    def count() -> int:
        alice_client.get("/people/")
        with CaptureQueriesContext(connection) as queries:
            alice_client.get("/people/")
        return len(queries)

    know(cast, "Ada", *make_rows(cast.alice, 1))
    few = count()
    for number in range(20):
        know(cast, f"person {number}", *make_rows(cast.alice, 2))
    assert count() == few <= 6


def test_a_person_has_a_page_with_their_items_only(cast: Cast, alice_client: Client) -> None:
    mine, other, away = make_rows(cast.alice, 3)
    ada = know(cast, "Ada", mine)
    ItemPerson.objects.create(item=away, person=ada, source=REMOVED)
    page = alice_client.get(f"/people/{ada.pk}/").content.decode()
    assert f'href="/media/{mine.pk}/"' in page
    assert f'href="/media/{other.pk}/"' not in page
    rows = alice_client.get(f"/people/{ada.pk}/items/").json()["rows"]
    assert [row["id"] for row in rows] == [mine.pk]
    assert [count for _month, count in alice_client.get(f"/people/{ada.pk}/months/").json()] == [1]


@pytest.mark.parametrize("place", ["before=zz", "month=2026-99", "before=1.1%00"])
def test_a_place_that_is_none_is_refused(cast: Cast, alice_client: Client, place: str) -> None:
    ada = know(cast, "Ada")
    assert alice_client.get(f"/people/{ada.pk}/items/?{place}").status_code == 400


def test_a_new_name_is_taken_and_that_of_another_joins_the_two(cast: Cast, alice_client: Client) -> None:
    first, second = make_rows(cast.alice, 2)
    ada, lovelace = know(cast, "Ada", first), know(cast, "Lovelace", second)
    alice_client.post(f"/people/{ada.pk}/rename/", {"name": "Augusta"})
    ada.refresh_from_db()
    assert ada.name == "Augusta"
    answer = alice_client.post(f"/people/{ada.pk}/rename/", {"name": " lovelace"})
    assert answer.headers["Location"] == f"/people/{lovelace.pk}/"
    assert set(items_of(lovelace)) == {first.pk, second.pk}
    assert not Person.objects.filter(pk=ada.pk).exists()


def test_what_was_said_of_either_holds_for_both(cast: Cast) -> None:
    a, b, c, d = make_rows(cast.alice, 4)
    one, two = know(cast, "one", a, b), know(cast, "two", c)
    ItemPerson.objects.create(item=b, person=two, source=REMOVED)
    ItemPerson.objects.create(item=d, person=one, source=REMOVED)
    merge_people(person=one, into=two)
    assert items_of(two) == {a.pk: "person", b.pk: "person", c.pk: "person", d.pk: "removed"}
    with pytest.raises(EditRefused):
        merge_people(person=two, into=two)


@pytest.mark.parametrize("name", ["", " ", "x" * 121, "\0"])
def test_a_name_that_is_none_changes_nothing(cast: Cast, alice_client: Client, name: str) -> None:
    ada = know(cast, "Ada")
    page = alice_client.post(f"/people/{ada.pk}/rename/", {"name": name}, follow=True).content.decode()
    assert "A name has 1 to 120 characters" in page
    ada.refresh_from_db()
    assert ada.name == "Ada"


def test_faces_are_chosen_among_the_own_pictures(cast: Cast, alice_client: Client) -> None:
    first, second, other = make_rows(cast.alice, 3)
    ada = know(cast, "Ada", first, second)
    alice_client.post(f"/people/{ada.pk}/face/", {"item": first.pk})
    alice_client.post(f"/people/{ada.pk}/face/", {"item": other.pk})
    ada.refresh_from_db()
    assert ada.cover_id == first.pk
    assert f"/media/{first.pk}/thumbnail/" in alice_client.get("/people/").content.decode()
    assert alice_client.post(f"/people/{ada.pk}/face/", {"item": "x"}).status_code == 404
    ItemPerson.objects.filter(item=first).update(source=REMOVED)
    assert f"/media/{second.pk}/thumbnail/" in alice_client.get("/people/").content.decode()


def test_automatic_albums_follow_a_person_to_another_name(cast: Cast, alice_client: Client) -> None:
    (item,) = make_rows(cast.alice, 1)
    ada, countess = know(cast, "Ada", item), know(cast, "Countess")
    album = Album.objects.create(owner=cast.alice, title="Us", rule={"people": ["ada", "Bo", "Countess"]})
    alice_client.post(f"/people/{ada.pk}/rename/", {"name": "Ada L."})
    album.refresh_from_db()
    assert album.rule == {"people": ["Ada L.", "Bo", "Countess"]}
    merge_people(person=Person.objects.get(pk=ada.pk), into=countess)
    album.refresh_from_db()
    assert album.rule == {"people": ["Countess", "Bo"]}


def test_a_forgotten_name_takes_no_picture_along(cast: Cast, alice_client: Client) -> None:
    (item,) = make_rows(cast.alice, 1)
    ada = know(cast, "<script>Ada", item)
    page = alice_client.post(f"/people/{ada.pk}/forget/", follow=True).content.decode()
    assert "<script>Ada" not in page
    assert not Person.objects.exists()
    assert MediaItem.objects.filter(pk=item.pk).exists()


def test_people_are_known_to_their_owner_and_to_site_admins(cast: Cast) -> None:
    (item,) = make_rows(cast.alice, 1)
    item.albums.add(cast.shared)
    ada = know(cast, "Ada", item)
    pages = [f"/people/{ada.pk}/{part}" for part in ("", "items/", "months/")]
    changes = [f"/people/{ada.pk}/{part}/" for part in ("rename", "merge", "face", "forget")]
    for user in (cast.bob, cast.dora, cast.charlie):
        client = client_of(user)
        assert [client.get(page).status_code for page in pages] == [404] * 3
        assert [client.post(change).status_code for change in changes] == [404] * 4
    assert [client_of(cast.admin).get(page).status_code for page in pages] == [200] * 3
    assert [Client().post(change).status_code for change in changes] == [302] * 4
    assert [client_of(cast.alice).get(change).status_code for change in changes] == [405] * 4
    assert Person.objects.filter(pk=ada.pk).exists()
