"""Pages of albums: what they show to whom, and what people change there."""

from __future__ import annotations

import io
import re
import zipfile
from datetime import UTC, datetime
from urllib.parse import urlsplit

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from album.models import Album, AlbumItem, MediaItem, Person
from album.services import albums as service
from album.services.albums import Role
from tests.cast import Cast, make_photo, make_rows

EVERYBODY = ("alice", "bob", "eve", "dora", "root", "charlie")


@pytest.fixture
def eve(cast: Cast) -> User:
    """The editor of the shared album."""
    eve = User.objects.create_user("eve", password="correct horse")
    cast.shared.editors.add(eve)
    return eve


def client_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def statuses(cast: Cast, name: str, method: str = "get", **data: str) -> dict[str, int]:
    users = User.objects.in_bulk(EVERYBODY, field_name="username")
    url = reverse(f"album:{name}", args=(cast.shared.pk,))
    return {user: getattr(client_of(users[user]), method)(url, data).status_code for user in EVERYBODY}


@pytest.mark.parametrize("name", ["album", "album_items", "album_months", "album_people"])
def test_members_see_an_album_and_strangers_do_not_know_it(cast: Cast, eve: User, name: str) -> None:
    assert statuses(cast, name) == {"alice": 200, "bob": 200, "eve": 200, "dora": 200, "root": 200, "charlie": 404}
    assert Client().get(reverse(f"album:{name}", args=(cast.shared.pk,))).status_code == 302


@pytest.mark.parametrize("name", ["album_edit", "album_arrange", "album_links"])
def test_admins_change_an_album_and_members_are_told_that_they_may_not(cast: Cast, eve: User, name: str) -> None:
    assert statuses(cast, name) == {"alice": 200, "bob": 403, "eve": 403, "dora": 200, "root": 200, "charlie": 404}


def test_an_admin_of_an_inner_album_leaves_it_where_it_lies_and_does_not_learn_where(cast: Cast) -> None:
    outer = service.save_album(user=cast.alice, album=Album(title="Only for alice"))
    inner = service.save_album(user=cast.alice, album=Album(title="Inner", parent=outer))
    inner.admins.add(cast.dora)
    address, dora = reverse("album:album_edit", args=(inner.pk,)), client_of(cast.dora)
    assert "Only for alice" not in dora.get(address).content.decode()
    assert dora.post(address, {"title": "Renamed", "order": "oldest"}).status_code == 302
    inner.refresh_from_db()
    assert (inner.title, inner.parent) == ("Renamed", outer)


def test_only_the_owner_deletes_an_album(cast: Cast, eve: User) -> None:
    for user, expected in ((cast.charlie, 404), (cast.bob, 403), (eve, 403), (cast.dora, 403), (cast.alice, 302)):
        answer = client_of(user).post(reverse("album:album_delete", args=(cast.shared.pk,)))
        assert answer.status_code == expected
    assert not Album.objects.filter(pk=cast.shared.pk).exists()


def test_editors_fetch_images_into_an_album_and_viewers_do_not(cast: Cast, eve: User) -> None:
    told = statuses(cast, "import_url")
    assert told == {"alice": 200, "bob": 403, "eve": 200, "dora": 200, "root": 200, "charlie": 404}


def test_an_album_is_made_and_changed_by_its_form(cast: Cast, alice_client: Client) -> None:
    answer = alice_client.post("/albums/new/", {"title": " Alps ", "description": "<b>high</b>", "order": "oldest"})
    album = Album.objects.get(title="Alps")
    assert answer.headers["Location"] == f"/albums/{album.pk}/"
    assert (album.owner, album.order) == (cast.alice, "oldest")
    page = alice_client.get(f"/albums/{album.pk}/").content.decode()
    assert "&lt;b&gt;high&lt;/b&gt;" in page
    answer = alice_client.post(
        f"/albums/{album.pk}/edit/",
        {"title": "Hills", "parent": cast.shared.pk, "order": "newest", "initial-description": "<b>high</b>"},
    )
    album.refresh_from_db()
    assert (album.title, album.parent, album.description) == ("Hills", cast.shared, "")


