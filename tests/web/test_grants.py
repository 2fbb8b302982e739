"""Grants: who gets a small picture without a question, and that this ends when the right to see it ends."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import DatabaseError
from django.test import Client, RequestFactory

from album.models import Album, MediaItem
from album.services import grants as revoking
from album.services.trash import move_to_trash
from album.web import grants
from album.web.addresses import Holder, file_address
from album.web.grants import COOKIE, Held, ledger
from album.web.middleware import Visit
from tests.cast import Cast, make_photo
from tests.web.doors import ASKED, address_for, browser_of, is_let_in, knock, status_of


@pytest.fixture
def item(cast: Cast) -> MediaItem:
    """A photo of alice's that lies in the album which bob and dora see."""
    return make_photo(cast.alice, album=cast.shared)


def test_pictures_are_given_out_without_a_question_to_the_database(
    cast: Cast, item: MediaItem, django_assert_num_queries: Any
) -> None:
    alice, bob = browser_of(cast.alice), browser_of(cast.bob)
    addresses = [(alice, address_for(cast.alice, item)), (bob, address_for(cast.bob, item, "preview"))]
    with django_assert_num_queries(0):
        answers = [knock(address, client) for client, address in addresses]
    assert [(answer.status, answer.headers["Content-Type"]) for answer in answers] == [
        (200, "image/webp"),
        (200, "image/jpeg"),
    ]
    for answer in answers:
        assert int(answer.headers["Content-Length"]) == len(answer.body) > 100
        assert answer.headers["Cache-Control"] == "private, max-age=31536000, immutable"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "sandbox" in answer.headers["Content-Security-Policy"]


def test_the_pages_say_these_addresses(cast: Cast, item: MediaItem) -> None:
    client = browser_of(cast.bob)
    page = client.get(f"/media/{item.pk}/").content.decode()
    assert address_for(cast.bob, item, "preview").replace("&", "&amp;") in page


def test_a_site_admin_sees_everything_through_the_door(cast: Cast, item: MediaItem) -> None:
    assert is_let_in(address_for(cast.admin, item), browser_of(cast.admin))


def test_an_address_is_worth_nothing_to_anybody_else(cast: Cast, item: MediaItem) -> None:
    address = address_for(cast.alice, item)
    others = (cast.bob, cast.charlie, cast.dora, cast.admin)
    assert not any(is_let_in(address, client) for client in (None, *map(browser_of, others)))


def test_without_its_address_a_cookie_is_worth_nothing(cast: Cast, item: MediaItem) -> None:
    other, client = make_photo(cast.alice, seed=1), browser_of(cast.alice)
    address = address_for(cast.alice, item)
    changed = [
        address.replace(f"/{item.pk}/", f"/{other.pk}/"),
        address.replace(item.sha256, other.sha256),
        address.replace(f"g=u{cast.alice.pk}", f"g=u{cast.bob.pk}"),
        address.replace(f"g=u{cast.alice.pk}", f"g=v{cast.alice.pk}.0"),
        address[:-1] + ("0" if address[-1] != "0" else "1"),
        address.split("&")[0],
        address + "&side=1",
        address.replace("thumbnail", "original"),
    ]
    assert is_let_in(address, client)
    assert [is_let_in(wrong, client) for wrong in changed] == [False] * len(changed)


def test_what_is_not_a_plain_get_is_left_to_django(cast: Cast, item: MediaItem) -> None:
    address, client = address_for(cast.alice, item), browser_of(cast.alice)
    assert knock(address, client, "POST").status == ASKED
    assert knock(address, client, HTTP_RANGE="bytes=0-9").status == ASKED


def test_a_picture_that_is_not_there_yet_is_left_to_django(cast: Cast, item: MediaItem) -> None:
    client = browser_of(cast.alice)
    assert not is_let_in(address_for(cast.alice, item, "animation"), client)


def test_the_cookie_ends_after_half_an_hour_and_any_page_renews_it(
    cast: Cast, item: MediaItem, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, address = browser_of(cast.alice), address_for(cast.alice, item)
    now, first = time.time(), client.cookies[COOKIE].value
    monkeypatch.setattr(time, "time", lambda: now + 31 * 60)
    assert not is_let_in(address, client)
    client.get("/trash/")
    assert client.cookies[COOKIE].value != first
    assert is_let_in(address, client)
    cookie = client.cookies[COOKIE]
    assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "Lax", "/")


