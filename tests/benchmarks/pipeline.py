"""From file to row, against the same sessions on ready tensors.

``python -m tests.benchmarks.pipeline MODELS ROUNDS``

Runs inside an installation that holds the photos. The weights are open before the clock starts, for both sides.
Prints photos per second of both, wall clock, taken in turns.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import django
import numpy as np

os.environ["DJANGO_SETTINGS_MODULE"] = "photo_album.settings"
django.setup()

from album.batches.options import BatchOptions, Redo  # noqa: E402
from album.batches.run import run_batch  # noqa: E402
from album.batches.stage_loop import StageWork  # noqa: E402
from album.inference.analyzers import CaptionAnalyzer, EmbeddingAnalyzer  # noqa: E402
from album.inference.captioners import OnnxBlip  # noqa: E402
from album.inference.encoders import OnnxDualEncoder  # noqa: E402
from album.inference.preprocess import PixelRecipe, resize_and_normalize  # noqa: E402
from album.inference.results import Analysis, Analyzer, FloatArray, WeightsRef  # noqa: E402
from album.inference.taggers import PHOTO_TAGS, ZeroShotTagger, read_vocabulary  # noqa: E402
from album.media.decode import decode_photo  # noqa: E402
from album.models import BatchRun, MediaItem, Photo, Stage  # noqa: E402
from album.models.media import Kind  # noqa: E402
from tests.benchmarks.full_size import BLIP_ID, CLIP_ID, TOKENS  # noqa: E402
from tests.benchmarks.measuring import in_turns  # noqa: E402

MICRO_BATCH = 8
DECODE_THREADS = 2
"""Both as the profile mid-range has them."""


class Silence:
    """Satisfies ``Listener``."""

    def stage_started(self, stage: Stage, total: int, weights: str) -> None: ...

    def item_done(self, item: MediaItem, stage: Stage, outcome: Analysis | str) -> None:
        if isinstance(outcome, str):
            raise RuntimeError(f"{item}: {outcome}")

    def note(self, message: str) -> None: ...


class Left(CaptionAnalyzer):
    """Stays open for the next round."""

    def close(self) -> None: ...


class LeftEncoder(EmbeddingAnalyzer):
    """Stays open for the next round."""

    def close(self) -> None: ...


def through_the_batch(analyzer: Analyzer, stage: Stage, min_side_px: int) -> float:
    """Seconds per photo of a whole run: ledger, claims, decoding, analysis, rows."""
    work = StageWork(stage, ((analyzer.weights, lambda: analyzer),), DECODE_THREADS, min_side_px)
    run = BatchRun(kind=Kind.PHOTO, trigger=BatchRun.Trigger.COMMAND)
    started = time.monotonic()
    totals = run_batch(run, BatchOptions(kind=Kind.PHOTO, redo=Redo.EVERYTHING), [work], Silence())
    elapsed_s = time.monotonic() - started
    if (totals.failed, totals.remaining) != (0, 0):
        raise RuntimeError(f"the batch did not do its work: {totals}")
    return elapsed_s / Photo.objects.count()


def bare_captions(captioner: OnnxBlip, tensors: list[FloatArray]) -> None:
    """The two graphs alone: no wording, no tags, no end of a sentence."""
    config, encoder, step = captioner.config, captioner._encoder, captioner.step
    names = ["next_ids", *config.cache_names("present")]
    for start in range(0, len(tensors), MICRO_BATCH):
        chunk = tensors[start : start + MICRO_BATCH]
        shape = (len(chunk), config.heads, config.source_tokens, config.head_dim)
        cross = {name: np.empty(shape, np.float32) for name in config.cross_names}
        for row, tensor in enumerate(chunk):
            encoder.run_into({"pixel_values": tensor}, {name: side[row : row + 1] for name, side in cross.items()})
        ids: object = np.full((len(chunk), 1), config.start_id)
        past: list[object] = [np.zeros((len(chunk), 1, config.heads, 0, config.head_dim), np.float32)] * (
            2 * config.layers
        )
        for _ in range(TOKENS):
            said = dict(zip(config.cache_names("past"), past, strict=True))
            ids, *past = step.run_values({"input_ids": ids, **cross, **said}, names)


def seconds_each(work: Callable[[], None], count: int) -> float:
    started = time.monotonic()
    work()
    return (time.monotonic() - started) / count


def main(weights: Path, rounds: int) -> None:
    photos = [Path(photo.original.path) for photo in Photo.objects.all()]
    captioner = OnnxBlip(weights / BLIP_ID, threads=1, decode_batch=MICRO_BATCH)
    captions = Left(captioner, WeightsRef(BLIP_ID, "bench"), MICRO_BATCH)
    wide, narrow = (3 * side_px // 2 for side_px in (captioner.config.image_size_px, 224))
    tensors = [
        resize_and_normalize([decode_photo(path, min_side_px=wide)], captioner.config.recipe) for path in photos
    ]

    encoder = OnnxDualEncoder(weights / CLIP_ID, threads=1)
    ref = WeightsRef(CLIP_ID, "bench")
    vocabulary = read_vocabulary(PHOTO_TAGS)
    tagger = ZeroShotTagger(encoder, vocabulary, cache_dir=weights / "tag_vectors", weights=ref)
    vectors = LeftEncoder(encoder, tagger, ref, MICRO_BATCH)
    small = PixelRecipe(224, mode="crop")
    visual = encoder._visual
    if visual is None:
        raise RuntimeError("the image tower is open from the start")
    crops = [resize_and_normalize([decode_photo(path, min_side_px=narrow)], small) for path in photos]

    def bare_vectors() -> None:
        for crop in crops:
            visual.run({"pixel_values": crop})

    through_the_batch(captions, Stage.CAPTION, wide)  # the first round pays for the arenas of the runtime
    batch_s, bare_s = in_turns(
        rounds,
        lambda: through_the_batch(captions, Stage.CAPTION, wide),
        lambda: seconds_each(lambda: bare_captions(captioner, tensors), len(tensors)),
    )
    through_the_batch(vectors, Stage.EMBED, narrow)
    embed_s, bare_embed_s = in_turns(
        rounds,
        lambda: through_the_batch(vectors, Stage.EMBED, narrow),
        lambda: seconds_each(bare_vectors, len(crops)),
    )
    print(json.dumps({"caption": [batch_s, bare_s], "embed": [embed_s, bare_embed_s]}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
