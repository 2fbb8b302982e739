"""Tags have one form, and captions give the things they name."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from album.inference.results import Caption, TagSource
from album.inference.words import MAX_CAPTION_TAGS, MAX_TAG_LENGTH, caption_tags, normalize_tag, noun_phrases
from album.media.scenes import COLORS, SHAPES

CORPUS = Path(__file__).resolve().parents[2].parent / "shared" / "corpus" / "coco-captions-by"

CAPTIONS = {
    "two red circles on a blue background": "red circle, circle, blue background",
    "a small orange ring on a cyan background": "orange ring, ring, cyan background",
    "three black crosses on a white background": "black cross, cross, white background",
    "an orange star above a red cross on a pink background": "orange star, star, red cross, cross, pink background",
    "a man riding a wave on top of a surfboard": "man, wave, surfboard",
    "a woman holding an umbrella in the rain": "woman, umbrella, rain",
    "a black and white photo of a train station": "black and white, train station, station",
    "a black and white cat sitting on a couch": "cat, couch",
    "a group of people standing around a dining table": "person, dining table, table",
    "a couple of children playing soccer in a park": "child, soccer, park",
    "a red double decker bus driving down the street": "decker bus, bus, street",
    "a plate of food with a fork and knife": "plate, food, fork, knife",
    "a bunch of bananas on a wooden table": "banana, wooden table, table",
    "there are many sheep grazing in the green grass": "sheep, green grass, grass",
    "a close up of a pizza on a pan": "pizza, pan",
    "a herd of elephants crossing a river": "herd, elephant, river",
    "a bathroom with a toilet, sink and bathtub": "bathroom, toilet, sink, bathtub",
    "a hot dog with mustard on a paper plate": "hot dog, mustard, paper plate, plate",
    "a traffic light in front of a tall building": "traffic light, building",
    "a kitchen with stainless steel appliances": "kitchen, stainless steel appliance, appliance",
    "a teddy bear sitting on a bed": "teddy bear, bed",
    "several parked cars on the side of the road": "car, road",
    "the sun is setting over the ocean": "sun, ocean",
    "people on the beach flying kites": "person, beach, kite",
    "a man in a suit and tie smiling for the camera": "man, suit, tie, camera",
    "a glass of orange juice next to a sandwich": "glass, orange juice, juice, sandwich",
    "a bowl of soup with two slices of bread": "bowl, soup, bread",
    "a tennis player swings his racket at a ball": "tennis player, player, racket, ball",
    "a snowy mountain with trees in the background": "snowy mountain, mountain, tree",
    "a young boy brushing his teeth": "boy, tooth",
    "a dog that is laying down in the grass": "dog, grass",
    "a very large clock tower with a sky background": "clock tower, tower",
    "a bride and groom cutting a wedding cake": "bride, groom, wedding cake, cake",
    "an old man's hat hanging on a brick wall": "man, hat, brick wall, wall",
    "three geese and two mice in a swimming pool": "goose, mouse, swimming pool, pool",
    "a child's drawing of a house and a building": "child, drawing, house, building",
    "some yellow flowers in a glass vase": "yellow flower, flower, glass vase, vase",
    "a stop sign on the corner of a street": "stop sign, sign, corner, street",
    "a living room with a leather couch and a lamp": "living room, room, leather couch, couch, lamp",
    "an orange on a plate": "orange, plate",
    "": "",
    "on top of the": "",
}


@pytest.mark.parametrize(("caption", "expected"), CAPTIONS.items())
def test_a_caption_gives_the_things_it_names(caption: str, expected: str) -> None:
    assert noun_phrases(caption) == [name for name in expected.split(", ") if name]


@pytest.mark.parametrize("color", COLORS)
@pytest.mark.parametrize("shape", SHAPES)
def test_every_drawn_shape_is_found_in_its_caption(color: str, shape: str) -> None:
    assert noun_phrases(f"a large {color} {shape} on a gray background") == [
        f"{color} {shape}",
        shape,
        "gray background",
    ]


@pytest.mark.parametrize(
    ("raw", "expected"),
    {
        "  Red   Circles. ": "red circle",
        "Grey Harbours": "gray harbor",
        "Tennis racquets": "tennis racket",
        "people": "person",
        "Women": "woman",
        "Christmas": "christmas",
        "glasses": "glasses",
        "scissors": "scissors",
        "grass": "grass",
        "buses": "bus",
        "knives": "knife",
        "skis": "ski",
        "Bögen": "bögen",
        "#beach#": "beach",
        "...": "",
    }.items(),
)
def test_a_tag_has_one_form(raw: str, expected: str) -> None:
    assert normalize_tag(raw) == expected


@given(st.one_of(st.text(max_size=200), st.text("abcdeinors '-", max_size=120)))
def test_the_form_of_a_tag_is_final(text: str) -> None:
    once = normalize_tag(text)
    assert normalize_tag(once) == once
    assert len(once) <= MAX_TAG_LENGTH
    assert once == once.strip()


@given(st.text(max_size=200))
def test_any_text_gives_tags_in_their_one_form(text: str) -> None:
    names = noun_phrases(text)
    assert len(set(names)) == len(names)
    assert all(name and normalize_tag(name) == name for name in names)


def test_tags_of_a_caption_carry_its_score_and_their_source() -> None:
    tags = caption_tags(Caption("two red circles on a blue background", 0.75, 7))
    assert [tag.name for tag in tags] == ["red circle", "circle", "blue background"]
    assert {(tag.score, tag.source) for tag in tags} == {(0.75, TagSource.CAPTION)}


def test_a_long_caption_gives_a_bounded_number_of_tags() -> None:
    words = [f"{color} {shape}" for color in COLORS for shape in SHAPES]
    assert len(caption_tags(Caption(", ".join(words), 0.5, 99))) == MAX_CAPTION_TAGS


def test_importing_words_does_not_load_the_plural_rules() -> None:
    code = "import sys, album.inference.words; sys.exit('inflect' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# What people who wrote the captions call the objects of COCO.
SYNONYMS = {
    "person": ["person", "man", "woman", "boy", "kid", "player", "skateboarder", "pitcher", "worker", "baker"],
    "bicycle": ["bike", "bicycle"],
    "airplane": ["plane", "airplane", "seaplane", "biplane"],
    "suitcase": ["luggage", "suitcase"],
    "oven": ["oven", "stove", "microwave oven"],
    "tv": ["tv", "television"],
    "dining table": ["dining table"],
    "motorcycle": ["motorcycle", "motorbike"],
}


@pytest.mark.corpus
def test_objects_of_human_captions_are_found_and_are_in_the_photo() -> None:
    """Tags that name an object class of COCO are marked in the photo; classes that it spells out are tags."""
    if not (CORPUS / "captions.json").is_file():
        pytest.skip("needs ../shared/corpus/coco-captions-by")
    photos = json.loads((CORPUS / "captions.json").read_text(encoding="utf-8"))
    classes = {name for photo in photos for name in photo["objects"]}
    class_of = {word: name for name in classes for word in [name, *SYNONYMS.get(name, [])]}
    right = found = spelled = spelled_and_found = 0
    for photo in photos:
        for caption in photo["captions"]:
            named = {class_of[tag] for tag in noun_phrases(caption) if tag in class_of}
            found, right = found + len(named), right + len(named & set(photo["objects"]))
            plain = f" {' '.join(caption.lower().replace('.', ' ').replace(',', ' ').split())} "
            there = {name for name in photo["objects"] if f" {name} " in plain or f" {name}s " in plain}
            spelled, spelled_and_found = spelled + len(there), spelled_and_found + len(there & named)
    assert found >= 150
    assert right / found >= 0.95
    assert spelled_and_found / spelled >= 0.95
    print(f"precision {right}/{found}, recall {spelled_and_found}/{spelled}")
