"""What the search by looks knows: an encoder for texts, the vectors of the items, and when a match is one.

Used by the helper process alone (``serve_search``): it loads numpy and ONNX Runtime.
"""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import log
from pathlib import Path
from statistics import NormalDist

import numpy as np
from django.conf import settings
from django.db.models import Count
from numpy.typing import NDArray

from album.exceptions import WeightsMissing
from album.inference.catalogue import CATALOGUE, Entry
from album.inference.results import Encoder, FloatArray
from album.inference.taggers import logistic
from album.inference.weights import installed, require, revision_of
from album.models import Embedding, Stage, StageResult
from album.search.vectors import Likeness, VectorFile

MOST_TEXTS = 500
"""Texts whose vectors are kept: 1 MB at 512 numbers."""
REFRESH_S = 30
OVERLAP = timedelta(minutes=2)
"""Longer than a batch takes to record an item, so that none is missed between two looks."""
CHUNK = 2000
BACKGROUNDS = ("a photo", "a picture of something", "an image")
"""What is true of any picture: a match has to be nearer than these."""
LEAST_PROBABILITY = 0.1
"""Of encoders with a trained bias. Measured: tiny CLIP, 48 texts, 1000 fresh scenes: precision .954, recall 1."""
ENOUGH = 10
"""From so many pictures on, a text that fits more than half of them is taken to say nothing."""
LEAST_OF_BEST = 0.6
"""How far a match has to stand out, as a share of how far the best one does.

Measured: the same without its bias: precision .903, recall .715; at .7 .990 and .711. Not measured on photos.
"""


@dataclass(frozen=True, slots=True)
class Found:
    """Items, the nearest first, with how alike they are: a probability, or a cosine. ``more`` were left out."""

    items: NDArray[np.int64]
    similarities: FloatArray
    more: bool


