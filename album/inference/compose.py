"""A plain English description from found objects, for machines too small for a captioner."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from album.inference.results import Detection

MAX_KINDS = 4
MAX_COUNTED = 10

CONFIDENT_CLASS = 0.8
"""The score from which a class of the whole picture is believed.

Measured: mobilenet-v2-quant on the 30 captioned photos of the corpus, busy scenes: at 0.8 four of six names are
right, 2026-11 (tests/corpus/test_light_taggers.py). Hence "possibly", and only where no object was found.
"""

_DISPLAYED = {"tv": "TV", "skis": "pair of skis", "scissors": "pair of scissors"}
_PLURALS = {"tv": "TVs", "skis": "pairs of skis", "scissors": "pairs of scissors"}
# fmt: off
_WITHOUT_ARTICLE = frozenset((
    "broccoli", "cauliflower", "corn", "guacamole", "consomme", "carbonara", "mashed potato", "meat loaf",
    "hot pot", "ice cream", "dough", "French bread", "chocolate sauce", "red wine", "espresso", "eggnog", "hay",
    "thatch", "wool", "velvet", "chain mail", "lotion", "sunscreen", "face powder", "hair spray",
    "toilet paper",
    "binoculars", "jeans", "pajamas", "parallel bars", "sunglasses", "swim trunks",
))
# fmt: on


def compose_description(detections: Sequence[Detection], classes: Sequence[tuple[str, float]]) -> str | None:
    """``Two people and a bicycle``; ``Possibly a castle`` where no object was found; None where nothing was.

    Args:
        detections: the objects; the most numerous kind comes first, then the one that fills most of the picture.
        classes: names of the whole picture, best first; used only without objects, and only when confident.
    """
    phrases = [_count(name, boxes) for name, boxes in _main_kinds(detections)]
    if phrases:
        text = str(_english().join(phrases, final_sep=""))
        return text[0].upper() + text[1:]
    if classes and classes[0][1] >= CONFIDENT_CLASS:
        return f"Possibly {_with_article(classes[0][0])}"
    return None


def _main_kinds(detections: Sequence[Detection]) -> list[tuple[str, list[Detection]]]:
    kinds: dict[str, list[Detection]] = {}
    for detection in detections:
        kinds.setdefault(detection.name, []).append(detection)
    ordered = sorted(kinds.items(), key=lambda kind: (-len(kind[1]), -sum(map(_area, kind[1])), kind[0]))
    return ordered[:MAX_KINDS]


def _area(detection: Detection) -> float:
    left, top, right, bottom = detection.box
    return (right - left) * (bottom - top)


def _count(name: str, boxes: Sequence[Detection]) -> str:
    if len(boxes) == 1 or name in _WITHOUT_ARTICLE:
        return _with_article(name)
    plural = _PLURALS.get(name) or str(_english().plural_noun(name))
    return f"{_english().number_to_words(len(boxes))} {plural}" if len(boxes) <= MAX_COUNTED else f"many {plural}"


def _with_article(name: str) -> str:
    shown = _DISPLAYED.get(name, name)
    return shown if name in _WITHOUT_ARTICLE else str(_english().a(shown))


@cache
def _english() -> Any:
    import inflect

    return inflect.engine()
