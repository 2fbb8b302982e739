"""The log tells the story of a night, line by line, with the batch, the stage and the item as fields."""

from __future__ import annotations

import logging

import pytest
from django.core.management.base import BaseCommand

from album.batches.run import run_batch
from album.batches.run_state import reap_dead_runs, take_run
from album.exceptions import WeightsMissing
from album.inference.results import WeightsRef
from album.log_fields import fields_of
from album.management.commands._analyze import Terminal
from album.models import BatchRun, MediaItem, Stage
from album.models.media import Kind
from tests.batches.fakes import FakeAnalyzer, Notebook, work_of
from tests.faults.installation import Installation


@pytest.fixture
def night(db) -> BatchRun:
    return BatchRun.objects.create(kind=Kind.PHOTO, trigger=BatchRun.Trigger.SCHEDULE, profile="raspberry-pi")


class Story(logging.Handler):
    """The lines with their fields as they were when each was said."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[tuple[str, str, dict[str, str]]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append((record.levelname, record.getMessage(), fields_of(record)))


@pytest.fixture
def story():
    handler, logger = Story(), logging.getLogger("album")
    logger.addHandler(handler)
    yield handler.lines
    logger.removeHandler(handler)


def test_a_night_from_its_beginning_to_its_end(make_grays, night, photos, story) -> None:
    make_grays(10, 15, 20)
    poisoned = MediaItem.objects.get(original_name="gray-15.png")
    works = [
        work_of(FakeAnalyzer(Stage.EMBED, WeightsRef("encoder", "7"))),
        work_of(FakeAnalyzer(Stage.CAPTION, WeightsRef("captioner", "9"), fails_on=frozenset({15}))),
    ]
    run_batch(night, photos, works, Terminal(BaseCommand(), None))
    number = night.pk
    told = [(level, words.split(",")[0] if "s each" in words else words) for level, words, _ in story]
    assert told == [
        ("INFO", f"batch {number} begins: photos, Schedule, profile raspberry-pi"),
        ("INFO", f"batch {number} embed: 3 photos wait, by encoder"),
        ("INFO", f"batch {number} looked at 3/3"),
        ("INFO", f"batch {number} caption: 3 photos wait, by captioner"),
        ("WARNING", f"item {poisoned.pk} failed in caption: the analysis failed: this picture breaks the network"),
        ("INFO", f"batch {number} described 3/3"),
        ("INFO", f"batch {number} ended: 2 described, 1 failed. Nothing left to do."),
    ]
    assert {fields.get("batch_run") for _, _, fields in story} == {str(number)}
    assert [fields.get("stage") for _, _, fields in story] == [
        *(None, "embed", "embed", "caption", "caption", "caption"),
        None,
    ]
    assert [fields["media_id"] for _, _, fields in story if "media_id" in fields] == [str(poisoned.pk)]


def test_a_refused_night_ends_with_an_error_that_says_what_to_do(make_grays, night, photos, story) -> None:
    make_grays(10)
    broken = work_of(FakeAnalyzer(Stage.CAPTION))

    def refuse() -> FakeAnalyzer:
        raise WeightsMissing("captioner is not installed. Next step: manage.py download_models")

    work = type(broken)(broken.stage, ((broken.weights, refuse),))
    with pytest.raises(WeightsMissing):
        run_batch(night, photos, [work], Notebook())
    level, words, fields = story[-1]
    assert (level, fields) == ("ERROR", {"batch_run": str(night.pk)})
    assert "The weights cannot be used. captioner is not installed. Next step: manage.py download_models" in words


def test_a_night_whose_process_is_gone_is_told_of_under_its_number(night, story) -> None:
    assert take_run(night)
    reap_dead_runs(lambda run: False)
    dead = [fields for level, words, fields in story if "without a word" in words and level == "ERROR"]
    assert dead == [{"batch_run": str(night.pk)}]


def test_a_command_at_a_terminal_tells_it_in_its_own_words(make_grays, photo_run, photos, story) -> None:
    make_grays(10)
    run_batch(photo_run(), photos, [work_of(FakeAnalyzer())], Notebook())
    assert {level for level, _, _ in story} <= {"DEBUG"}


def test_the_process_of_a_batch_says_each_line_once_and_nothing_beside_the_log(installation: Installation) -> None:
    installation.make_photos(1)
    number = installation.ask("BatchRun.objects.create(kind='photo', trigger='schedule').pk")
    lines = installation.manage("analyze_photos", "--run", str(number), "--no-progress").splitlines()
    assert [line for line in lines if not line.startswith("[INFO] album.")] == []
    assert sum(" begins: " in line for line in lines) == sum(" ended: " in line for line in lines) == 1
