"""Drawn scenes with exact captions: the demo album, the training set of the tiny networks, and test pictures.

A scene is simple on purpose: coloured shapes on a plain background, so that its one right caption is known.
Everything follows from the ``random.Random`` that is passed in.
"""

from __future__ import annotations

import hashlib
import math
import random
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

SHAPES = ("circle", "square", "triangle", "star", "cross", "ring")
COLORS: dict[str, tuple[int, int, int]] = {
    "red": (220, 30, 30),
    "green": (30, 160, 60),
    "blue": (40, 70, 220),
    "yellow": (240, 215, 40),
    "purple": (140, 50, 170),
    "orange": (245, 140, 20),
    "white": (250, 250, 250),
    "black": (15, 15, 15),
}
BACKGROUNDS: dict[str, tuple[int, int, int]] = {
    "white": (245, 245, 245),
    "black": (20, 20, 20),
    "gray": (128, 128, 128),
    "pink": (250, 170, 200),
    "cyan": (150, 225, 235),
    "blue": (35, 60, 170),
}
NUMBER_WORDS = {2: "two", 3: "three", 4: "four"}
SIZES = ("small", "large")
RELATIONS = ("left of", "above")
ROLES = ("small", "large", "left1", "left2", "above1", "above2", "n2", "n3", "n4")
GRID = 4
HELD_OUT_SHARE = 0.1


@dataclass(frozen=True, slots=True)
class Scene:
    """``kind`` is one of ``one``, ``many`` and the two relations; objects are (color, shape) pairs."""

    kind: str
    background: str
    objects: tuple[tuple[str, str], ...]
    size: str = ""

    @property
    def caption(self) -> str:
        """The one right sentence."""
        (color, shape), tail = self.objects[0], f"on a {self.background} background"
        if self.kind == "one":
            return f"a {self.size} {color} {shape} {tail}"
        if self.kind == "many":
            return f"{NUMBER_WORDS[len(self.objects)]} {color} {plural(shape)} {tail}"
        other_color, other_shape = self.objects[1]
        return f"{_article(color)} {shape} {self.kind} {_article(other_color)} {other_shape} {tail}"

    @property
    def statements(self) -> frozenset[str]:
        """All short queries that are true of this scene."""
        true = {f"{self.background} background"}
        for color, shape in self.objects:
            true |= {color, shape, f"{color} {shape}"}
        if self.kind == "many":
            true.add(f"{NUMBER_WORDS[len(self.objects)]} {plural(self.objects[0][1])}")
        return frozenset(true)

    @property
    def is_held_out(self) -> bool:
        """True for the tenth of all captions that training never sees."""
        return hashlib.sha256(self.caption.encode()).digest()[0] < 256 * HELD_OUT_SHARE


def _article(word: str) -> str:
    return f"an {word}" if word[0] in "aeiou" else f"a {word}"


def plural(shape: str) -> str:
    return f"{shape}es" if shape.endswith("s") else f"{shape}s"


def sample_scene(rng: random.Random) -> Scene:
    """A random scene without ambiguous caption: two equal objects are always ``many``."""
    background = rng.choice(tuple(BACKGROUNDS))
    colors = [color for color in COLORS if color != background]

    def pick() -> tuple[str, str]:
        return rng.choice(colors), rng.choice(SHAPES)

    draw = rng.random()
    if draw < 0.25:
        return Scene("one", background, (pick(),), rng.choice(SIZES))
    if draw < 0.75:
        first = second = pick()
        while second == first:
            second = pick()
        return Scene(rng.choice(RELATIONS), background, (first, second))
    return Scene("many", background, (pick(),) * rng.choice(tuple(NUMBER_WORDS)))


