"""Albums for programs: made, filled, shared, told apart by role."""

from __future__ import annotations

from django.test import Client

from album.models import Album, ShareLink
from album.services.albums import arrange_items
from album.services.editing import add_tag
from tests.api.conftest import Program
from tests.api.test_media import ids
from tests.cast import Cast, make_photo, make_rows


def test_an_album_is_made_changed_and_deleted(cast: Cast, program: Program) -> None:
    made = program.ask("POST", "albums/", {"title": " Portugal ", "parent": cast.shared.pk})
    told = made.json()
    assert (made.status_code, told["title"], told["role"], told["parent"]) == (
        201,
        "Portugal",
        "owner",
        cast.shared.pk,
    )
    changed = program.ask(
        "PATCH", f"albums/{told['id']}/", {"description": "2026", "order": "oldest", "parent": None}
    )
    assert {name: changed.json()[name] for name in ("title", "description", "order", "parent")} == {
        "title": "Portugal",
        "description": "2026",
        "order": "oldest",
        "parent": None,
    }
    assert program.ask("DELETE", f"albums/{told['id']}/").status_code == 204
    assert program.get(f"albums/{told['id']}/").status_code == 404


def test_what_makes_no_album_is_refused(cast: Cast, program: Program) -> None:
    foreign = Album.objects.create(owner=cast.charlie, title="Foreign")
    for wrong in (
        {},
        {"title": " "},
        {"title": "a", "parent": foreign.pk},
        {"title": "a", "rule": {}},
        {"title": "a", "rule": {"colour": "red"}},
        {"title": "a", "order": "random"},
        {"title": "a", "cover": 1},
    ):
        assert program.ask("POST", "albums/", wrong).status_code == 400, wrong
    mine = {"parent": cast.shared.pk}
    assert program.ask("PATCH", f"albums/{cast.shared.pk}/", mine).status_code == 400, "an album in itself"
    assert Album.objects.count() == 2


def test_a_rule_fills_an_album(cast: Cast, program: Program) -> None:
    item = make_photo(cast.alice)
    add_tag(item=item, name="sea")
    album = program.ask("POST", "albums/", {"title": "Sea", "rule": {"tags": ["Sea"]}}).json()
    assert (album["rule"], album["item_count"], album["cover"]) == ({"tags": ["sea"]}, 1, item.pk)
    assert ids(program.get(f"albums/{album['id']}/items/")) == [item.pk]
    refused = program.ask("POST", f"albums/{album['id']}/items/", {"ids": [item.pk]})
    assert (refused.status_code, "fills itself by its rule" in refused.json()["detail"]) == (403, True)
    Album.objects.get(pk=album["id"]).viewers.add(cast.bob)
    bob = Client()
    bob.force_login(cast.bob)
    assert bob.get(f"/api/v1/albums/{album['id']}/").json()["rule"] is None, "what it names is its owner's"


def test_the_role_is_ones_own(cast: Cast) -> None:
    for user, role in ((cast.alice, "owner"), (cast.bob, "viewer"), (cast.dora, "admin"), (cast.admin, "owner")):
        assert Program(user).get(f"albums/{cast.shared.pk}/").json()["role"] == role
    assert ids(Program(cast.charlie).get("albums/")) == []


def test_items_go_in_and_out_and_each_refusal_has_its_reason(cast: Cast, program: Program) -> None:
    mine, bobs = make_photo(cast.alice), make_photo(cast.bob, seed=1)
    told = program.ask("POST", f"albums/{cast.shared.pk}/items/", {"ids": [mine.pk, bobs.pk, mine.pk]}).json()
    assert told["done"] == [mine.pk]
    assert [refused["ids"] for refused in told["refused"]] == [[bobs.pk]] and told["refused"][0]["reason"]
    assert ids(program.get(f"albums/{cast.shared.pk}/items/")) == [mine.pk]
    told = program.ask("POST", f"albums/{cast.shared.pk}/items/remove/", {"ids": [mine.pk]}).json()
    assert told == {"done": [mine.pk], "refused": []}
    assert ids(program.get(f"albums/{cast.shared.pk}/items/")) == []


