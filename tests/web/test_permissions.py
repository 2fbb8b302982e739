"""Every page of the album: who gets it, who is told that it does not exist, who must sign in first."""

from __future__ import annotations

import re

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from album.models import MediaItem
from album.web.urls import app_name, urlpatterns
from tests.cast import Cast, make_photo
from tests.media.video_files import write_video

OF_ITEM = ("photo_detail", "preview", "original", "motion")
OF_VIDEO = ("playback", "animation")
OF_OWNER = ("move_to_trash", "restore", "delete")
OF_MEMBERS = ("timeline", "upload", "trash")
OF_FILLERS = ("import_url",)
OF_ALL = ("healthz",)


def get(name: str, user=None, *arguments: int) -> int:
    client = Client()
    if user is not None:
        client.force_login(user)
    answer = client.get(reverse(f"{app_name}:{name}", args=arguments))
    b"".join(answer)  # read to its end, a file is closed
    return answer.status_code


def test_no_page_is_left_out() -> None:
    assert {pattern.name for pattern in urlpatterns} == {
        *(*OF_ITEM, *OF_VIDEO, *OF_OWNER, *OF_MEMBERS, *OF_FILLERS, *OF_ALL)
    }


@pytest.fixture(scope="module")
def moving(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return write_video(tmp_path_factory.mktemp("video") / "v.mp4", ["red", "blue"]).read_bytes()


@pytest.mark.parametrize("name", [*OF_ITEM, *OF_VIDEO])
def test_an_item_exists_for_those_it_was_shared_with_only(cast: Cast, name: str, moving: bytes) -> None:
    if name in OF_VIDEO:
        item = make_photo(cast.alice, album=cast.shared, content=moving)
    else:
        item = make_photo(cast.alice, album=cast.shared, motion_offset=0, motion_size_bytes=9)
    everybody = (cast.alice, cast.bob, cast.dora, cast.admin, cast.charlie)
    answers = {user.username: get(name, user, item.pk) for user in everybody}
    assert answers == {"alice": 200, "bob": 200, "dora": 200, "root": 200, "charlie": 404}
    assert get(name, None, item.pk) == 302


@pytest.mark.parametrize("name", OF_OWNER)
def test_deleting_is_for_the_owner(cast: Cast, name: str) -> None:
    answers = {}
    for user in (cast.alice, cast.bob, cast.dora, cast.admin, cast.charlie):
        item = make_photo(cast.alice, album=cast.shared)
        before = None if name == "move_to_trash" else timezone.now()
        MediaItem.objects.filter(pk=item.pk).update(trashed_at=before)
        client = Client()
        client.force_login(user)
        url = reverse(f"album:{name}", args=(item.pk,))
        assert client.get(url).status_code == 405
        status = client.post(url).status_code
        is_unchanged = MediaItem.objects.filter(pk=item.pk, trashed_at=before).exists()
        answers[user.username] = (status, "kept" if is_unchanged else "done")
        assert Client().post(url).headers["Location"].startswith("/login/")
    kept, done = (404, "kept"), (302, "done")
    assert answers == {"alice": done, "bob": kept, "dora": kept, "root": done, "charlie": kept}


@pytest.mark.parametrize("name", [*OF_ITEM, *OF_VIDEO])
def test_a_stranger_cannot_tell_a_hidden_item_from_none(cast: Cast, name: str) -> None:
    item = make_photo(cast.alice)
    client = Client()
    client.force_login(cast.charlie)
    hidden, none = (client.get(reverse(f"album:{name}", args=(pk,))) for pk in (item.pk, item.pk + 1000))
    huge = client.get(reverse(f"album:{name}", args=(10**30,)))
    assert hidden.status_code == none.status_code == huge.status_code == 404
    token = rb'name="csrfmiddlewaretoken" value="\w+"'
    assert re.sub(token, b"", hidden.content) == re.sub(token, b"", none.content)


@pytest.mark.parametrize("name", OF_FILLERS)
def test_an_album_is_filled_by_its_owner_and_its_admins(cast: Cast, name: str) -> None:
    everybody = (cast.alice, cast.bob, cast.dora, cast.admin, cast.charlie)
    answers = {user.username: get(name, user, cast.shared.pk) for user in everybody}
    assert answers == {"alice": 200, "bob": 404, "dora": 200, "root": 200, "charlie": 404}
    assert get(name, None, cast.shared.pk) == 302


@pytest.mark.parametrize("name", OF_MEMBERS)
def test_pages_of_members_ask_strangers_to_sign_in(cast: Cast, name: str) -> None:
    assert [get(name, user) for user in (cast.alice, cast.bob, cast.charlie, cast.admin)] == [200] * 4
    answer = Client().get(reverse(f"album:{name}"))
    assert answer.status_code == 302
    assert answer.headers["Location"].startswith("/login/?next=")


def test_the_sign_of_life_is_for_everybody_and_says_nothing_else(db: None) -> None:
    answer = Client().get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


@pytest.mark.parametrize("path", ["/admin/album/mediaitem/", "/admin/album/aiprocessingsettings/"])
def test_the_admin_is_for_site_admins(cast: Cast, path: str) -> None:
    client = Client()
    client.force_login(cast.alice)
    assert client.get(path).status_code == 302
    assert "/admin/login/" in client.get(path).headers["Location"]


def test_posting_needs_the_token_of_the_form(cast: Cast) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(cast.alice)
    assert client.post("/upload/").status_code == 403
