"""The doors for many items: what they take, what they answer, and a ZIP that any system can open."""

from __future__ import annotations

import io
import json
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from album.models import Album, Favourite, MediaItem
from album.services.zips import safe_name, zip_as_made
from tests.cast import Cast, make_photo, make_rows, scene_bytes


def post(client: Client, **data: Any) -> tuple[int, dict[str, Any]]:
    answer = client.post("/media/bulk/", data)
    return answer.status_code, json.loads(answer.content)


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def test_the_answer_tells_what_was_done_and_what_not(cast: Cast, alice_client: Client) -> None:
    (own,), (foreign,) = make_rows(cast.alice, 1), make_rows(cast.charlie, 1)
    status, answer = post(alice_client, action="favourite", ids=f"{own.pk},{foreign.pk}")
    assert (status, answer["done"], answer["ids"]) == (200, 1, [own.pk])
    assert [refusal["ids"] for refusal in answer["refused"]] == [[foreign.pk]]
    assert Favourite.objects.get().item == own


@pytest.mark.parametrize(
    "data",
    [
        {"action": "burn"}, {}, {"action": "trash", "ids": ""}, {"action": "trash", "ids": "1,x"},
        {"action": "trash", "ids": "1," * 999 + "1,1"}, {"action": "trash", "ids": "9" * 40},
        {"action": "trash", "ids": "²"}, {"action": "shift-date", "minutes": "soon"},
        {"action": "shift-date", "minutes": "9" * 12}, {"action": "shift-date"},
        {"action": "add-tag", "tag": "\x00"}, {"action": "add-tag", "tag": "t" * 300},
        {"action": "add-to-album", "title": ""},
    ],
)  # fmt: skip
def test_nonsense_is_refused_with_words(cast: Cast, alice_client: Client, data: dict[str, str]) -> None:
    (item,) = make_rows(cast.alice, 1)
    status, answer = post(alice_client, **({"ids": str(item.pk)} | data))
    assert status == 400 and len(answer["error"]) > 15
    assert MediaItem.objects.filter(trashed_at=None).count() == 1


def test_albums_are_404_for_strangers_and_403_for_viewers(cast: Cast) -> None:
    items = {user: make_rows(user, 1)[0].pk for user in (cast.alice, cast.bob, cast.charlie)}
    answers = {
        user.username: post(signed_in(user), action="add-to-album", ids=pk, album=cast.shared.pk)[0]
        for user, pk in items.items()
    }
    assert answers == {"alice": 200, "bob": 403, "charlie": 404}
    albums = json.loads(signed_in(cast.dora).get("/media/albums/").content)
    assert albums == {"albums": [[cast.shared.pk, "Holiday"]]}
    assert json.loads(signed_in(cast.bob).get("/media/albums/").content) == {"albums": []}


def test_a_new_album_is_named_in_the_answer(cast: Cast, alice_client: Client) -> None:
    (item,) = make_rows(cast.alice, 1)
    status, answer = post(alice_client, action="add-to-album", ids=item.pk, album="", title="Summer")
    assert status == 200 and Album.objects.get(pk=answer["album"]).title == "Summer"


@pytest.mark.parametrize("address", ["/media/bulk/", "/media/zip/"])
def test_changes_come_by_post_from_members_with_a_token(cast: Cast, alice_client: Client, address: str) -> None:
    assert alice_client.get(address).status_code == 405
    assert Client().post(address).status_code == 302
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(cast.alice)
    assert strict.post(address, {"action": "trash", "ids": "1"}).status_code == 403


def unzip(answer: Any) -> zipfile.ZipFile:
    content = b"".join(answer.streaming_content)
    assert len(content) == int(answer.headers["Content-Length"])
    return zipfile.ZipFile(io.BytesIO(content))


def test_a_zip_holds_whole_originals_under_names_of_their_own(cast: Cast, alice_client: Client) -> None:
    contents = [scene_bytes(seed=n) for n in range(3)]
    names = ["a.jpg", "A.jpg", "../../=cmd().jpg"]
    items = [
        make_photo(cast.alice, content=content, original_name=name)
        for content, name in zip(contents, names, strict=True)
    ]
    MediaItem.objects.filter(pk=items[2].pk).update(original_name=names[2])
    answer = alice_client.post("/media/zip/", {"ids": ",".join(str(item.pk) for item in items)})
    assert answer.headers["X-Count"] == "3" and ".zip" in answer.headers["Content-Disposition"]
    archive = unzip(answer)
    assert archive.testzip() is None
    assert len({name.casefold() for name in archive.namelist()}) == 3
    assert not any("/" in name or name.startswith(("=", ".")) for name in archive.namelist())
    assert sorted(archive.read(name) for name in archive.namelist()) == sorted(contents)
    assert {info.compress_type for info in archive.infolist()} == {zipfile.ZIP_STORED}


def test_a_zip_holds_nothing_that_may_not_be_opened_or_is_not_there(cast: Cast) -> None:
    shared, hidden, trashed, lost = (make_photo(cast.alice, seed=n) for n in range(4))
    cast.shared.items.set([shared, trashed, lost])
    MediaItem.objects.filter(pk=trashed.pk).update(trashed_at=timezone.now())
    Path(lost.original.path).unlink()
    ids = ",".join(str(item.pk) for item in (shared, hidden, trashed, lost))
    assert len(unzip(signed_in(cast.bob).post("/media/zip/", {"ids": ids})).namelist()) == 1
    refused = signed_in(cast.charlie).post("/media/zip/", {"ids": ids})
    assert refused.status_code == 400 and "error" in json.loads(refused.content)


def test_thousands_of_files_of_one_name_are_numbered_at_once() -> None:
    started_s = time.process_time()
    archive = b"".join(zip_as_made(("image.jpg", io.BytesIO()) for _ in range(4000)))
    assert time.process_time() - started_s < 3  # 9 s if each is counted from 2 on
    assert zipfile.ZipFile(io.BytesIO(archive)).namelist()[-1] == "image (4000).jpg"


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("a.jpg", "a.jpg"), ("../../etc/passwd", "etcpasswd"), ("C:\\x.jpg", "Cx.jpg"), ("con.jpg", "_con.jpg"),
        ("", "file"), ("...", "file"), ("a\x00\u202egpj.exe", "agpj.exe"), ("=1+1.jpg", "_=1+1.jpg"),
        ("<script>.jpg", "script.jpg"),
    ],
)  # fmt: skip
def test_names_lead_nowhere(name: str, safe: str) -> None:
    assert safe_name(name) == safe
    assert len(safe_name("ü" * 300 + ".jpg").encode()) <= 200
