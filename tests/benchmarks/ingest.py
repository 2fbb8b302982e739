"""``scripts/bench ingest``: what storing and preparing photos costs, against a bare loop and against sharp.

Ends with status 1 where a target is missed. Ratios are of one run on one machine.
"""

from __future__ import annotations

import ctypes
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.benchmarks import upload
from tests.benchmarks.command import Part, run_parts
from tests.benchmarks.measuring import (
    FOLDER,
    REPOSITORY,
    Figure,
    in_turns,
    median_ratio,
    pss_mib,
    run_child,
)
from tests.benchmarks.parts import PHOTOS, installed
from tests.benchmarks.photos import make_photos

SHARP, SHARP_FOLDER = "sharp@0.35.5", FOLDER / "sharp"
SAMPLE_S = 0.2
PR_SET_CHILD_SUBREAPER = 36
"""Source: prctl(2)."""


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured."""

    photos: int
    rounds: int


def photos(size: Size) -> Iterator[Figure]:
    """CPU time of previews, facts, hash and rows, against the least that the previews alone can cost."""
    files = make_photos(PHOTOS, size.photos)
    make_sharp()
    peaks: list[float] = []

    def ours(*options: str) -> float:
        cpu_s, peak = import_photos(files, options)
        peaks.append(peak)
        return cpu_s

    indexed_s, copied_s, limit_s, sharp_s = in_turns(
        size.rounds, lambda: ours("--in-place"), ours, lambda: limit(files), lambda: sharp(files)
    )

    def each(seconds: list[float]) -> str:
        return f"{1000 * min(seconds) / len(files):.0f} ms per photo"

    note = f"{each(indexed_s)}; the loop {each(limit_s)}"
    yield Figure("import in place / bare loop, CPU", median_ratio(indexed_s, limit_s), "x", most=1.3, note=note)
    note = f"sharp {each(sharp_s)}"
    yield Figure(
        "import in place / sharp as Immich sets it, CPU",
        median_ratio(indexed_s, sharp_s),
        "x",
        most=1 / 3,
        note=note,
    )
    note = f"{each(copied_s)}, 3.7 MB read, written and synced"
    yield Figure("import with a copy / bare loop, CPU", median_ratio(copied_s, limit_s), "x", note=note)
    yield Figure("largest memory of an import and its child", max(peaks), "MiB", most=150)


def import_photos(files: list[Path], options: Sequence[str]) -> tuple[float, float]:
    """CPU seconds of ``import_folder`` on these files in a new installation, and its peak memory in MiB (PSS)."""
    with installed() as installation:
        installation.manage("create_first_admin")
        folder = Path(installation.folder, "photos")
        folder.mkdir()
        for path in files:
            os.link(path, folder / path.name)
        command = [sys.executable, "manage.py", "import_folder", str(folder), "--no-progress", *options]
        before_s, peak = children_cpu_s(), 0.0
        with subprocess.Popen(command, cwd=REPOSITORY, env=installation.env, stdout=subprocess.DEVNULL) as process:
            while process.poll() is None:
                with suppress(psutil.NoSuchProcess):
                    peak = max(peak, pss_mib(process.pid))
                time.sleep(SAMPLE_S)
        made = list(Path(installation.env["PHOTO_ALBUM_VAR_DIR"], "media", "renditions").rglob("grid.webp"))
        if process.returncode or len(made) != len(files):
            raise RuntimeError(f"{len(made)} previews of {len(files)} photos, status {process.returncode}")
        return children_cpu_s() - before_s, peak


def children_cpu_s() -> float:
    """CPU seconds of all ended descendants, also of those whose parent did not wait for them."""
    with suppress(ChildProcessError):
        while True:
            os.wait()
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def adopt_orphans() -> None:
    """From now on the orphans among our descendants become our children, to be waited for and counted."""
    if ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise RuntimeError("this kernel does not let a process adopt orphans")


def limit(files: list[Path]) -> float:
    """CPU seconds of the bare loop."""
    with tempfile.TemporaryDirectory(dir=FOLDER) as target:
        return run_child("-m", "tests.benchmarks.limit", target, *files).cpu_s


def sharp(files: list[Path]) -> float:
    """CPU seconds of sharp, set as Immich sets it."""
    with tempfile.TemporaryDirectory(dir=FOLDER) as target:
        command = ["node", "tests/benchmarks/sharp.mjs", target, *map(str, files)]
        env = {**os.environ, "SHARP_FOLDER": str(SHARP_FOLDER)}
        with subprocess.Popen(command, cwd=REPOSITORY, env=env) as process:
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        made = list(Path(target).iterdir())
        if process.returncode or len(made) != 2 * len(files):
            raise RuntimeError(f"sharp ended with {process.returncode} after {len(made)} files")
        return usage.ru_utime + usage.ru_stime


def make_sharp() -> None:
    """Installs sharp beside the photos where it is missing."""
    if (SHARP_FOLDER / "node_modules" / "sharp").is_dir():
        return
    npm = shutil.which("npm")
    if npm is None:
        raise RuntimeError("npm is missing. Install it (apt-get install npm) and retry.")
    SHARP_FOLDER.mkdir(parents=True, exist_ok=True)
    subprocess.run([npm, "install", "--silent", "--no-audit", "--no-fund", SHARP], cwd=SHARP_FOLDER, check=True)


PARTS: dict[str, Part[Size]] = {
    "photos": ("Photos of 12 megapixels", photos),
    "upload": ("Upload", lambda size: upload.figures()),
}


def main(arguments: list[str]) -> int:
    return run_parts(
        PARTS,
        arguments,
        about="scripts/bench ingest: what storing and preparing photos costs, and what a bare loop and sharp cost",
        sizes=(Size(300, 3), Size(40, 1)),
        prepare=lambda names: adopt_orphans(),
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