class Looks:
    """Answers questions about the vectors of one encoder."""

    def __init__(self, folder: Path, cache: Path, *, threads: int = 1) -> None:
        """Opens the encoder of most vectors. Raises WeightsMissing: no installed weights made any."""
        entry = _entry_of_most_vectors(cache)
        self.weights, self._revision = entry.id, revision_of(entry, cache)
        self._encoder = _open(entry, require(entry, cache), threads)
        dimension = self._encoder.dimension
        name = f"{entry.id}-{self._revision[:16]}-{dimension}.vectors"
        for other in (*folder.glob("*.vectors"), *folder.glob("*.rows")):  # so the files of earlier releases ended
            if other.name != name:
                other.unlink(missing_ok=True)
        self.file = VectorFile(folder / name, dimension)
        self._texts: dict[str, FloatArray] = {}
        self._encoding = threading.Lock()
        self._backgrounds: FloatArray | None = None
        self._looked_at = -REFRESH_S * 2.0
        self.refresh()

    def refresh(self) -> None:
        """Takes over vectors that a batch has written, at most twice a minute."""
        if time.monotonic() - self._looked_at < REFRESH_S:
            return
        self._looked_at, now = time.monotonic(), datetime.now(UTC)
        rows = Embedding.objects.filter(weights=self.weights, revision=self._revision)
        if len(self.file) > 1.1 * Embedding.objects.filter(weights=self.weights).count():
            self.file.clear()  # a tenth of them belong to items that are gone
            self._backgrounds = None
        if len(self.file):
            since = datetime.fromtimestamp(self.file.path.stat().st_mtime, UTC) - OVERLAP
            # By subquery: a join would begin at the vectors, all of them.
            renewed = StageResult.objects.filter(stage=Stage.EMBED, updated_at__gte=since)
            rows = rows.filter(item__in=renewed.values("item"))
        pending: list[tuple[int, bytes]] = []
        for item, vector in rows.values_list("item_id", "vector").iterator(CHUNK):
            pending.append((item, bytes(vector)))
            self._backgrounds = None
            if len(pending) == CHUNK:
                self.file.put(pending)
                pending.clear()
        self.file.put(pending)
        os.utime(self.file.path, (now.timestamp(), now.timestamp()))

    def of_text(self, text: str, most: int) -> Found:
        """What looks like ``text``: nothing rather than a bad match."""
        likeness = self.file.likeness(self.vector_of(text))
        if self._encoder.logit_bias is not None:
            return self._probable(likeness, most)
        if self._backgrounds is None:
            backgrounds = [self.file.likeness(self.vector_of(background)) for background in BACKGROUNDS]
            self._backgrounds = np.maximum.reduce([background.similarities for background in backgrounds])
        return self._outstanding(likeness, self._backgrounds, most)

    def of_picture(self, vector: bytes, most: int) -> Found:
        """What looks like the picture with this vector of float16, itself included."""
        if len(vector) != 2 * self.file.dimension:
            raise WeightsMissing(f"{self.weights}: this picture has no vector by these weights yet.")
        likeness = self.file.likeness(np.frombuffer(vector, "<f2").astype(np.float32))
        return self._found(likeness, most, likeness.level + likeness.scatter)

    def vector_of(self, text: str) -> FloatArray:
        """The vector of ``text``. Safe in any thread: one text is encoded while others are compared."""
        if (known := self._texts.get(text)) is not None:
            return known
        with self._encoding:
            if (vector := self._texts.get(text)) is None:
                vector = self._texts[text] = self._encoder.embed_texts([text])[0]
            if len(self._texts) > MOST_TEXTS:
                del self._texts[next(iter(self._texts))]
            return vector

    def close(self) -> None:
        with self._encoding:
            self._encoder.close()

    def _probable(self, likeness: Likeness, most: int) -> Found:
        """By the trained bias: the probability that the text is true of the picture."""
        scale, bias = self._encoder.logit_scale, self._encoder.logit_bias or 0.0
        least = (log(LEAST_PROBABILITY / (1 - LEAST_PROBABILITY)) - bias) / scale
        if likeness.level >= least and len(likeness.similarities) >= ENOUGH:
            least = 2.0  # above every cosine
        found = self._found(likeness, most, least)
        return Found(found.items, logistic(scale * found.similarities + bias), found.more)

    def _outstanding(self, likeness: Likeness, backgrounds: FloatArray, most: int) -> Found:
        """Where cosines have no absolute meaning: what stands out of all items, if the best of them does.

        The best of n unrelated pictures stands out too. It counts only where it does so further than the best of n
        normally scattered ones would in every second case, and is nearer than what is true of any picture.
        """
        nearer = np.where(likeness.similarities > backgrounds, likeness.similarities, np.float32(-1))
        best = (float(nearer.max(initial=-1)) - likeness.level) / likeness.scatter
        if best < NormalDist().inv_cdf(0.5 ** (1 / max(2, len(nearer)))):
            least = 2.0  # above every cosine
        else:
            least = likeness.level + LEAST_OF_BEST * best * likeness.scatter
        return self._found(Likeness(nearer, likeness.level, likeness.scatter), most, least)

    def _found(self, likeness: Likeness, most: int, least: float) -> Found:
        rows = likeness.best(most + 1, least)
        return Found(self.file.items[rows[:most]], likeness.similarities[rows[:most]], len(rows) > most)


def _entry_of_most_vectors(cache: Path) -> Entry:
    counts = Embedding.objects.order_by().values_list("weights").annotate(count=Count("pk")).order_by("-count")
    for weights, _count in counts:
        entry = CATALOGUE.get(weights)
        if entry and entry.task == "encoder" and installed(entry, cache):
            return entry
    raise WeightsMissing("No picture has a vector by weights that are installed. Next step: manage.py show_profile")


def _open(entry: Entry, folder: Path, threads: int) -> Encoder:
    from album.inference.encoders import OnnxDualEncoder, TorchDualEncoder

    if entry.runtime == "torch":
        return TorchDualEncoder(folder)
    return OnnxDualEncoder(folder, threads=threads, images=False)


def open_looks() -> Looks:
    """The vectors of this installation, with a thread for each core but one."""
    folder = settings.VAR_DIR / "search"
    return Looks(folder, settings.MODELS_CACHE_DIR, threads=max(1, (os.cpu_count() or 2) - 1))
