"""German, Spanish and French: the catalogues are complete, and the pages speak them."""

from __future__ import annotations

import errno
import gettext
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.http import HttpResponse
from django.template import Context, Template
from django.test import Client, override_settings
from django.utils import timezone
from django.utils.translation import ngettext, override
from django.utils.translation.reloader import translation_file_changed

from album.exceptions import AlbumError
from album.inference.catalogue import CATALOGUE
from album.inference.hardware import Hardware
from album.inference.profiles import choose_profile
from album.inference.weights import require
from album.media.decode import decode_photo
from album.media.sniff import sniff
from album.models import BatchRun, Preferences, Status
from album.services.external_images import check_url
from album.services.noted import SENTENCES, in_words
from album.services.spool import storage_errors
from tests.cast import Cast, make_rows
from tests.media.video_files import write_video
from tests.web.everybody import World, addresses, ask, make_world

ALBUM = Path(__file__).parents[2] / "album"
LANGUAGES = ("de", "es", "fr")
NAMED = re.compile(r"%\((\w+)\)|%[sd]|\{(\w+)\}|%%|</?\w+[^>]*>|manage\.py \w+|\b[A-Z]+_[A-Z_]+")
"""What a translator may move, and not change: placeholders, tags, commands and names of settings."""
OWN_WORD = {"de": "Zeitleiste", "es": "Cronología", "fr": "Chronologie"}
ENGLISH = {"the", "and", "not", "with", "its", "cannot", "has", "was", "are", "from", "missing", "file", "disk"}
NOT_PAGES = ("admin/", "^admin", "api/", "static/", "media/<int:pk>/file", "files/")


def catalogue(language: str) -> Path:
    return ALBUM / "locale" / language / "LC_MESSAGES" / "django.po"


def entries(language: str) -> dict[str, list[str]]:
    """The translations of each text; two where it is counted."""
    with catalogue(language).with_suffix(".mo").open("rb") as file:
        # No public name leads to all entries: the texts are what the catalogue is asked with.
        pairs = gettext.GNUTranslations(file)._catalog.items()  # type: ignore[attr-defined]
    found: dict[str, list[str]] = {}
    for key, text in pairs:
        found.setdefault(key[0] if isinstance(key, tuple) else key, []).append(text)
    found.pop("", None)
    return found


@pytest.fixture(scope="module", autouse=True)
def _compiled() -> Iterator[None]:
    """What scripts/setup.sh compiles, also where only these tests are run."""
    for language in LANGUAGES:
        source, compiled = catalogue(language), catalogue(language).with_suffix(".mo")
        if not compiled.is_file() or compiled.stat().st_mtime < source.stat().st_mtime:
            subprocess.run(["msgfmt", "--check-format", "-o", str(compiled), str(source)], check=True)
            translation_file_changed(sender=None, file_path=compiled)
    yield


