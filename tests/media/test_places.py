"""From a position to the nearest town, offline."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from album.media import places
from album.media.facts import Place
from album.media.places import find_place


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("places")


@pytest.mark.parametrize(
    ("position", "place"),
    [
        ((48.8566, 2.3522), Place("FR", "France", "Île-de-France", "Paris")),
        ((-36.85, 174.76), Place("NZ", "New Zealand", "Auckland", "Auckland")),
        ((78.22, 15.65), Place("SJ", "Svalbard and Jan Mayen", "Svalbard", "Longyearbyen")),
        ((64.146, -21.94), Place("IS", "Iceland", "Capital Region", "Reykjavík")),
    ],
)
def test_a_position_is_told_by_its_nearest_town(position: tuple[float, float], place: Place, cache: Path) -> None:
    assert find_place(*position, cache) == place


@pytest.mark.parametrize("position", [(0.0, -30.0), (-90.0, 0.0), (30.0, -40.0)])
def test_the_open_sea_and_the_poles_are_nowhere(position: tuple[float, float], cache: Path) -> None:
    assert find_place(*position, cache) is None


def test_the_date_line_parts_no_neighbors(cache: Path) -> None:
    west, east = find_place(-16.5, 179.999, cache), find_place(-16.5, -179.999, cache)
    assert west is not None and west == east
    assert west.country == "Fiji"


def test_the_table_is_built_once_and_then_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    find_place(48.8566, 2.3522, tmp_path)
    assert [path.suffix for path in tmp_path.iterdir()] == [".npz"]
    places._load.cache_clear()
    monkeypatch.setattr(places, "_build", lambda: pytest.fail("built again"))
    assert find_place(48.8566, 2.3522, tmp_path) is not None


def test_a_damaged_table_is_built_anew(tmp_path: Path) -> None:
    find_place(48.8566, 2.3522, tmp_path)
    (table,) = tmp_path.iterdir()
    table.write_bytes(table.read_bytes()[:1000])
    places._load.cache_clear()
    assert find_place(48.8566, 2.3522, tmp_path) is not None
    assert table.stat().st_size > 1_000_000


def test_a_folder_that_cannot_be_written_costs_time_and_not_the_place(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert find_place(48.8566, 2.3522, tmp_path / "file") is not None


def test_a_loaded_table_takes_less_than_30_mb(cache: Path) -> None:
    find_place(48.8566, 2.3522, cache)
    program = (
        "import sys, pathlib, numpy\n"
        "from album.media.places import find_place\n"
        "rss = lambda: int(open('/proc/self/statm').read().split()[1]) * 4096\n"
        "before = rss()\n"
        "assert find_place(48.8566, 2.3522, pathlib.Path(sys.argv[1]))\n"
        "print(rss() - before, 'reverse_geocode' in sys.modules)\n"
    )
    root = Path(__file__).resolve().parents[2]
    said = subprocess.run(
        [sys.executable, "-c", program, str(cache)],
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert int(said[0]) < 30_000_000
    assert said[1] == "False"
