"""The search by looks, with the tiny CLIP and drawn scenes: what it finds, what it refuses, how it keeps up."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.utils import timezone

from album.exceptions import WeightsMissing
from album.inference.catalogue import CATALOGUE
from album.inference.encoders import OnnxDualEncoder
from album.inference.weights import revision_of
from album.media.scenes import Scene
from album.models import Embedding, MediaItem, Stage, StageResult
from album.search import looks as looks_module
from album.search.looks import Looks
from tests.cast import Cast, make_rows
from tests.inference.tiny_clip import FOLDER, fresh_scenes

TINY = CATALOGUE["tiny-clip"]


@cache
def scenes() -> tuple[list[Scene], Any]:
    """200 scenes and their vectors."""
    drawn, pictures = fresh_scenes(200, 5)
    encoder = OnnxDualEncoder(FOLDER)
    vectors = encoder.embed_images(pictures)
    encoder.close()
    return drawn, vectors


def embed(items: list[MediaItem], vectors: Any) -> None:
    """What the stage ``embed`` of a batch leaves behind."""
    revision = revision_of(TINY, Path("unused"))
    Embedding.objects.bulk_create(
        [
            Embedding(item=item, weights=TINY.id, revision=revision, vector=np.asarray(row, "<f2").tobytes())
            for item, row in zip(items, vectors, strict=True)
        ],
        update_conflicts=True,
        unique_fields=["item", "weights"],
        update_fields=["vector"],
    )
    StageResult.objects.bulk_create(
        [StageResult(item=item, stage=Stage.EMBED, state="completed", updated_at=timezone.now()) for item in items],
        update_conflicts=True,
        unique_fields=["item", "stage"],
        update_fields=["updated_at"],
    )


@pytest.fixture
def items(cast: Cast) -> list[MediaItem]:
    made = make_rows(cast.alice, 200)
    embed(made, scenes()[1])
    return made


@pytest.fixture
def looks(items: list[MediaItem], tmp_path: Path) -> Iterator[Looks]:
    opened = Looks(tmp_path / "search", tmp_path / "models")
    yield opened
    opened.close()


def ids(found: looks_module.Found) -> list[int]:
    return [int(item) for item in found.items]


@pytest.mark.parametrize("words", [("red", "circle"), ("blue", "star"), ("green", "square")])
def test_a_text_finds_the_pictures_that_it_is_true_of(items: list[MediaItem], looks: Looks, words: Any) -> None:
    true = {item.pk for item, scene in zip(items, scenes()[0], strict=True) if words in scene.objects}
    found = looks.of_text(" ".join(words), 100)
    got = ids(found)
    assert len(true) >= 3
    assert true <= set(got), "all of them"
    assert len(got) <= len(true) + 2, "and few others"
    assert (np.diff(found.similarities) <= 0).all()
    assert 0.1 <= found.similarities[-1] <= found.similarities[0] <= 1


def test_a_text_that_fits_everything_finds_nothing(looks: Looks) -> None:
    found = looks.of_text("sunset", 100)  # which the tiny network has never seen
    assert ids(found) == []


def test_without_a_trained_bias_only_what_stands_out_counts(
    items: list[MediaItem], looks: Looks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looks._encoder, "logit_bias", None)
    red, nonsense = (looks.of_text(text, 100) for text in ("red circle", "dog on the beach"))
    objects = {item.pk: scene.objects for item, scene in zip(items, scenes()[0], strict=True)}
    assert len(red.items) >= 3
    assert sum(("red", "circle") in objects[pk] for pk in ids(red)) >= 0.8 * len(red.items)
    assert ids(nonsense) == []


def test_more_than_asked_for_is_told(looks: Looks) -> None:
    one, all_of_them = looks.of_text("red circle", 1), looks.of_text("red circle", 200)
    assert (len(one.items), one.more, all_of_them.more) == (1, True, False)


def test_texts_are_encoded_once_and_the_oldest_are_forgotten(looks: Looks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looks_module, "MOST_TEXTS", 3)
    encoded: list[str] = []
    embed_texts = looks._encoder.embed_texts

    def embed_and_note(texts: list[str]) -> Any:
        encoded.extend(texts)
        return embed_texts(texts)

    monkeypatch.setattr(looks._encoder, "embed_texts", embed_and_note)
    asked = ["red", "red", "blue", "green", "star", "star", "red"]
    vectors = [looks.vector_of(text) for text in asked]
    assert encoded == ["red", "blue", "green", "star", "red"]
    assert (vectors[0] == vectors[-1]).all()
    assert not (vectors[0] == vectors[2]).all()


def test_similar_pictures_begin_with_the_picture_itself(items: list[MediaItem], looks: Looks) -> None:
    vector = np.asarray(scenes()[1][7], "<f2").tobytes()
    found = looks.of_picture(vector, 5)
    assert ids(found)[0] == items[7].pk
    assert found.similarities[0] == pytest.approx(1, abs=0.01)
    with pytest.raises(WeightsMissing, match="no vector by these weights"):
        looks.of_picture(vector[:-2], 5)


def test_what_a_batch_adds_changes_and_what_is_deleted_is_followed(
    cast: Cast, items: list[MediaItem], looks: Looks, monkeypatch: pytest.MonkeyPatch
) -> None:
    (new,) = make_rows(cast.alice, 1)
    vectors = scenes()[1]
    embed([new, items[1]], vectors[[0, 0]])
    monkeypatch.setattr(looks_module, "REFRESH_S", 0)
    looks.refresh()
    nearest = ids(looks.of_picture(np.asarray(vectors[0], "<f2").tobytes(), 3))
    assert set(nearest) == {items[0].pk, items[1].pk, new.pk}
    MediaItem.objects.filter(pk__in=[item.pk for item in items[50:]]).delete()
    looks.refresh()
    assert len(looks.file) == 51


def test_the_next_process_reads_only_what_is_new(
    cast: Cast, items: list[MediaItem], looks: Looks, tmp_path: Path, django_assert_num_queries: Any
) -> None:
    StageResult.objects.update(updated_at=timezone.now() - timedelta(hours=1))
    Embedding.objects.update(vector=b"")  # would be left out as nonsense, if they were read again
    again = Looks(tmp_path / "search", tmp_path / "models")
    assert len(again.file) == 200
    again.close()


def test_files_of_other_weights_and_earlier_releases_go(looks: Looks, tmp_path: Path) -> None:
    folder = looks.file.path.parent
    (folder / "tiny-clip-0-64.rows").touch()
    (folder / "other-0-64.vectors").touch()
    Looks(tmp_path / "search", tmp_path / "models").close()
    assert [path.name for path in folder.iterdir()] == [looks.file.path.name]


def test_without_vectors_or_weights_it_says_what_to_do(cast: Cast, tmp_path: Path) -> None:
    (item,) = make_rows(cast.alice, 1)
    Embedding.objects.create(item=item, weights="siglip2-b-16", revision="1", vector=b"")
    with pytest.raises(WeightsMissing, match="show_profile"):
        Looks(tmp_path / "search", tmp_path / "models")


def test_ids_fit_into_an_answer() -> None:
    assert array("q").itemsize == np.dtype("<i8").itemsize
    assert array("f").itemsize == np.dtype("<f4").itemsize