@pytest.mark.parametrize(
    "wrong",
    [
        {"title": ""}, {"title": "x" * 201}, {"title": "a\x00b"}, {"title": "A", "parent": "x"},
        {"title": "A", "parent": str(10**30)}, {"title": "A", "order": "random"},
    ],
)  # fmt: skip
def test_a_form_that_makes_no_sense_comes_back_with_words(alice_client: Client, wrong: dict[str, str]) -> None:
    answer = alice_client.post("/albums/new/", wrong)
    assert answer.status_code == 422
    assert b"errorlist" in answer.content


def test_an_automatic_album_is_made_by_its_form(cast: Cast, alice_client: Client) -> None:
    graz, wien = make_rows(cast.alice, 1, city="Graz") + make_rows(cast.alice, 1, city="Wien")
    url = "/albums/new/?automatic=1"
    assert alice_client.post(url, {"title": "Empty", "order": "newest"}).status_code == 422
    answer = alice_client.post(url, {"title": "Graz", "city": "Graz", "tags": " ", "order": "newest"})
    album = Album.objects.get(title="Graz")
    assert answer.headers["Location"] == f"/albums/{album.pk}/"
    assert album.rule == {"city": "Graz"}
    assert [row["id"] for row in alice_client.get(f"/albums/{album.pk}/items/").json()["rows"]] == [graz.pk]
    edited = {"title": "Wien", "city": "Wien", "order": "oldest"}
    assert alice_client.post(f"/albums/{album.pk}/edit/", edited).status_code == 302
    assert [row["id"] for row in alice_client.get(f"/albums/{album.pk}/items/").json()["rows"]] == [wien.pk]
    assert b'value="Wien"' in alice_client.get(f"/albums/{album.pk}/edit/").content


def test_names_with_commas_in_a_rule_stay_one(cast: Cast, alice_client: Client) -> None:
    rule = {"people": ["Smith, John", "Ann"], "tags": ['12" vinyl']}
    Person.objects.create(owner=cast.alice, name="Smith, John")
    album = Album.objects.create(owner=cast.alice, title="Us", rule=rule)
    page = alice_client.get(f"/albums/{album.pk}/edit/")
    assert '<option value="&quot;Smith, John&quot;">' in page.content.decode()
    shown = page.context["rule_form"]
    fields = {name: shown[name].value() for name in rule}
    alice_client.post(f"/albums/{album.pk}/edit/", {"title": "We", "order": "newest", **fields})
    album.refresh_from_db()
    assert (album.title, album.rule) == ("We", rule)


def test_a_form_left_open_does_not_undo_a_rule(cast: Cast, alice_client: Client) -> None:
    album = Album.objects.create(owner=cast.alice, title="Us", rule={"people": ["Ann"]})
    page = alice_client.get(f"/albums/{album.pk}/edit/").content.decode()
    fields = dict(re.findall(r'name="((?:initial-)?people)" value="([^"]*)"', page))
    assert fields["initial-people"] == "Ann"
    Album.objects.update(rule={"people": ["Anne"]})
    alice_client.post(f"/albums/{album.pk}/edit/", {"title": "We", "order": "newest", "people": "Ann", **fields})
    album.refresh_from_db()
    assert (album.title, album.rule) == ("We", {"people": ["Anne"]})


def ids_by_page(client: Client, album: Album, limit: int) -> list[int]:
    found: list[int] = []
    before: str | None = ""
    while before is not None:
        answer = client.get(f"/albums/{album.pk}/items/", {"limit": str(limit), "before": before}).json()
        found += [row["id"] for row in answer["rows"]]
        before = answer["next"]
    return found


@pytest.mark.parametrize("order", Album.Order)
def test_every_order_is_read_page_by_page_without_gaps(cast: Cast, alice_client: Client, order: str) -> None:
    same = datetime(2020, 1, 1, tzinfo=UTC)
    rows = [*make_rows(cast.alice, 5, timeline_at=same), *make_rows(cast.alice, 4)]
    cast.shared.items.set(rows)
    newest = [item.pk for item in MediaItem.objects.order_by("-timeline_at", "-pk")]
    expected = {"newest": newest, "oldest": newest[::-1]}
    if order == Album.Order.BY_HAND:
        placed = [rows[7].pk, rows[0].pk, rows[3].pk]
        service.arrange_items(user=cast.alice, album=cast.shared, item_ids=placed)
        expected[order] = placed + [item.pk for item in rows if item.pk not in placed]
    Album.objects.update(order=order)
    for limit in (1, 2, 100):
        assert ids_by_page(alice_client, cast.shared, limit) == expected[order]


