"""Draws an album to try the project with."""

from __future__ import annotations

import io
import random
from argparse import ArgumentParser
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.models import User
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from PIL import ExifTags, Image

from album.management.commands.import_folder import find_owner
from album.media.scenes import Scene, draw_scene, sample_scene
from album.models import Album, MediaItem
from album.preparation.boxes import make_box
from album.preparation.prepare import prepare_many
from album.services.ingest import ingest_upload

TITLE = "Demo"
TINY_WEIGHTS = ["tiny-clip", "tiny-blip"]
"""They know drawn scenes and nothing else, so they are asked about this album only."""
SIZE_PX = (1400, 1400)  # square, so that circles are round
MAX_COUNT = 1000
"""There are some thousand scenes that training never sees; picking many of them takes ever longer."""
FIRST_SCENE = Scene("many", "blue", (("red", "circle"), ("red", "circle")))
FIRST_TAKEN_AT = datetime(2025, 6, 1, 10, 0)  # noqa: DTZ001 - a camera's clock has no zone


class Command(BaseCommand):
    help = "Draws scenes into the album 'Demo' of the first admin. Doing it again adds nothing."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--count", type=int, default=12, help="number of photos (12)")
        parser.add_argument("--seed", type=int, default=0, help="another seed draws other scenes")
        parser.add_argument("--owner", metavar="NAME", help="account that will own the album; else the first admin")
        parser.add_argument("--first-start", action="store_true", help="not where other photos are already")
        parser.add_argument("--describe", action="store_true", help="analyze the album with the tiny networks")

    def handle(self, *args: Any, **options: Any) -> None:
        owner, seed = find_owner(options["owner"]), options["seed"]
        if not 1 <= options["count"] <= MAX_COUNT:
            raise CommandError(f"--count {options['count']}: 1 to {MAX_COUNT} photos can be drawn.")
        has_demo = Album.objects.filter(owner=owner, title=TITLE).exists()
        if options["first_start"] and not has_demo and MediaItem.objects.exists():
            self.stdout.write("This album has photos of its own: no demo is drawn.")
            return
        self._draw(owner, options["count"], seed)
        if options["describe"]:
            album = Album.objects.get(owner=owner, title=TITLE)
            call_command("analyze_photos", album=str(album.pk), weights=TINY_WEIGHTS, stdout=self.stdout)

    def _draw(self, owner: User, count: int, seed: int) -> None:
        album, _ = Album.objects.get_or_create(owner=owner, title=TITLE)
        # By name, not by content: another release of Pillow may write other bytes.
        present = set(album.items.values_list("original_name", flat=True))
        drawn = []
        for index, scene in enumerate(choose_scenes(count, seed)):
            name = f"demo-{seed}-{index + 1:02}.jpg"
            if name not in present:
                photo = draw_photo(scene, index, seed)
                drawn.append(ingest_upload(owner=owner, file=photo, name=name, album=album).item)
        with make_box() as box:
            for _ in prepare_many(drawn, box):
                pass
        self.stdout.write(f"Album {TITLE!r} of {owner.username}: {len(drawn)} drawn, {len(present)} there already.")


def choose_scenes(count: int, seed: int) -> Iterator[Scene]:
    """``count`` different scenes: two red circles first, then only such as the tiny networks never saw."""
    rng, seen = random.Random(seed), {FIRST_SCENE.caption}  # noqa: S311 - drawing, no secret
    yield FIRST_SCENE
    while len(seen) < count:
        scene = sample_scene(rng)
        if scene.is_held_out and scene.caption not in seen:
            seen.add(scene.caption)
            yield scene


def draw_photo(scene: Scene, index: int, seed: int) -> io.BytesIO:
    """The scene as a JPEG, one taken each day and an hour later than the one before."""
    rng = random.Random(f"{seed}-{index}")  # noqa: S311 - drawing, no secret
    image, _ = draw_scene(scene, rng, SIZE_PX)
    exif = Image.Exif()
    taken_at = FIRST_TAKEN_AT + timedelta(days=index, hours=index)
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = f"{taken_at:%Y:%m:%d %H:%M:%S}"
    file = io.BytesIO()
    image.save(file, "JPEG", quality=92, exif=exif)
    file.seek(0)
    return file