def place_objects(scene: Scene, rng: random.Random) -> list[tuple[float, float, float]]:
    """Center x, y and radius of each object, in units of a 64 x 64 square.

    Objects sit on a 4 x 4 grid with jitter (cells are the patches of the tiny networks); a large one covers
    2 x 2 cells.
    """

    def cell(index: int) -> tuple[float, float, float]:
        column, row = index % GRID, index // GRID
        x, y = column * 16 + 8 + rng.uniform(-1.2, 1.2), row * 16 + 8 + rng.uniform(-1.2, 1.2)
        return x, y, rng.uniform(5.9, 7)

    if scene.size == "large":
        x, y = (rng.choice((16, 32, 48)) + rng.uniform(-1.5, 1.5) for _ in range(2))
        return [(x, y, rng.uniform(12.5, 14.5))]
    if scene.kind in {"one", "many"}:
        return [cell(index) for index in rng.sample(range(GRID * GRID), len(scene.objects))]
    line, (first, second) = rng.randrange(GRID), sorted(rng.sample(range(GRID), 2))
    if scene.kind == "left of":
        return [cell(line * GRID + first), cell(line * GRID + second)]
    return [cell(first * GRID + line), cell(second * GRID + line)]


def draw_scene(
    scene: Scene, rng: random.Random, size_px: tuple[int, int] = (64, 64)
) -> tuple[Image.Image, NDArray[np.uint8]]:
    """The picture, RGB of ``size_px`` (width, height), and its per-cell truth.

    The truth is ``(3, 16) uint8``: color, shape and role of the object whose center lies in each grid cell,
    numbered from 1; 0 means an empty cell. Training uses it, nothing else does.
    """
    side = max(128, *size_px)
    unit = side / 64
    background = _jitter(BACKGROUNDS[scene.background], rng)
    image = Image.new("RGB", (side, side), background)
    pen = ImageDraw.Draw(image)
    truth = np.zeros((3, GRID * GRID), np.uint8)
    for index, ((color, shape), (x, y, radius)) in enumerate(
        zip(scene.objects, place_objects(scene, rng), strict=True)
    ):
        center = (x * unit, y * unit, radius * unit)
        _draw_shape(pen, shape, center, (_jitter(COLORS[color], rng), background), rng.uniform(-0.15, 0.15))
        cell = min(GRID - 1, int(y / 16)) * GRID + min(GRID - 1, int(x / 16))
        truth[:, cell] = (
            tuple(COLORS).index(color) + 1,
            SHAPES.index(shape) + 1,
            ROLES.index(_role(scene, index)) + 1,
        )
    return image.resize(size_px, Image.Resampling.LANCZOS), truth


def _role(scene: Scene, index: int) -> str:
    if scene.kind == "one":
        return scene.size
    if scene.kind == "many":
        return f"n{len(scene.objects)}"
    return f"{scene.kind.split()[0]}{index + 1}"


def _jitter(color: tuple[int, int, int], rng: random.Random) -> tuple[int, int, int]:
    red, green, blue = (max(0, min(255, value + rng.randint(-14, 14))) for value in color)
    return red, green, blue


def _draw_shape(
    pen: ImageDraw.ImageDraw,
    shape: str,
    center: tuple[float, float, float],
    colors: tuple[tuple[int, int, int], tuple[int, int, int]],
    angle_rad: float,
) -> None:
    x, y, radius = center
    fill, background = colors
    if shape in {"circle", "ring"}:
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=fill)
    if shape == "ring":
        hole = radius / 2
        pen.ellipse((x - hole, y - hole, x + hole, y + hole), fill=background)
    elif shape == "cross":
        arm = radius * 0.32
        pen.rectangle((x - radius, y - arm, x + radius, y + arm), fill=fill)
        pen.rectangle((x - arm, y - radius, x + arm, y + radius), fill=fill)
    elif shape in {"square", "triangle", "star"}:
        pen.polygon(_corners(shape, center, angle_rad), fill=fill)


def _corners(shape: str, center: tuple[float, float, float], angle_rad: float) -> list[tuple[float, float]]:
    x, y, radius = center
    count, radii, turn = {
        "triangle": (3, (1.1,), 0.0),
        "square": (4, (1.15,), math.pi / 4),
        "star": (10, (1.1, 1.1 * 0.42), 0.0),
    }[shape]
    corners = []
    for index in range(count):
        angle = angle_rad + 2 * math.pi * index / count - math.pi / 2 + turn
        reach = radius * radii[index % len(radii)]
        corners.append((x + reach * math.cos(angle), y + reach * math.sin(angle)))
    return corners
