"""Every text that can be stored, made hostile: pages, JSON, zip files and download names only ever say it."""

from __future__ import annotations

import io
import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.db.models import CharField, FileField, Model, QuerySet, TextField, URLField

from album.models import ItemPerson, ItemTag, MediaItem, Person, StageResult, Tag
from tests.cast import Cast
from tests.media.video_files import write_video
from tests.web.everybody import TOKEN, World, addresses, ask, make_world

HOSTILE = "=cmd()'\"><mark-x onload=x>\u202e</script></title></textarea><mark-x onload=x>" + "W" * 300
MARK = "mark-x"
NOT_TEXTS = {
    *("sha256", "token_sha256", "key_sha256", "prefix", "password", "placeholder", "mime_type", "source_path"),
    *("taken_at_local", "time_zone", "language", "theme", "content_identifier", "scope"),
}
"""Columns that the album makes, or takes from a list, itself."""


class Reader(HTMLParser):
    """What a browser makes of a page: ``said``, all its text; ``wrong``, where the text became more than that."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.wrong: list[str] = []
        self.said = ""
        self._script = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        self._script = (named.get("type") or "text/javascript") if tag == "script" else ""
        if tag == MARK or "onload" in named:
            self.wrong.append(str(self.get_starttag_text()))
        self.wrong += [
            f"{name}={value}" for name, value in attrs if (value or "").strip().startswith("javascript:")
        ]

    def handle_data(self, data: str) -> None:
        self.said += data
        if self._script == "application/json":
            json.loads(data)
        elif self._script and MARK in data:
            self.wrong.append(data)

    def handle_endtag(self, tag: str) -> None:
        self._script = ""


@pytest.fixture
def world(cast: Cast, tmp_path: Path) -> World:
    return make_hostile_world(cast, tmp_path)


def make_hostile_world(cast: Cast, folder: Path) -> World:
    """One of everything, each text of it hostile."""
    world = make_world(cast, write_video(folder / "v.mp4", ["red", "blue"]).read_bytes())
    photo = world.photo
    ItemTag.objects.create(item=photo, tag=Tag.objects.create(name="a"), source="person")
    ItemPerson.objects.create(item=photo, person=Person.objects.get())
    StageResult.objects.create(item=photo, stage="caption", state="failed", attempts=3, error="a")
    states = {"processing_status": "failed", "latitude_deg": 47.4, "longitude_deg": 9.2, "motion_offset": None}
    MediaItem.objects.filter(pk=photo.pk).update(**states)
    models: list[type[Model]] = [*apps.get_app_config("album").get_models(), User]
    for model in models:
        if not model._meta.proxy:
            for field in model._meta.concrete_fields:
                make_hostile(model._default_manager.all(), field)
    return world


def make_hostile(rows: QuerySet[Any], field: Any) -> None:
    """Writes into a column of all ``rows``, if people, files or networks say what is in it."""
    is_text = isinstance(field, (CharField, TextField)) and not isinstance(field, (FileField, URLField))
    if is_text and not field.choices and not field.primary_key and field.name not in NOT_TEXTS:
        for pk in rows.values_list("pk", flat=True):
            text = f"{pk}{HOSTILE}" if field.unique else HOSTILE
            rows.filter(pk=pk).update(**{field.name: text[: field.max_length or 400]})


@pytest.mark.parametrize("role", ["link holder", "owner", "site admin"])
def test_texts_stay_texts_at_every_address(world: World, role: str) -> None:
    client, wrong, said, told = world.browser(role), [], 0, 0
    for name, (route, entry) in addresses().items():
        for path in (
            world.path_of(route, entry),
            f"{world.path_of(route, entry)}?q=%22%3E%3Cmark-x%20onload%3Dx%3E",
        ):
            answer = ask(client, "GET", path)
            kind = answer.headers.get("Content-Type", "")
            if answer.status_code >= 500 or not all(f"{value}".isprintable() for value in answer.headers.values()):
                wrong.append(f"{name}: {answer.status_code} {answer.headers}")
            elif kind.startswith("text/html") and not answer.streaming:
                reader = Reader(answer.content.decode())
                wrong += [f"{path}: {fault[:200]}" for fault in reader.wrong]
                said += "=cmd()" in reader.said
            elif kind.startswith("application/json") and not answer.streaming:
                told += MARK in json.dumps(json.loads(answer.content), ensure_ascii=False)
                assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert wrong == []
    assert (said, told) >= ((1, 1) if role == "link holder" else (25, 5)), "the texts are on these pages"


def test_names_in_a_zip_file_and_of_it_are_harmless(world: World) -> None:
    for client, method, path in (
        (world.browser("owner"), "POST", f"/albums/{world.cast.shared.pk}/zip/"),
        (world.browser("link holder"), "GET", f"/s/{TOKEN}/zip/"),
    ):
        answer: Any = client.generic(method, path)
        told = answer.headers["Content-Disposition"]
        assert told.startswith("attachment") and told.isascii() and told.isprintable() and MARK in told
        assert 'filename="_=cmd' in told, "no sheet takes it for a formula"
        with ZipFile(io.BytesIO(b"".join(answer))) as zipped:
            names = zipped.namelist()
        assert len(names) == 2
        for name in names:
            assert MARK in name and name.isprintable() and not name.startswith("=")
            assert not set(name) & set('/\\<>:"|?*') and len(name.encode()) <= 255


def test_the_reader_sees_what_breaks_out() -> None:
    assert Reader(f"<title>{HOSTILE}</title>").wrong
    assert Reader(f'<a title="{HOSTILE}">').wrong
    assert Reader(f'<script>const x = "{MARK}"</script>').wrong
    assert Reader(f'<a href="javascript:{MARK}">').wrong
    assert not Reader("<title>=cmd()&lt;mark-x onload=x&gt;</title>").wrong