def test_without_a_session_a_cookie_does_not_renew_itself(
    cast: Cast, item: MediaItem, monkeypatch: pytest.MonkeyPatch
) -> None:
    thief, address = Client(), address_for(cast.alice, item)
    thief.cookies[COOKIE] = browser_of(cast.alice).cookies[COOKIE].value
    assert is_let_in(address, thief)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 20 * 60)
    thief.get("/offline/")
    monkeypatch.setattr(time, "time", lambda: now + 40 * 60)
    assert not is_let_in(address, thief)


def test_a_young_cookie_is_not_sent_again(cast: Cast) -> None:
    assert COOKIE not in browser_of(cast.alice).get("/trash/").cookies


def test_a_cookie_of_tomorrow_or_of_elsewhere_is_none(cast: Cast, settings: Any) -> None:
    text = browser_of(cast.alice).cookies[COOKIE].value
    assert Held.read(text)
    assert Held.read(str(Held(None, {1: "0" * 16}, time.time() + 3600))) is None
    settings.SECRET_KEY = "another"
    assert Held.read(text) is None


@pytest.mark.parametrize(
    "text", ["", "~", "u1.0~1~" + "0" * 32, "\x00", "ü" * 50, "u1." + "0" * 16 + "~g~", "_" * 9999]
)
def test_a_broken_cookie_is_none(cast: Cast, item: MediaItem, text: str) -> None:
    assert Held.read(text) is None
    client = browser_of(cast.alice)
    address = address_for(cast.alice, item)
    assert knock(address, None, HTTP_COOKIE=f"{COOKIE}={text}").status == ASKED
    client.cookies[COOKIE] = "broken"
    assert status_of(client, address) == 200


@pytest.mark.parametrize(
    "address",
    [
        "/media/1/thumbnail/?v=&g=", "/media/1/thumbnail/?v=../../etc&g=u1.x", "/media/1/thumbnail/?g=u1.%00",
        "/media/999999999999999999999/preview/", "/media/1/../thumbnail/", "/media/%00/thumbnail/",
        "/media/1/passport/", "/media/-1/thumbnail/", "/media/1/thumbnail/?" + "g" * 9999,
        "/media/1/thumbnail/?v=" + "0" * 64 + "&g=u1." + "f" * 32,
    ],
)  # fmt: skip
def test_a_broken_address_is_not_found(cast: Cast, address: str) -> None:
    client = browser_of(cast.charlie)
    assert not is_let_in(address, client)
    assert status_of(client, address) == 404


def change_password(cast: Cast) -> None:
    cast.bob.set_password("another horse")
    cast.bob.save()


def deactivate(cast: Cast) -> None:
    User.objects.filter(pk=cast.bob.pk).update(is_active=False)


def sign_out(cast: Cast) -> None:
    revoking.revoke_viewer(cast.bob)


def remove_member(cast: Cast) -> None:
    cast.shared.viewers.remove(cast.bob)
    revoking.revoke_shares([cast.bob.pk])


def remove_item(cast: Cast) -> None:
    cast.shared.items.clear()
    revoking.revoke_albums([cast.shared.pk])


def delete_album(cast: Cast) -> None:
    revoking.revoke_albums([cast.shared.pk])
    cast.shared.delete()


def trash_item(cast: Cast) -> None:
    assert move_to_trash(user=cast.alice, items=MediaItem.objects.all()) == 1


def delete_in_admin(cast: Cast) -> None:
    root = Client()
    root.force_login(cast.admin)
    answer = root.post(f"/admin/album/album/{cast.shared.pk}/delete/", {"post": "yes"})
    assert answer.status_code == 302 and not Album.objects.exists()


@pytest.mark.parametrize(
    "take_away",
    [
        delete_in_admin,
        change_password,
        deactivate,
        sign_out,
        remove_member,
        remove_item,
        delete_album,
        trash_item,
    ],
)
def test_a_member_who_may_not_see_it_any_more_is_not_let_in(
    cast: Cast, item: MediaItem, take_away: Callable[[Cast], None]
) -> None:
    bob, address = browser_of(cast.bob), address_for(cast.bob, item)
    alice, own = browser_of(cast.alice), address_for(cast.alice, item)
    assert is_let_in(address, bob)
    take_away(cast)
    ledger.read()
    assert not is_let_in(address, bob)
    assert is_let_in(own, alice)


