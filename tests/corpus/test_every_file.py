"""Every real file, by every way into the album: shown, or kept with the reason why not, or refused in words.

Whatever becomes of it, no byte of what was taken is lost, and its pages answer.
"""

from __future__ import annotations

import hashlib
import io
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.test import Client
from PIL import Image
from pytest_django import Settings

from album.media.renditions import GRID_SIDE_PX, PREVIEW_SIDE_PX
from album.models import MediaItem, Preview
from album.preparation.boxes import make_box
from album.preparation.prepare import prepare_many
from album.services.imports import ImportOptions, import_folder
from tests.cast import Cast
from tests.corpus.places import CORPUS, need

pytestmark = [pytest.mark.corpus, pytest.mark.timeout(600)]

SHOWN_AT_LEAST = {
    "avif-link-u": 21,
    "coco-captions-by": 30,
    "exif-orientation-examples": 18,
    "exif-samples": 80,
    "exiftool-t": 51,
    "go-mp4": 2,
    "image-rs": 69,
    "immich-test-assets": 30,
    "libheif-fuzz": 8,
    "mdn-media": 64,
    "metadata-extractor-sample": 89,
    "mp4parse": 19,
    "pillow-hard": 355,
    "sharp-fixtures": 37,
}
"""Different pictures and videos of each folder that can be seen. Measured: what was shown, 2026-11.

Of the rest Pillow and libheif by themselves decode nothing either, but for gray pictures of truncated files. Most
is damaged on purpose, is JPEG 2000, ICO, SGI or TGA, or is a video without a picture.
"""

SIDECARS = {".xmp", ".json"}
NO_MEDIA = SIDECARS | {".md", ".markdown", ".rst", ""}
ODD_MEDIA = {".bin", ".p7", ".iso", ".container"}
"""Damaged FLI, PCX and SGI pictures, two thumbnails, an image of a CD, a dummy: names that no camera gives."""


@pytest.fixture(scope="session")
def towns(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("places")


@pytest.fixture(autouse=True)
def _one_list_of_towns(settings: Settings, towns: Path) -> None:
    """Made once for all folders: it takes longer than the files of most."""
    settings.VAR_DIR.mkdir()
    (settings.VAR_DIR / "places").symlink_to(towns)


def upload(owner: User, folder: Path) -> list[str]:
    """Posts the files, a hundred in a request, and prepares them as a worker would."""
    client, paths, refused = Client(), files_of(folder), []
    client.force_login(owner)
    for start in range(0, len(paths), 100):
        with ExitStack() as stack:
            batch = [stack.enter_context(path.open("rb")) for path in paths[start : start + 100]]
            answer = client.post("/upload/", {"uploads": batch}, headers={"Accept": "application/json"})
        assert answer.status_code in (200, 201, 422), answer.content
        outcomes = zip(paths[start : start + 100], answer.json()["files"], strict=True)
        refused += [
            f"{path.relative_to(folder)}: {said['detail']}" for path, said in outcomes if said["id"] is None
        ]
    with make_box(2) as box:
        for _ in prepare_many(MediaItem.objects.filter(owner=owner), box):
            pass
    return refused


def copy(owner: User, folder: Path) -> list[str]:
    return _import(ImportOptions(owner, folder, workers=2))


def index(owner: User, folder: Path) -> list[str]:
    return _import(ImportOptions(owner, folder, workers=2, is_in_place=True))


def _import(options: ImportOptions) -> list[str]:
    totals = import_folder(options)
    assert (totals.failed, totals.left_out, totals.gone) == ([], [], 0)
    return totals.unsupported


@pytest.mark.parametrize("way", [upload, copy, index])
@pytest.mark.parametrize("name", SHOWN_AT_LEAST)
def test_every_file_is_shown_or_kept_or_refused(
    cast: Cast, name: str, way: Callable[[User, Path], list[str]]
) -> None:
    """``way`` takes the files of a folder and tells which it refused, each with its reason."""
    folder = CORPUS / name
    need(folder)
    reasons = dict(line.split(": ", 1) for line in way(cast.alice, folder))
    client = Client()
    client.force_login(cast.alice)

    items = {item.sha256: item for item in MediaItem.objects.filter(owner=cast.alice)}
    classes = Counter(check_files(client, item) for item in items.values())
    for item in items.values():
        assert (CORPUS in item.path.parents) == (way is index), item
        if way is upload:  # the page of an item is the same whichever way it came
            assert client.get(f"/media/{item.pk}/").status_code == 200, item
    for path in files_of(folder):
        is_taken = sha256(path.read_bytes()) in items
        reason = reasons.get(str(path.relative_to(folder)), "")
        assert is_taken or reason or path.suffix in SIDECARS, f"{path} is lost"
        if reason:
            assert path.suffix in NO_MEDIA | ODD_MEDIA, path
            assert "not an image or video" in reason, path
    print(f"{name}, {way.__name__}: {classes['shown']} shown, {classes['kept']} kept, {len(reasons)} refused")
    assert classes["shown"] >= SHOWN_AT_LEAST[name]


def check_files(client: Client, item: MediaItem) -> str:
    """Whether the item is ``shown`` or ``kept``; its addresses answer accordingly, and its bytes are whole."""
    original = client.get(f"/media/{item.pk}/original/")
    assert original.status_code == 200, item
    assert sha256(original.getvalue()) == item.sha256, item
    sides = {"thumbnail": GRID_SIDE_PX, "preview": PREVIEW_SIDE_PX}
    answers = [client.get(f"/media/{item.pk}/{name}/") for name in sides]
    if item.preview_status == Preview.READY:
        for answer, side_px in zip(answers, sides.values(), strict=True):
            assert answer.status_code == 200, item
            with Image.open(io.BytesIO(answer.getvalue())) as picture:
                assert max(picture.size) <= side_px, item
        return "shown"
    assert item.preview_status == Preview.NONE, item
    assert item.preview_problem.startswith(("The photo cannot", "The video cannot", "The album cannot")), item
    assert [answer.status_code for answer in answers] == [302, 302], item
    return "kept"


def files_of(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