@pytest.mark.parametrize("order", Album.Order)
@pytest.mark.parametrize("before", ["x", "'", "1.", "1.2.3", "\x00", "é", "9" * 50])
def test_a_place_that_nobody_gave_out_is_refused(cast: Cast, alice_client: Client, order: str, before: str) -> None:
    Album.objects.update(order=order)
    answer = alice_client.get(f"/albums/{cast.shared.pk}/items/", {"before": before})
    assert (answer.status_code, list(answer.json())) == (400, ["error"])
    assert alice_client.get(f"/albums/{cast.shared.pk}/", {"before": before}).status_code == 302


def test_the_list_shows_own_and_shared_albums_at_the_top(cast: Cast) -> None:
    inner = service.save_album(user=cast.alice, album=Album(title="Inner", parent=cast.shared))
    own = service.save_album(user=cast.bob, album=Album(title="Bob's own"))
    page = client_of(cast.bob).get("/albums/")
    assert [card.album for card in page.context["mine"]] == [own]
    assert [card.album for card in page.context["shared"]] == [cast.shared]
    page = client_of(cast.alice).get("/albums/")
    assert [card.album for card in page.context["mine"]] == [cast.shared]
    found = client_of(cast.alice).get("/albums/", {"q": "inn"})
    assert [card.album for card in found.context["mine"]] == [inner]
    service.set_member(user=cast.alice, album=inner, username="charlie", role=Role.VIEWER)
    alone = client_of(cast.charlie).get("/albums/")
    assert [card.album for card in alone.context["shared"]] == [inner]
    crumbs = client_of(cast.charlie).get(f"/albums/{inner.pk}/")
    assert crumbs.context["parents"] == []
    assert "Holiday" not in crumbs.content.decode()


@pytest.mark.parametrize("q", ["<script>", "\x00", "a" * 400, "%", "'; --", "\u202e"])
def test_hostile_searches_find_nothing(alice_client: Client, q: str) -> None:
    answer = alice_client.get("/albums/", {"q": q})
    assert answer.status_code == 200
    assert b"<script>" not in answer.content


def test_pages_cost_the_same_however_many_albums_there_are(cast: Cast, django_assert_max_num_queries) -> None:
    for number in range(12):
        album = service.save_album(user=cast.alice, album=Album(title=f"Album {number}", parent=cast.shared))
        album.items.set(make_rows(cast.alice, 2))
        service.save_album(user=cast.alice, album=Album(title=f"Rule {number}", rule={"city": f"Town {number}"}))
    client = client_of(cast.alice)
    client.get("/albums/")
    with django_assert_max_num_queries(9):
        client.get("/albums/")
    with django_assert_max_num_queries(18):
        assert len(client.get(f"/albums/{cast.shared.pk}/").context["inner"]) == 12
    with django_assert_max_num_queries(6):
        client.get(f"/albums/{cast.shared.pk}/items/")


def test_people_are_added_changed_and_taken_out(cast: Cast, alice_client: Client) -> None:
    url = f"/albums/{cast.shared.pk}/people/"
    assert alice_client.post(url, {"username": "charlie", "role": "editor"}).status_code == 302
    assert client_of(cast.charlie).get(f"/albums/{cast.shared.pk}/").status_code == 200
    wrong = alice_client.post(url, {"username": "<script>\x00", "role": "owner"})
    assert wrong.status_code == 422
    assert b"<script>\x00" not in wrong.content
    assert client_of(cast.bob).post(url, {"username": "charlie", "role": "admin"}).status_code == 403
    leave = f"/albums/{cast.shared.pk}/leave/"
    assert client_of(cast.bob).post(leave, {"member": "charlie"}).status_code == 403
    assert alice_client.post(leave, {"member": "charlie"}).status_code == 302
    assert client_of(cast.charlie).post(leave).status_code == 404
    assert client_of(cast.bob).post(leave).status_code == 302
    assert client_of(cast.bob).get(f"/albums/{cast.shared.pk}/").status_code == 404


