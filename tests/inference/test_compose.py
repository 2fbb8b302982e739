"""Found objects become plain English, the main thing first."""

from __future__ import annotations

import pytest

from album.inference.compose import compose_description
from album.inference.labels import read_labels
from album.inference.results import Detection


def found(*names: str, side: float = 10) -> list[Detection]:
    return [Detection(name, 0.9, (0, 0, side, side)) for name in names]


@pytest.mark.parametrize(
    ("names", "text"),
    [
        (["person", "bicycle", "person"], "Two people and a bicycle"),
        (["dog"], "A dog"),
        (["umbrella"], "An umbrella"),
        (["sheep"] * 3, "Three sheep"),
        (["tv", "tv"], "Two TVs"),
        (["tv"], "A TV"),
        (["mouse", "mouse", "knife", "knife"], "Two knives and two mice"),
        (["scissors"], "A pair of scissors"),
        (["skis", "skis", "person"], "Two pairs of skis and a person"),
        (["broccoli", "broccoli", "bowl"], "Broccoli and a bowl"),
        (["wine glass", "wine glass"], "Two wine glasses"),
        (["person"] * 11, "Many people"),
        (["cat", "dog", "bird"], "A bird, a cat and a dog"),
    ],
)
def test_counts_articles_and_plurals(names: list[str], text: str) -> None:
    assert compose_description(found(*names), []) == text


def test_of_equal_counts_the_larger_object_comes_first() -> None:
    assert compose_description([*found("cat"), *found("dog", side=50)], []) == "A dog and a cat"


def test_no_more_than_four_kinds_are_named() -> None:
    text = compose_description(found("cat", "dog", "bird", "horse", "person", "person"), [])
    assert text == "Two people, a bird, a cat and a dog"


def test_a_class_speaks_only_without_objects_and_only_when_sure() -> None:
    assert compose_description([], [("castle", 0.9), ("palace", 0.1)]) == "Possibly a castle"
    assert compose_description([], [("castle", 0.79)]) is None
    assert compose_description(found("dog"), [("castle", 0.99)]) == "A dog"
    assert compose_description([], []) is None


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("jeans", "Possibly jeans"),
        ("ice cream", "Possibly ice cream"),
        ("abacus", "Possibly an abacus"),
        ("binoculars", "Possibly binoculars"),
        ("trench coat", "Possibly a trench coat"),
        ("bus", "Possibly a bus"),
        ("basset hound", "Possibly a basset hound"),
    ],
)
def test_a_class_has_the_right_article(name: str, text: str) -> None:
    assert compose_description([], [(name, 0.9)]) == text


def test_every_label_can_be_said() -> None:
    for name in read_labels("coco"):
        assert compose_description(found(name), [])
        assert compose_description(found(name, name), [])
    for name in read_labels("imagenet"):
        assert (compose_description([], [(name, 1.0)]) or "").startswith("Possibly ")


def test_the_label_files_are_complete() -> None:
    assert len(read_labels("coco")) == 80
    assert len(read_labels("imagenet")) == 1000
    assert read_labels("coco")[0] == "person"
    assert read_labels("imagenet")[:2] == ("tench", "goldfish")
    assert read_labels("imagenet")[-1] == "toilet paper"