@pytest.fixture(scope="module")
def extracted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All texts that are marked for translation now."""
    copy = tmp_path_factory.mktemp("texts") / "album"
    ignored = shutil.ignore_patterns("locale", "static", "__pycache__", "migrations")
    shutil.copytree(ALBUM, copy, ignore=ignored)
    (copy / "locale").mkdir()
    with pytest.MonkeyPatch.context() as patch, override_settings(LOCALE_PATHS=[]):
        patch.chdir(copy)
        call_command("makemessages", locale=["de"], keep_pot=True, no_location=True, verbosity=0)
    return copy / "locale" / "django.pot"


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_text_is_translated_and_no_other(language: str, extracted: Path) -> None:
    command = ["msgcmp", str(catalogue(language)), str(extracted)]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    # Fuzzy and empty translations are faults to msgcmp; what is used no longer is warned of.
    assert (answer.returncode, answer.stderr) == (0, ""), answer.stderr[-3000:]
    assert "#~" not in catalogue(language).read_text()


@pytest.mark.parametrize("language", LANGUAGES)
def test_translations_keep_placeholders_tags_and_commands(language: str) -> None:
    def kept(text: str) -> list[str]:
        return sorted(found[0] for found in NAMED.finditer(text))

    changed = {
        text: translation
        for text, translations in entries(language).items()
        for translation in translations
        if kept(text) != kept(translation)
    }
    assert changed == {}


@pytest.mark.parametrize("language", LANGUAGES)
def test_counted_texts_have_a_form_for_one_and_one_for_more(language: str) -> None:
    source = catalogue(language).read_text()
    counted = source.count("\nmsgid_plural ")
    assert counted > 20
    assert source.count("\nmsgstr[0] ") == source.count("\nmsgstr[1] ") == counted
    with override(language):
        none, one, two = (ngettext("%(count)d minute", "%(count)d minutes", n) for n in (0, 1, 2))
    assert one != two
    assert none == (one if language == "fr" else two)  # in French nothing counts as one


@pytest.fixture
def world(cast: Cast, settings: Any, tmp_path: Path) -> World:
    """One of each thing, and what worker and batch have noted of it in English."""
    settings.ALLOWED_EXTERNAL_IMAGE_HOSTS = ["example.com"]
    settings.REGISTRATION = "invite"
    made = make_world(cast, write_video(tmp_path / "v.mp4", ["red", "blue"]).read_bytes())
    ended = {"state": "interrupted", "stop_reason": "killed", "started_at": timezone.now()}
    BatchRun.objects.update(**ended, message="the process 7 ended without a word; 2 items went back to the queue")
    problem = "The photo cannot be decoded: truncated after 1,000 bytes. Upload a complete copy."
    make_rows(cast.alice, 1, preview_status="none", preview_problem=problem, processing_status=Status.FAILED)
    return made


def words_of(answer: HttpResponse) -> str:
    """What a person gets to see or hear of a page."""
    page = re.sub(r"<(script|style|code|select name=.language)\b.*?</\1>", " ", answer.content.decode(), flags=re.S)
    heard = re.findall(r"\s(?:alt|title|placeholder|aria-label|data-(?:text|moved|confirm)[\w-]*)=\"([^\"]*)", page)
    return unescape(" ".join([re.sub(r"<[^>]*>", "\n", page), *heard]))


def pages(world: World) -> dict[str, str]:
    """The addresses of the album that may be pages, by their names."""
    return {
        name: world.path_of(route, entry)
        for name, (route, entry) in addresses().items()
        if not route.startswith(NOT_PAGES)
    }


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_page_shows_english(language: str, world: World) -> None:
    """Of all texts that have a translation, none of more than one word stands on a page in English."""
    english = [
        text
        for text, translations in entries(language).items()
        if " " in text and len(text) > 10 and "%" not in text and text not in translations and "\x04" not in text
    ]
    shown = re.compile("|".join(rf"\b{re.escape(text)}" for text in sorted(english, key=len, reverse=True)))
    wrong, seen = {}, 0
    for role in ("anonymous", "owner", "site admin"):
        client = world.browser(role)
        client.cookies["django_language"] = language
        for name, path in pages(world).items():
            answer = ask(client, "GET", path)
            if answer.headers.get("Content-Type", "").startswith("text/html") and not answer.streaming:
                seen += 1
                assert f'lang="{language}"' in answer.content.decode() or "<html" not in answer.content.decode(), (
                    name
                )
                if found := shown.findall(words_of(answer)):
                    wrong[f"{name} ({role})"] = found
    assert seen > 60
    assert wrong == {}


@pytest.mark.parametrize("language", LANGUAGES)
def test_days_and_numbers_follow_the_language(cast: Cast, language: str) -> None:
    make_rows(cast.alice, 1, timeline_at=datetime(2026, 3, 4, 12, tzinfo=UTC))
    Preferences.objects.create(user=cast.alice, language=language)
    client = Client(headers={"Accept-Language": "en"})
    client.force_login(cast.alice)
    page = client.get("/").content.decode()
    assert {"de": "4. März 2026", "es": "4 de marzo de 2026", "fr": "4 mars 2026"}[language] in page
    assert OWN_WORD[language] in page
    with override(language):
        number = Template("{{ number|grouped }}").render(Context({"number": 91666}))
    assert number == {"de": "91.666", "es": "91\xa0666", "fr": "91\xa0666"}[language]


def raised(act: Callable[[], object]) -> str:
    with pytest.raises(AlbumError) as caught:
        act()
    return str(caught.value)


def fail_with(error: OSError) -> None:
    with storage_errors("a.jpg"):
        raise error


NOTED: dict[str, Callable[[], str]] = {
    "a document": lambda: raised(lambda: sniff(b"%PDF-1.7 " * 20, "a.pdf")),
    "a program": lambda: raised(lambda: sniff(b"MZ" * 40, "a.exe")),
    "an archive": lambda: raised(lambda: sniff(b"PK\x03\x04" * 40, "a.zip")),
    "nothing": lambda: raised(lambda: sniff(b"\0" * 40, "a.jpg")),
    "noise": lambda: raised(lambda: sniff(b"what is this?" * 10, "a")),
    "a full disk": lambda: raised(lambda: fail_with(OSError(errno.ENOSPC, "No space left on device"))),
    "a broken disk": lambda: raised(lambda: fail_with(OSError(errno.EIO, "Input/output error"))),
    "a photo that is gone": lambda: raised(lambda: decode_photo(Path("/nowhere/a.jpg"), min_side_px=99)),
    "another host": lambda: raised(lambda: check_url("https://example.org/a.jpg")),
    "no HTTPS": lambda: raised(lambda: check_url("http://example.org/a.jpg")),
    "blanks": lambda: raised(lambda: check_url("https://example.org/a b.jpg")),
    "a password": lambda: raised(lambda: check_url("https://a:b@example.org/a.jpg")),
    "a port": lambda: raised(lambda: check_url("https://example.org:444/a.jpg")),
    "a small machine": lambda: choose_profile(Hardware(2 << 30, 1 << 30, 1, "aarch64"))[1][0],
    "one core": lambda: choose_profile(Hardware(2 << 30, 1 << 30, 1, "aarch64"))[1][1],
    "a container": lambda: choose_profile(Hardware(64 << 30, 1 << 30, 8, "x86_64", is_limited_by_group=True))[1][0],
    "many cores": lambda: choose_profile(Hardware(64 << 30, 1 << 30, 8, "x86_64"))[1][1],
    "a GPU without torch": lambda: choose_profile(Hardware(64 << 30, 1 << 30, 8, "x86_64", gpu_name="RTX"))[1][1],
    "missing weights": lambda: raised(lambda: require(CATALOGUE["clip-vit-b-32-laion2b"], Path("/nowhere"))),
}
"""What other rooms raise in English."""


@pytest.mark.parametrize("what", NOTED)
def test_what_was_noted_in_english_is_read_in_the_language_of_the_page(what: str) -> None:
    noted = NOTED[what]()
    words = set(re.findall(r"[a-z]{3,}", noted))
    for language in LANGUAGES:
        with override(language):
            told = in_words(noted)
        assert told != noted
        left = words & set(re.findall(r"[a-z]{3,}", told)) & ENGLISH
        assert left == set(), told
    with override("en"):
        assert in_words(noted) == noted


def test_what_is_noted_keeps_its_facts_and_unknown_words_stay() -> None:
    with override("de"):
        assert in_words("a.mov: the run broke off: x") == "a.mov: der Durchlauf brach ab: x"
        assert in_words("Frobnicated: 12 % {x} %(y)s") == "Frobnicated: 12 % {x} %(y)s"
        assert in_words("") == ""
    assert len(set(SENTENCES)) == len(SENTENCES)