def test_pictures_and_albums_are_put_in_order(cast: Cast, alice_client: Client) -> None:
    a, b = make_rows(cast.alice, 2)
    cast.shared.items.set([a, b])
    url = f"/albums/{cast.shared.pk}/arrange/"
    assert alice_client.get(url).status_code == 200
    alice_client.post(url, {"ids": f"{b.pk},x,{a.pk},{10**14},-3"})
    assert list(AlbumItem.objects.order_by("position").values_list("mediaitem", flat=True)) == [b.pk, a.pk]
    second = service.save_album(user=cast.alice, album=Album(title="Second"))
    alice_client.post("/albums/arrange/", {"ids": f"{second.pk},{cast.shared.pk}"})
    page = alice_client.get("/albums/")
    assert [card.album for card in page.context["mine"]] == [second, cast.shared]
    client_of(cast.bob).post("/albums/arrange/", {"ids": f"{cast.shared.pk},{second.pk}"})
    assert list(Album.objects.order_by("position")) == [second, cast.shared]


@pytest.mark.parametrize("item", ["x", "", "\x00", str(10**30), "-1"])
def test_a_cover_that_is_none_leaves_the_newest(cast: Cast, alice_client: Client, item: str) -> None:
    url = f"/albums/{cast.shared.pk}/cover/"
    assert alice_client.post(url, {"ids": item}).status_code == 302
    assert client_of(cast.bob).post(url, {"ids": item}).status_code == 403
    cast.shared.refresh_from_db()
    assert cast.shared.cover is None


def test_an_album_is_downloaded_as_a_whole_by_its_members(cast: Cast) -> None:
    photos = [make_photo(cast.alice, album=cast.shared, seed=seed) for seed in (1, 2)]
    url = f"/albums/{cast.shared.pk}/zip/"
    assert client_of(cast.charlie).post(url).status_code == 404
    answer = client_of(cast.bob).post(url)
    content = b"".join(answer)
    assert int(answer.headers["Content-Length"]) == len(content)
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        assert sorted(file.read(name) for name in file.namelist()) == sorted(p.path.read_bytes() for p in photos)


def test_the_pictures_of_an_album_open_for_a_viewer(cast: Cast) -> None:
    make_photo(cast.alice, album=cast.shared)
    bob = client_of(cast.bob)
    (row,) = bob.get(f"/albums/{cast.shared.pk}/items/").json()["rows"]
    answer = bob.get(row["picture"])
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "image/webp")
    b"".join(answer)
    page = bob.get("/albums/").content.decode()
    cover = re.search(r'<img src="(/media/[^"]+)"', page)
    assert cover is not None
    assert urlsplit(cover[1]).path == urlsplit(row["picture"]).path


def test_only_people_one_shares_with_already_are_suggested(cast: Cast, eve: User, alice_client: Client) -> None:
    User.objects.create_user("frank", is_active=False)
    other = Album.objects.create(title="Of charlie", owner=cast.charlie)
    other.editors.add(cast.alice)
    other.viewers.add(User.objects.get(username="frank"), User.objects.create_user("gina"))
    page = alice_client.get(f"/albums/{Album.objects.create(title='New', owner=cast.alice).pk}/people/")
    known = re.findall(
        r'<option value="(\w+)">', page.content.decode().partition('id="known"')[2].partition("<button")[0]
    )
    assert known[:5] == ["bob", "charlie", "dora", "eve", "gina"]
    assert not {"frank", "root", "alice"} & set(known)
    here = alice_client.get(f"/albums/{cast.shared.pk}/people/").content.decode()
    assert '<option value="charlie">' in here and '<option value="bob">' not in here
    assert 'id="known"' not in client_of(cast.bob).get(f"/albums/{cast.shared.pk}/people/").content.decode()


