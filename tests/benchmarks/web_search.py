"""The part ``search`` of ``scripts/bench web``: words, looks, and what completes a search, at 100,000 items.

The encoder has the size of CLIP ViT-B/32 in int8 and random numbers for weights, the vectors of the items are
random: what a search costs depends on sizes, not on what a network has learned. What is alike is measured by
``similar``, where two thousand of the vectors stand out; texts are near to nothing.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from statistics import median
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import psutil

from tests.benchmarks.full_size import CLIP_ID, make_clip_weights
from tests.benchmarks.measuring import FOLDER, MB, Figure, median_ratio, run_child
from tests.faults.installation import Installation, wait_until
from tests.faults.web import Member, WebServer

if TYPE_CHECKING:
    from tests.benchmarks.web import Size

WEIGHTS = FOLDER / "weights"
DIMENSION = 512
MAKE_NAMES = """
    import random
    from album.models import ItemTag, MediaItem, Tag
    dice = random.Random(2)
    tags = [Tag.objects.create(name=f"thing {{n}}") for n in range(400)]
    for start in range(0, {count}, 5000):
        ids = MediaItem.objects.order_by("pk").values_list("pk", flat=True)[start : start + 5000]
        ItemTag.objects.bulk_create(
            ItemTag(item_id=pk, tag=tags[n], source="zero-shot", score=.9)
            for pk in ids for n in {{min(int(dice.expovariate(.02)), 399) for _ in range(4)}}
        )
    from album.search.index import tidy
    paris = {{"city": "Paris", "country": "France", "camera": "Canon EOS R6"}}
    MediaItem.objects.filter(pk__in=range(1, {count}, 7)).update(**paris)
    tidy()  # as each morning
"""
MAKE_VECTORS = """
    import numpy as np
    from django.utils import timezone
    from album.inference.catalogue import CATALOGUE
    from album.inference.weights import revision_of
    from album.models import Embedding, MediaItem, StageResult
    from django.conf import settings
    dice, revision = np.random.default_rng(3), revision_of(CATALOGUE["{weights}"], settings.MODELS_CACHE_DIR)
    for start in range(0, {count}, 5000):
        ids = list(MediaItem.objects.order_by("pk").values_list("pk", flat=True)[start : start + 5000])
        rows = dice.standard_normal((len(ids), {dimension}), dtype=np.float32)
        rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype("<f2")
        Embedding.objects.bulk_create(
            Embedding(item_id=pk, weights="{weights}", revision=revision, vector=row.tobytes())
            for pk, row in zip(ids, rows)
        )
"""
SEARCHES = (
    "dog", "beach house", '"red car"', "flowers garden", "thing 7", "paris snow", "boat -night", "dog OR boat",
    "tag:\"thing 300\"", "place:paris camera:canon", "IMG_4711", "after:2026-06 mountain", "child stree",
)  # fmt: skip
LOOKS = ("a dog on a beach", "people at night", "my red car", "an old house by a lake", "food", "snow on mountains")


def figures(size: Size, installation: Installation) -> Iterator[Figure]:
    """Searches in a library without files, first by words alone, then with a vector for each item."""
    from tests.benchmarks.web import load  # the module that runs this one

    installation.python(MAKE_NAMES.format(count=size.rows))
    requests = size.requests // 4
    with WebServer(installation, workers=2) as server:
        member = server.alice()
        words = [_address("/search/items/", text) for text in SEARCHES]
        load(server, member, words, 4 * len(words))
        measured = load(server, member, words, requests)
        yield Figure("search by words, p95", measured.p95_ms, "ms", most=40, note=measured.note)
        yield Figure("search by words, CPU", measured.cpu_ms, "ms")
        page = load(server, member, [_address("/search/", text) for text in SEARCHES], requests // 2)
        yield Figure("page of a search by words, p95", page.p95_ms, "ms", note=page.note)
        typed = [_address("/search/suggest/", text) for text in ("dog th", "par", "place:fra", "can")]
        suggested = load(server, member, typed, requests // 2)
        yield Figure("what completes a search, p95", suggested.p95_ms, "ms", note=suggested.note)
        yield from _by_looks(size, installation, server, member)


def _by_looks(size: Size, installation: Installation, server: WebServer, member: Member) -> Iterator[Figure]:
    from tests.benchmarks.web import family, load

    installation.manage("import_models", str(make_clip_weights(WEIGHTS) / CLIP_ID), "--model", CLIP_ID)
    installation.python(MAKE_VECTORS.format(count=size.rows, weights=CLIP_ID, dimension=DIMENSION))
    requests = size.requests // 8
    wait_until(lambda: _is_ready(member), 120, "the helper to have read all vectors")
    texts = [_address("/search/items/", text) for text in LOOKS]
    load(server, member, texts, 4 * len(texts))
    warm = load(server, member, texts, requests)
    yield Figure("search by looks, texts asked before, p95", warm.p95_ms, "ms", most=80, note=warm.note)
    fresh = [_address("/search/items/", f"{text} number {n}") for n, text in enumerate(LOOKS * (requests // 6))]
    cold = load(server, member, fresh, len(fresh))
    yield Figure("the same, texts never asked before, p95", cold.p95_ms, "ms", most=80, note=cold.note)
    yield from _compared(size.rows)
    similar = [f"/media/{pk}/similar/items/" for pk in range(1, 400, 5)]
    alike = load(server, member, similar, requests)
    yield Figure("similar photos, p95", alike.p95_ms, "ms", most=80, note=alike.note)
    helpers = [process for process in family(server) if "serve_search" in process.cmdline()]
    yield Figure("helper processes", len(helpers), most=1)
    yield Figure("helper, its own memory", _own_mb(helpers[0]), "MB", note="USS; the vectors lie in the page cache")
    web = [process for process in family(server) if process not in helpers]
    yield Figure("web process after that", max(map(_pss_mb, web)), "MB", most=150, note="the largest, PSS")


def _compared(count: int) -> Iterator[Figure]:
    """What one question to all vectors costs the helper, and what the 8-bit numbers lose."""
    one_thread = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    found = run_child("-m", "tests.benchmarks.vectors", count, env=one_thread).answer
    ratio, note = median_ratio(found["ours"], found["theirs"]), f"{1000 * median(found['ours']):.1f} ms"
    yield Figure("one question to all vectors / float32 by numpy, CPU", ratio, "x", note=note)
    yield Figure("of the first 60 by float32 found, random vectors", found["recall"], least=0.98)


def _is_ready(member: Member) -> bool:
    return bool(json.loads(member.get("/media/1/similar/items/")[1])["rows"])


def _address(path: str, text: str) -> str:
    return f"{path}?{urlencode({'q': text, 'limit': 60})}"


def _own_mb(process: psutil.Process) -> float:
    return float(process.memory_full_info().uss) / MB


def _pss_mb(process: psutil.Process) -> float:
    return float(process.memory_full_info().pss) / MB