@pytest.mark.parametrize("take_away", [delete_in_admin, remove_member, remove_item, delete_album, trash_item])
def test_no_new_cookie_brings_an_old_address_back(
    cast: Cast, item: MediaItem, take_away: Callable[[Cast], None]
) -> None:
    bob, address = browser_of(cast.bob), address_for(cast.bob, item)
    take_away(cast)
    ledger.read()
    again = browser_of(cast.bob)
    assert not is_let_in(address, again)
    assert [status_of(client, address) for client in (bob, again)] == [404, 404]


def test_who_is_no_site_admin_any_more_keeps_no_sight_of_all(cast: Cast, item: MediaItem) -> None:
    address = address_for(cast.admin, item)
    assert is_let_in(address, browser_of(cast.admin))
    User.objects.filter(pk=cast.admin.pk).update(is_superuser=False)
    ledger.read()
    assert not is_let_in(address, browser_of(User.objects.get(pk=cast.admin.pk)))


def test_a_process_hears_of_it_within_seconds(
    cast: Cast, item: MediaItem, monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: Any
) -> None:
    bob, address = browser_of(cast.bob), address_for(cast.bob, item)
    deactivate(cast)
    assert is_let_in(address, bob)
    monkeypatch.setattr(grants, "KNOWN_FOR_S", 0.05)
    time.sleep(0.06)
    with django_assert_num_queries(1):
        assert not is_let_in(address, bob)


def test_only_one_of_many_threads_reads(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[float] = []

    def read() -> grants.Known:
        time.sleep(0.05)
        reads.append(time.monotonic())
        return grants.Known(time.monotonic())

    monkeypatch.setattr(grants, "_read", read)
    threads = [threading.Thread(target=ledger.fresh) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(reads) == 1


def test_without_a_database_nothing_is_given_out(
    cast: Cast, item: MediaItem, monkeypatch: pytest.MonkeyPatch
) -> None:
    bob, address = browser_of(cast.bob), address_for(cast.bob, item)

    def fail() -> grants.Known:
        raise DatabaseError("away")

    monkeypatch.setattr(grants, "_read", fail)
    monkeypatch.setattr(grants, "KNOWN_FOR_S", -1.0)
    assert not is_let_in(address, bob)


def test_rows_that_were_read_before_the_end_get_addresses_of_before(cast: Cast, item: MediaItem) -> None:
    bob = browser_of(cast.bob)
    request = RequestFactory().get("/", headers={"cookie": f"{COOKIE}={bob.cookies[COOKIE].value}"})
    request.user = cast.bob
    visit = Visit(request)  # the page begins, and reads its rows
    remove_item(cast)
    ledger.read()
    assert not is_let_in(file_address("thumbnail", item, visit.holder), bob)


def test_what_an_automatic_album_shows_is_asked_for_each_time(cast: Cast, item: MediaItem) -> None:
    MediaItem.objects.update(city="Oslo")
    cast.shared.items.clear()
    Album.objects.filter(pk=cast.shared.pk).update(rule={"city": "Oslo"})
    bob, address = browser_of(cast.bob), address_for(cast.bob, item)
    assert "&g=" not in address
    assert status_of(bob, address) == 200
    MediaItem.objects.update(city="")
    assert status_of(bob, address) == 404
    assert "&g=u" in address_for(cast.alice, item)


def test_it_holds_the_last_eight_links_only() -> None:
    held = Held.now(None, {number: f"{number:016x}" for number in range(20)})
    read = Held.read(str(held))
    assert read and list(read.links) == list(range(12, 20))


def test_an_address_costs_little(cast: Cast, item: MediaItem) -> None:
    holder = Holder(cast.alice.pk, "v1.0", lambda: False)
    file_address("thumbnail", item, holder)
    best = min(timed(lambda: file_address("thumbnail", item, holder)) for _ in range(5))
    assert best < 20e-6


def timed(call: Callable[[], object], times: int = 500) -> float:
    started = time.process_time()
    for _ in range(times):
        call()
    return (time.process_time() - started) / times