def test_photos_are_chosen_from_the_own_timeline_without_what_is_there(cast: Cast, eve: User) -> None:
    there, free, put_away = make_rows(cast.alice, 3)
    MediaItem.objects.filter(pk=put_away.pk).update(archived_at=timezone.now())
    (of_eve,) = make_rows(eve, 1)
    cast.shared.items.add(there)
    address = f"/albums/{cast.shared.pk}/add/"
    assert address in client_of(eve).get(f"/albums/{cast.shared.pk}/").content.decode()
    for user, item in ((cast.alice, free), (eve, of_eve)):
        page = client_of(user).get(address).content.decode()
        assert re.findall(r'<input type="checkbox" name="ids" value="(\d+)" form="chosen">', page) == [str(item.pk)]
        answer = client_of(user).get(f"{address}items/").json()
        assert ([row["id"] for row in answer["rows"]], answer["next"]) == ([item.pk], None)
        assert sum(count for _month, count in client_of(user).get(f"{address}months/").json()) == 1
    assert client_of(eve).get(f"{address}items/?before=x").status_code == 400
    assert client_of(eve).get(f"{address}?before=x").status_code == 302
    sent = client_of(eve).post(address, {"ids": [str(of_eve.pk), str(there.pk)]}, follow=True)
    page = sent.content.decode()
    assert "1 item was added." in page and "Only those who own them may do this." in page
    assert set(cast.shared.items.all()) == {there, of_eve}
    client_of(cast.alice).post(address, {"ids": f"{free.pk},{put_away.pk}"})  # as the script sends them
    assert cast.shared.items.count() == 4
    assert "nothing in your timeline" in client_of(eve).get(address).content.decode()


def test_without_javascript_what_was_checked_is_carried_on_to_the_next_page(
    cast: Cast, alice_client: Client
) -> None:
    rows = make_rows(cast.alice, 130)
    address, chosen = f"/albums/{cast.shared.pk}/add/", list[str]()
    page = alice_client.get(address).content.decode()
    assert "Selected" not in re.findall(r"<output>(.*)</output>", page)[0]
    for leaf in ([rows[-1], rows[-2]], []):
        there = re.findall(r'name="leaf" formaction="([^"]+)"', page)
        answer = alice_client.post(
            address + there[0], {"ids": [*chosen, *(str(row.pk) for row in leaf)], "leaf": ""}
        )
        page = answer.content.decode()
        chosen = re.findall(r'name="ids" id="chosen-ids" value="([\d,]+)"', page)
        assert (answer.status_code, chosen) == (200, [f"{rows[-1].pk},{rows[-2].pk}"])
        assert "<output>Selected: 2</output>" in page
        assert not cast.shared.items.exists()
    shown = re.findall(r'<input type="checkbox" name="ids" value="(\d+)"', page)
    assert len(shown) == 10 and 'name="leaf"' not in page
    alice_client.post(address, {"ids": [*chosen, shown[0]]})
    assert set(cast.shared.items.values_list("pk", flat=True)) == {rows[-1].pk, rows[-2].pk, int(shown[0])}


@pytest.mark.parametrize("ids", ["", "x", "1,", "9" * 30, "-1", ",".join(map(str, range(1, 5002)))])
def test_a_choice_that_is_none_is_refused_with_words(cast: Cast, alice_client: Client, ids: str) -> None:
    make_rows(cast.alice, 1)
    answer = alice_client.post(f"/albums/{cast.shared.pk}/add/", {"ids": ids}, follow=True)
    assert answer.status_code == 200
    assert 'class="notice error"' in answer.content.decode()
    assert not cast.shared.items.exists()


def test_an_album_that_fills_itself_is_not_added_to(cast: Cast, alice_client: Client) -> None:
    album = Album.objects.create(title="Automatic", owner=cast.alice, rule={"kind": "photo"})
    assert alice_client.get(f"/albums/{album.pk}/add/").status_code == 403
    assert "/add/" not in alice_client.get(f"/albums/{album.pk}/").content.decode()


@pytest.mark.parametrize("piece", ["", "items/", "months/"])
def test_choosing_costs_the_same_however_much_there_is(
    cast: Cast, alice_client: Client, django_assert_max_num_queries, piece: str
) -> None:
    rows = make_rows(cast.alice, 90)
    cast.shared.items.set(rows[:20])
    with django_assert_max_num_queries(9):
        assert alice_client.get(f"/albums/{cast.shared.pk}/add/{piece}").status_code == 200
