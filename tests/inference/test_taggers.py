"""Zero-shot tags: right on scenes never trained on, from vectors that are computed once for each vocabulary."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from album.exceptions import WeightsError
from album.inference.encoders import OnnxDualEncoder
from album.inference.results import FloatArray, Pixels, Tag, TagSource, WeightsRef
from album.inference.taggers import (
    MAX_TAGS,
    PHOTO_TAGS,
    Vocabulary,
    VocabularyTag,
    ZeroShotTagger,
    logistic,
    rarity,
    read_vocabulary,
)
from album.inference.words import normalize_tag
from album.media.scenes import Scene
from tests.inference.tiny_clip import FOLDER, fresh_scenes

WEIGHTS = WeightsRef("tiny-clip", "1")


class CompassEncoder:
    """An encoder whose text vectors are known: a text points the way that the test says; others point nowhere."""

    dimension = 8
    logit_scale = 10.0

    def __init__(self, directions: dict[str, int], logit_bias: float | None = None) -> None:
        self.directions, self.logit_bias = directions, logit_bias
        self.asked: list[str] = []

    def embed_texts(self, texts: Sequence[str]) -> FloatArray:
        self.asked += texts
        rows = np.zeros((len(texts), self.dimension), np.float32)
        for row, text in zip(rows, texts, strict=True):
            row[self.directions[text]] = 1
        return rows

    def embed_images(self, images: Sequence[Pixels]) -> FloatArray:
        raise AssertionError("a tagger embeds no pictures")

    def release_texts(self) -> None:
        pass

    def cancel(self) -> None: ...

    def close(self) -> None: ...


def words(*names: str, threshold: float = 0.5, backgrounds: tuple[str, ...] = ()) -> Vocabulary:
    return Vocabulary(tuple(VocabularyTag(name, (name,), threshold) for name in names), ("{}",), backgrounds)


def pointing(*weights: float) -> FloatArray:
    """One image vector with these first components, of norm 1."""
    row = np.zeros(8, np.float32)
    row[: len(weights)] = weights
    return (row / np.linalg.norm(row))[None]


def agreement(scenes: Sequence[Scene], tags: Sequence[tuple[Tag, ...]], known: set[str]) -> tuple[float, float]:
    """Precision and recall of the tags against what is true of the scenes."""
    found = [{tag.name for tag in per_scene} for per_scene in tags]
    true = [scene.statements & known for scene in scenes]
    right = sum(len(one & other) for one, other in zip(found, true, strict=True))
    return right / sum(map(len, found)), right / sum(map(len, true))


@pytest.fixture
def encoder() -> OnnxDualEncoder:
    return OnnxDualEncoder(FOLDER)


@pytest.fixture
def scene_words() -> Vocabulary:
    return read_vocabulary(FOLDER / "vocabulary.txt")


def test_tags_of_a_hundred_fresh_scenes_are_right(
    tmp_path: Path, encoder: OnnxDualEncoder, scene_words: Vocabulary
) -> None:
    scenes, pictures = fresh_scenes(100, seed=6001)
    tagger = ZeroShotTagger(encoder, scene_words, cache_dir=tmp_path, weights=WEIGHTS)
    tags = tagger.tag(encoder.embed_images(pictures))
    precision, recall = agreement(scenes, tags, {tag.name for tag in scene_words.tags})
    assert precision >= 0.98
    assert recall >= 0.98
    for per_scene in tags:
        scores = [tag.score for tag in per_scene]
        assert scores == sorted(scores, reverse=True)
        assert all(0.5 <= score <= 1 for score in scores)
        assert {tag.source for tag in per_scene} == {TagSource.ZERO_SHOT}


def test_without_a_trained_bias_tags_are_fewer_and_still_right(
    tmp_path: Path, encoder: OnnxDualEncoder, scene_words: Vocabulary
) -> None:
    scenes, pictures = fresh_scenes(100, seed=6002)
    encoder.logit_bias = None
    tagger = ZeroShotTagger(encoder, scene_words, cache_dir=tmp_path, weights=WEIGHTS)
    precision, recall = agreement(
        scenes, tagger.tag(encoder.embed_images(pictures)), {tag.name for tag in scene_words.tags}
    )
    assert precision >= 0.97
    assert recall >= 0.5


def test_unrelated_words_give_a_picture_a_tag_in_about_every_second_case() -> None:
    cosines = np.random.default_rng(0).normal(0.2, 0.03, (400, 1000)).astype(np.float32)
    assert 0.35 <= (rarity(cosines) >= 0.5).any(axis=1).mean() <= 0.65


def test_a_word_that_stands_out_is_sure_whatever_the_level_of_the_picture() -> None:
    cosines = np.random.default_rng(1).normal(0, 0.03, (1, 500)).astype(np.float32)
    cosines[0, 7] = 0.3
    for level, spread in ((0.0, 1.0), (0.25, 1.0), (-0.1, 0.2)):
        assert rarity(level + spread * cosines).argmax() == 7
        assert rarity(level + spread * cosines)[0, 7] > 0.99


def test_probabilities_are_those_of_the_logistic_function() -> None:
    logits = np.array([-1000, -2, 0, 2, 1000], np.float32)
    np.testing.assert_allclose(logistic(logits), [0, 0.1192029, 0.5, 0.8807970, 1], atol=1e-6)


# The cache


def test_a_kept_vocabulary_never_loads_the_text_tower(
    tmp_path: Path, encoder: OnnxDualEncoder, scene_words: Vocabulary
) -> None:
    vectors = encoder.embed_images(fresh_scenes(5, seed=6003)[1])
    first = ZeroShotTagger(encoder, scene_words, cache_dir=tmp_path / "tags", weights=WEIGHTS).tag(vectors)
    assert encoder.has_text_tower
    other = OnnxDualEncoder(FOLDER)
    again = ZeroShotTagger(other, scene_words, cache_dir=tmp_path / "tags", weights=WEIGHTS).tag(vectors)
    assert not other.has_text_tower
    assert again == first
    assert [path.suffix for path in (tmp_path / "tags").iterdir()] == [".npy"]


def ask(folder: Path, vocabulary: Vocabulary, weights: WeightsRef = WEIGHTS) -> list[str]:
    """What is asked of the text tower when a tagger is made."""
    texts = ["cat", "dog", "a cat", "a dog", "a photo"]
    encoder = CompassEncoder({text: index for index, text in enumerate(texts)})
    ZeroShotTagger(encoder, vocabulary, cache_dir=folder, weights=weights)
    return encoder.asked


def test_another_vocabulary_template_background_or_weights_is_computed_again(tmp_path: Path) -> None:
    base = words("cat", "dog")
    assert ask(tmp_path, base) == ["cat", "dog"]
    assert ask(tmp_path, base) == []
    assert ask(tmp_path, words("cat")) == ["cat"]
    assert ask(tmp_path, dataclasses.replace(base, templates=("a {}",))) == ["a cat", "a dog"]
    assert ask(tmp_path, dataclasses.replace(base, backgrounds=("a photo",))) == ["cat", "dog", "a photo"]
    assert ask(tmp_path, base, WeightsRef("tiny-clip", "2")) == ["cat", "dog"]
    assert ask(tmp_path, base, WeightsRef("other", "1")) == ["cat", "dog"]
    assert ask(tmp_path, words("cat", "dog", threshold=0.9)) == [], "thresholds need no new vectors"


@pytest.mark.parametrize("damage", [b"", b"\x93NUMPY", b"not an array"])
def test_a_damaged_file_is_computed_again(tmp_path: Path, damage: bytes) -> None:
    folder = tmp_path / "tags"
    assert ask(folder, words("cat"))
    (kept,) = folder.iterdir()
    sound = kept.read_bytes()
    kept.write_bytes(damage or sound[:-3])
    assert ask(folder, words("cat")) == ["cat"]
    assert kept.read_bytes() == sound


def test_tags_are_given_where_nothing_can_be_kept(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("not a folder")
    assert ask(tmp_path / "file", words("cat")) == ["cat"]
    assert "cannot be kept" in caplog.text


# The rules


def test_at_most_ten_tags_are_given(tmp_path: Path) -> None:
    names = [f"tag {index}" for index in range(30)]
    encoder = CompassEncoder({normalize_tag(name): 0 for name in names}, logit_bias=-1.0)
    tagger = ZeroShotTagger(encoder, words(*names), cache_dir=tmp_path, weights=WEIGHTS)
    assert len(tagger.tag(pointing(1))[0]) == MAX_TAGS
    assert tagger.tag(np.zeros((0, 8), np.float32)) == []


def test_a_tag_may_have_a_threshold_of_its_own(tmp_path: Path) -> None:
    both = Vocabulary((VocabularyTag("cat", ("cat",), 0.5), VocabularyTag("dog", ("dog",), 0.999)), ("{}",), ())
    encoder = CompassEncoder({"cat": 0, "dog": 1}, logit_bias=-5.0)
    tagger = ZeroShotTagger(encoder, both, cache_dir=tmp_path, weights=WEIGHTS)
    (tags,) = tagger.tag(pointing(1, 1))
    assert [tag.name for tag in tags] == ["cat"]
    assert tags[0].score == pytest.approx(1 / (1 + np.exp(5 - 10 / np.sqrt(2))))


def test_without_a_bias_a_tag_has_to_beat_what_is_true_of_any_picture(tmp_path: Path) -> None:
    plain = [f"word {index}" for index in range(9)]
    directions = {"cat": 0, "a photo": 1} | {name: 2 + index % 6 for index, name in enumerate(plain)}
    vocabulary = words("cat", *plain, backgrounds=("a photo",))
    tagger = ZeroShotTagger(CompassEncoder(directions), vocabulary, cache_dir=tmp_path, weights=WEIGHTS)
    cat, background = pointing(1, 0.5, 0.1, 0.12, 0.08), pointing(0.5, 1, 0.1, 0.12, 0.08)
    assert [[tag.name for tag in tags] for tags in tagger.tag(np.concatenate([cat, background]))] == [["cat"], []]


def test_prompts_of_a_tag_are_averaged(tmp_path: Path) -> None:
    vocabulary = Vocabulary((VocabularyTag("bass", ("guitar", "fish"), 0.5),), ("{}", "a {}"), ())
    encoder = CompassEncoder({"guitar": 0, "a guitar": 0, "fish": 1, "a fish": 1}, logit_bias=0.0)
    tagger = ZeroShotTagger(encoder, vocabulary, cache_dir=tmp_path, weights=WEIGHTS)
    assert sorted(encoder.asked) == ["a fish", "a guitar", "fish", "guitar"]
    assert tagger.scores(pointing(1))[0, 0] == pytest.approx(1 / (1 + np.exp(-10 / np.sqrt(2))), rel=1e-5)


# The file


def test_a_vocabulary_file_says_prompts_thresholds_and_templates(tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    path.write_text(
        "# mine\ntemplate: {}\ntemplate: a {}\nbackground: a photo\nthreshold: 0.2\n\n[animals]\n"
        "Dogs\nbass | a bass guitar; an electric bass\ncrane | a crane: the bird | 0.3\n"
    )
    vocabulary = read_vocabulary(path)
    assert vocabulary == Vocabulary(
        (
            VocabularyTag("dog", ("Dogs",), 0.2),
            VocabularyTag("bass", ("a bass guitar", "an electric bass"), 0.2),
            VocabularyTag("crane", ("a crane: the bird",), 0.3),
        ),
        ("{}", "a {}"),
        ("a photo",),
    )
    assert vocabulary.prompts(vocabulary.tags[0]) == ["Dogs", "a Dogs"]


@pytest.mark.parametrize(
    ("content", "complaint"),
    {
        "dog\ndogs\n": "line 2",
        "dog | a | 0.5 | more\n": "line 1",
        "dog | | much\n": "threshold",
        "dog | | 1.5\n": "threshold",
        "threshold: high\ndog\n": "threshold",
        "# nothing\n": "no tags",
    }.items(),
)
def test_a_vocabulary_that_makes_no_sense_is_refused(tmp_path: Path, content: str, complaint: str) -> None:
    (tmp_path / "words.txt").write_text(content)
    with pytest.raises(WeightsError, match=complaint):
        read_vocabulary(tmp_path / "words.txt")


def test_a_missing_vocabulary_is_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"words\.txt"):
        read_vocabulary(tmp_path / "words.txt")


def test_the_words_for_photos_are_many_and_in_their_one_form() -> None:
    vocabulary = read_vocabulary(PHOTO_TAGS)
    names = [tag.name for tag in vocabulary.tags]
    assert len(names) >= 600
    assert len(set(names)) == len(names)
    assert all(normalize_tag(name) == name for name in names)
    assert vocabulary.backgrounds
    assert len(vocabulary.templates) > 1