def test_items_come_in_the_order_of_their_album(cast: Cast, program: Program) -> None:
    rows = make_rows(cast.alice, 7)
    for row in rows:
        cast.shared.items.add(row)
    wanted = [rows[place].pk for place in (3, 0, 6, 2)]
    arrange_items(user=cast.alice, album=cast.shared, item_ids=wanted)
    address, seen = f"albums/{cast.shared.pk}/items/?limit=2", []
    while address:
        answer = program.get(address)
        seen += ids(answer)
        address = answer.json()["next"]
    assert seen == [*wanted, rows[1].pk, rows[4].pk, rows[5].pk]


def test_members_get_one_role_and_may_leave(cast: Cast, program: Program) -> None:
    path = f"albums/{cast.shared.pk}/members/"
    assert program.ask("PUT", f"{path}charlie/", {"role": "editor"}).json() == {
        "username": "charlie",
        "role": "editor",
    }
    assert program.ask("PUT", f"{path}charlie/", {"role": "viewer"}).status_code == 200
    assert program.get(path).json()["results"] == [
        {"username": "bob", "role": "viewer"},
        {"username": "charlie", "role": "viewer"},
        {"username": "dora", "role": "admin"},
    ]
    for username, role in (("nobody", "viewer"), ("alice", "viewer"), ("bob", "owner")):
        assert program.ask("PUT", f"{path}{username}/", {"role": role}).status_code == 400
    charlie = Program(cast.charlie)
    assert charlie.ask("DELETE", f"{path}bob/").status_code == 403
    assert charlie.ask("DELETE", f"{path}charlie/").status_code == 204
    assert charlie.get(path).status_code == 404


def test_a_link_tells_its_address_once_and_ends_when_revoked(cast: Cast, program: Program) -> None:
    item = make_photo(cast.alice, album=cast.shared)
    terms = {"label": "Grandma", "password": "a b", "expires_at": "2099-01-01T00:00:00+01:00"}
    made = program.ask("POST", f"albums/{cast.shared.pk}/links/", terms)
    told = made.json()
    assert (made.status_code, told["has_password"], told["expires_at"]) == (201, True, "2098-12-31T23:00:00Z")
    assert Client().get(told["address"]).status_code == 200
    assert program.get(f"links/{told['id']}/").json()["address"] is None
    picked = program.ask("POST", "links/", {"ids": [item.pk]}).json()
    assert ids(program.get("links/")) == [picked["id"], told["id"]]
    assert ids(program.get(f"albums/{cast.shared.pk}/links/")) == [told["id"]]
    assert program.ask("DELETE", f"links/{told['id']}/").status_code == 204
    assert ShareLink.objects.get(pk=told["id"]).revoked_at is not None
    for wrong in (
        {"expires_at": "2001-01-01T00:00:00Z"},
        {"expires_at": "2099-01-01T00:00:00"},
        {"label": "x" * 121},
    ):
        assert program.ask("POST", f"albums/{cast.shared.pk}/links/", wrong).status_code == 400
    theirs = make_photo(cast.charlie, seed=1)
    assert program.ask("POST", "links/", {"ids": [theirs.pk]}).status_code == 400


def test_people_and_tags_by_name(cast: Cast, program: Program) -> None:
    item, other = make_photo(cast.alice), make_photo(cast.charlie, seed=1)
    for name in ("sea", "sand", "sky"):
        program.ask("POST", f"media/{item.pk}/tags/", {"name": name})
    add_tag(item=other, name="secret")
    program.ask("DELETE", f"media/{item.pk}/tags/sand/")
    first = program.get("tags/?limit=1&q=S").json()
    assert first["results"] == [{"name": "sea", "item_count": 1}]
    assert program.get(first["next"]).json() == {"results": [{"name": "sky", "item_count": 1}], "next": None}

    (ann,) = program.ask("POST", f"media/{item.pk}/people/", {"name": "Ann"}).json()["people"]
    (eve,) = program.ask("POST", f"media/{make_photo(cast.alice, seed=2).pk}/people/", {"name": "Eve"}).json()[
        "people"
    ]
    joined = program.ask("PATCH", f"people/{eve['id']}/", {"name": "ann", "face": item.pk})
    assert joined.status_code == 400, "Eve is not in that picture"
    joined = program.ask("PATCH", f"people/{eve['id']}/", {"name": "ann"}).json()
    assert (joined["id"], joined["item_count"]) == (ann["id"], 2)
    assert program.ask("DELETE", f"people/{ann['id']}/").status_code == 204
    assert ids(program.get("people/")) == []
