"""The commands of a first start: admin account, demo album, import."""

from __future__ import annotations

import io
import socket
from pathlib import Path

import pytest
from django.contrib.auth import authenticate
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from PIL import Image
from pytest_django import Settings

from album.management.commands.make_demo_album import choose_scenes
from album.media.scenes import Scene
from album.models import Album, MediaItem
from tests.cast import Cast, make_photo, make_rows, scene_bytes

pytestmark = pytest.mark.django_db


def run(*arguments: str) -> str:
    out = io.StringIO()
    call_command(*arguments, stdout=out, stderr=out)
    return out.getvalue()


def test_the_first_admin_is_made_once_and_the_password_shown_works() -> None:
    password = run("create_first_admin").strip().rpartition(" ")[2]
    assert authenticate(username="admin", password=password) == User.objects.get()

    assert "exists" in run("create_first_admin")
    assert User.objects.count() == 1
    assert authenticate(username="admin", password=password)


def test_a_password_file_is_used_and_not_shown(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("a long pass phrase\n")
    assert "pass phrase" not in run("create_first_admin", "--password-file", str(tmp_path / "secret"))
    assert authenticate(username="admin", password="a long pass phrase")


@pytest.mark.parametrize("content", [None, "short"])
def test_a_password_file_that_is_missing_or_weak_makes_no_account(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "secret").write_text(content)
    with pytest.raises(CommandError, match="secret"):
        run("create_first_admin", "--password-file", str(tmp_path / "secret"))
    assert not User.objects.exists()


def test_the_demo_album_is_drawn_once() -> None:
    run("create_first_admin")
    assert "3 drawn" in run("make_demo_album", "--count", "3")
    assert "0 drawn, 3 there" in run("make_demo_album", "--count", "3")

    items = MediaItem.objects.filter(albums=Album.objects.get(title="Demo"), owner__username="admin")
    assert items.count() == 3
    assert all(item.taken_at and (item.width_px, item.height_px) == (1400, 1400) for item in items)
    first = items.get(original_name="demo-0-01.jpg")
    with Image.open(first.original.path) as image:
        red, _, blue = image.getpixel((0, 0))  # type: ignore[misc]
    assert blue > red


def test_demo_scenes_differ_and_were_never_trained_on() -> None:
    scenes = list(choose_scenes(12, 0))
    assert scenes[0].caption == "two red circles on a blue background"
    assert len({scene.caption for scene in scenes}) == 12
    assert all(scene.is_held_out for scene in scenes[1:])
    assert isinstance(scenes[1], Scene) and scenes != list(choose_scenes(12, 1))


def test_a_folder_is_imported_into_a_named_album(cast: Cast, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.jpg").write_bytes(scene_bytes())
    (tmp_path / "in" / "a.txt").write_text("words")

    said = run("import_folder", str(tmp_path / "in"), "--owner", "alice", "--album", "Camera")

    assert "1 imported, 0 known already, 1 no photo or video, 0 failed." in said
    assert "a.txt" in said
    assert Album.objects.get(title="Camera", owner=cast.alice).items.count() == 1
    run("import_folder", str(tmp_path / "in"), "--owner", "alice", "--album", "Camera")
    assert Album.objects.filter(title="Camera").count() == 1


def test_an_unknown_owner_or_folder_is_named(cast: Cast, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="nobody"):
        run("import_folder", str(tmp_path), "--owner", "nobody")
    with pytest.raises(CommandError, match="nowhere"):
        run("import_folder", str(tmp_path / "nowhere"))


def test_the_first_start_draws_no_demo_beside_photos_of_people(cast: Cast) -> None:
    make_rows(cast.alice, 1)
    assert "no demo" in run("make_demo_album", "--first-start", "--describe")
    assert not Album.objects.filter(title="Demo").exists()
    assert MediaItem.objects.count() == 1


def test_the_tiny_networks_describe_the_demo_album_only(cast: Cast) -> None:
    run("make_demo_album", "--count", "2")
    make_photo(cast.admin, seed=99)
    run("make_demo_album", "--count", "2", "--first-start", "--describe")
    demo = MediaItem.objects.filter(albums__title="Demo")
    assert {item.processing_status for item in demo} == {"completed"}
    assert MediaItem.objects.exclude(albums__title="Demo").get().processing_status == "pending"


def test_without_redis_files_are_chosen_until_it_answers(tmp_path: Path, settings: Settings) -> None:
    settings.FILE_QUEUE_MARK = tmp_path / "mark"
    with socket.create_server(("127.0.0.1", 0)) as redis:
        settings.LOCAL_REDIS = settings.CELERY_BROKER_URL = f"redis://127.0.0.1:{redis.getsockname()[1]}/0"
        run("choose_broker")
        assert not settings.FILE_QUEUE_MARK.exists()
    assert "queued in files" in run("choose_broker")
    assert settings.FILE_QUEUE_MARK.exists()

    settings.FILE_QUEUE_MARK.unlink()
    settings.CELERY_BROKER_URL = "redis://elsewhere:6379/0"
    assert run("choose_broker") == ""
    assert not settings.FILE_QUEUE_MARK.exists()


def test_refused_files_beyond_twenty_are_listed_on_request(cast: Cast, tmp_path: Path) -> None:
    for number in range(22):
        (tmp_path / f"note-{number:02}.txt").write_text("words")
    assert "and 2 more; -v 2 lists all" in run("import_folder", str(tmp_path))
    assert run("import_folder", str(tmp_path), "-v", "2").count("not imported") == 22


def test_a_file_in_place_of_the_folder_is_named(cast: Cast, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").touch()
    with pytest.raises(CommandError, match=r"a\.jpg: is not a folder"):
        run("import_folder", str(tmp_path / "a.jpg"))
