"""The main job: upload, pending, the night's batch with trained networks, and in the morning it is found."""

from __future__ import annotations

import io
import random
from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.urls import reverse

from album.media.scenes import Scene, draw_scene, sample_scene
from album.models import BatchRun, Embedding, MediaItem, Status
from album.models.media import Kind
from tests.cast import TWO_RED_CIRCLES, make_photo, scene_bytes
from tests.media.video_files import write_video

WEIGHTS = {"weights": ["tiny-clip", "tiny-blip"], "no_progress": True}


@pytest.fixture(autouse=True)
def models_cache(settings, tmp_path: Path) -> None:
    settings.MODELS_CACHE_DIR = tmp_path / "models"


def upload(client, content: bytes, name: str) -> None:
    file = SimpleUploadedFile(name, content, "image/jpeg")
    response = client.post(reverse("album:upload"), {"uploads": [file]})
    assert response.status_code == 200


def found(client, text: str) -> set[str]:
    response = client.get(reverse("album:search_items"), {"q": text, "sort": "newest"})
    ids = [row["id"] for row in response.json()["rows"]]
    return set(MediaItem.objects.filter(pk__in=ids).values_list("original_name", flat=True))


@pytest.mark.django_db(transaction=True)
def test_two_red_circles_are_found_in_the_morning(alice_client) -> None:
    other = Scene("one", "white", (("green", "star"),), "large")
    upload(alice_client, scene_bytes(TWO_RED_CIRCLES, size_px=(1600, 1200)), "IMG_1.jpg")
    upload(alice_client, scene_bytes(other, size_px=(1200, 1600)), "IMG_2.jpg")
    assert set(MediaItem.objects.values_list("processing_status", flat=True)) == {Status.PENDING}
    assert found(alice_client, "circle") == set(), "nothing has looked at it yet"

    call_command("analyze_photos", **WEIGHTS)

    item = MediaItem.objects.get(original_name="IMG_1.jpg")
    assert item.processing_status == Status.COMPLETED
    assert item.ai_description == "two red circles on a blue background"
    assert item.ai_weights == "tiny-blip"
    assert {tag.name for tag in item.tags.all()} >= {"circle", "red", "red circle", "blue background"}
    assert Embedding.objects.get(item=item).weights == "tiny-clip"
    assert (
        MediaItem.objects.get(original_name="IMG_2.jpg").ai_description
        == "a large green star on a white background"
    )
    assert found(alice_client, "red circle") == {"IMG_1.jpg"}
    assert found(alice_client, '"two red circles"') == {"IMG_1.jpg"}
    assert found(alice_client, "tag:star") == {"IMG_2.jpg"}
    assert found(alice_client, "background -star") == {"IMG_1.jpg"}


@pytest.mark.django_db(transaction=True)
def test_nine_of_ten_new_scenes_get_exactly_the_right_words(cast) -> None:
    rng = random.Random(20261121)
    scenes: dict[str, Scene] = {}
    while len(scenes) < 60:
        scene = sample_scene(rng)
        if scene.is_held_out:
            name = f"{len(scenes)}.jpg"
            scenes[name] = scene
            picture = io.BytesIO()
            draw_scene(scene, rng, rng.choice(((1600, 1200), (900, 1600), (800, 800))))[0].save(
                picture, "JPEG", quality=85
            )
            make_photo(cast.alice, content=picture.getvalue(), original_name=name)
    call_command("analyze_photos", **WEIGHTS)
    wrong = [
        (item.ai_description, scenes[item.original_name].caption)
        for item in MediaItem.objects.all()
        if item.ai_description != scenes[item.original_name].caption
    ]
    # Measured: 97 to 99 % of held-out captions are exact; four misses of 60 would be 93 %.
    assert len(wrong) <= 4, wrong
    assert BatchRun.objects.get().items_completed == 60


@pytest.mark.django_db(transaction=True)
def test_a_video_is_described_by_its_scenes_in_order(cast, tmp_path) -> None:
    rng = random.Random(5)
    first, second = TWO_RED_CIRCLES, Scene("one", "white", (("green", "star"),), "large")
    path = tmp_path / "clip.mp4"
    write_video(path, [draw_scene(scene, rng, (320, 240))[0] for scene in (first, second)])
    item = make_photo(cast.alice, content=path.read_bytes(), original_name="clip.mp4")
    assert item.kind == Kind.VIDEO
    call_command("analyze_photos", **WEIGHTS)
    item.refresh_from_db()
    assert item.processing_status == Status.PENDING, "the photo run leaves videos alone"
    call_command("analyze_videos", **WEIGHTS)
    item.refresh_from_db()
    assert item.processing_status == Status.COMPLETED
    assert item.ai_description == f"{first.caption}, then {second.caption}"
