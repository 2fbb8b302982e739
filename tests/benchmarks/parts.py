"""The parts of ``scripts/bench batch``: each starts its processes, and yields figures with the issue's targets."""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from tests.benchmarks.full_size import BLIP_ID, CLIP_ID, TOKENS
from tests.benchmarks.measuring import FOLDER, Figure, Spent, in_turns, median_ratio, pss_mib, run_child
from tests.benchmarks.photos import make_photos
from tests.faults.installation import Installation, wait_until
from tests.faults.servers import Redis

WEIGHTS, PHOTOS = FOLDER / "weights", FOLDER / "photos"
NIGHT = 500
"""Photos of the night that the issue compares."""
SHARED_ROWS = 2000
FAIR_SYNC_MS = 0.6
"""On a disk that takes longer to make one page durable, the wall clock tells of the disk."""
WORKER, BEAT = ("-m", "photo_album.celery_worker"), ("-m", "photo_album.celery_beat")
"""As the units start them."""


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured."""

    rounds: int
    photos: int
    rows: int


FULL, QUICK = Size(rounds=3, photos=40, rows=10_000), Size(rounds=1, photos=16, rows=400)


@contextmanager
def installed(**env: str) -> Iterator[Installation]:
    """A fresh installation on the disk that the repository lies on; its database is a real file."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=FOLDER, prefix="installation-") as folder:
        installation = Installation(Path(folder), env)
        try:
            yield installation
        finally:
            installation.end()


@contextmanager
def album_of(photos: int, **env: str) -> Iterator[Installation]:
    """An installation with photos that wait, and int8 weights brought in as an administrator would."""
    with installed(**env) as installation:
        installation.manage("create_first_admin")
        files = Path(installation.folder, "photos")
        files.mkdir()
        for path in make_photos(PHOTOS, photos):
            files.joinpath(path.name).hardlink_to(path)  # an import follows no symbolic links
        installation.manage("import_folder", str(files), "--owner", "admin", "--no-progress")
        for weights_id in (BLIP_ID, CLIP_ID):
            installation.manage("import_models", str(WEIGHTS / weights_id), "--model", weights_id)
        yield installation


def pipeline(size: Size) -> Iterator[Figure]:
    """Photos per second from file to row, of what the sessions alone can do."""
    with album_of(size.photos) as installation:
        models = Path(installation.env["MODELS_CACHE_DIR"])
        found = run_child("-m", "tests.benchmarks.pipeline", models, size.rounds, env=installation.env).answer
    for stage, least in (("caption", 0.92), ("embed", None)):
        through_s, bare_s = found[stage]
        ratio = median_ratio(bare_s, through_s)
        note = f"{1 / median(through_s):.2f} of {1 / median(bare_s):.2f} photos/s"
        yield Figure(f"{stage}: throughput from file to row / bare sessions", ratio, "x", least, note=note)


def engines(size: Size) -> Iterator[Figure]:
    """The album's int8 networks against transformers, photo by photo."""
    photos = [str(path) for path in make_photos(PHOTOS, 8)]

    def measured(engine: str, count: int) -> dict[str, float]:
        return run_child("-m", "tests.benchmarks.engines", engine, WEIGHTS, count, *photos).answer

    for network, name, count in (("blip", f"captions of {TOKENS} tokens", 8), ("clip", "image vectors", 64)):
        results: dict[str, list[dict[str, float]]] = {"transformers": [], "onnx": []}
        for _ in range(size.rounds):
            for way, found in results.items():
                found.append(measured(f"{network}_{way}", count))
        theirs, ours = ([one["cpu_s"] for one in found] for found in results.values())
        note = f"{median(ours):.3f} CPU-s each, transformers {median(theirs):.3f}"
        ratio = median_ratio(theirs, ours)
        yield Figure(f"{name}: photos per CPU-second, int8 / transformers", ratio, "x", 4.5, note=note)
        their_mb, our_mb = (median(one["peak_mb"] for one in found) for found in results.values())
        most = 0.5 if network == "blip" else None
        note = f"{our_mb:.0f} of {their_mb:.0f} MB"
        yield Figure(f"{name}: peak memory, int8 / transformers", our_mb / their_mb, "x", most=most, note=note)


def processes(size: Size) -> Iterator[Figure]:
    """A night in one batch against a process for each photo."""
    with album_of(size.photos) as installation:
        photo = PHOTOS / "photo-000.jpg"
        analyze = ("manage.py", "analyze_photos", "--no-progress", "--force")
        # Once before the clock: the vectors of the tags are computed and kept.
        run_child(*analyze, "--limit", 1, env=installation.env)

        def batch(*bounds: object) -> float:
            return run_child(*analyze, *bounds, env=installation.env).cpu_s

        guide, default_guide, alone, together = in_turns(
            size.rounds,
            lambda: run_child("-m", "tests.benchmarks.guide", WEIGHTS, photo, 1).cpu_s,
            lambda: run_child("-m", "tests.benchmarks.guide", WEIGHTS, photo).cpu_s,
            lambda: batch("--limit", 1),
            batch,
        )
    each_s = median(together) / size.photos
    start_s = median(alone)
    marginal_s = (median(together) - start_s) / (size.photos - 1)
    night_s = (start_s + marginal_s * (NIGHT - 1)) / NIGHT
    note = f"{median(guide):.2f} CPU-s, in the batch {night_s:.3f}, from batches of 1 and {size.photos}"
    name = f"transformers on one thread, a process per photo / one batch of {NIGHT}"
    yield Figure(name, median(guide) / night_s, "x", 12, note=note)
    name = f"the same / one batch of {size.photos}, as measured"
    yield Figure(name, median(guide) / each_s, "x", note=f"{each_s:.3f} CPU-s each")
    name = f"transformers with torch's own number of threads / one batch of {NIGHT}"
    note = f"{median(default_guide):.2f} CPU-s; its threads spin where other programs are busy"
    yield Figure(name, median(default_guide) / night_s, "x", note=note)
    note = f"{start_s:.2f} CPU-s alone"
    yield Figure(f"our networks, a process per photo / one batch of {NIGHT}", start_s / night_s, "x", note=note)


def memory(size: Size) -> Iterator[Figure]:
    """Celery at rest, and the batch on a Raspberry Pi's profile."""
    yield from _at_rest()
    with album_of(min(size.photos, 12), AI_PROFILE="raspberry-pi") as installation:
        run = run_child("-m", "tests.benchmarks.watched", env=installation.env).answer
        stages = installation.ask(
            "sorted(StageResult.objects.values_list('stage','state').annotate(n=Count('pk')))"
        )
    events = [tuple(event) for event in run["events"]]
    open_now: set[str] = set()
    together: set[str] = set()
    for what, name, _ in events:
        (open_now.add if what == "opened" else open_now.discard)(name)
        together |= {"both"} if {"visual.onnx", "step.onnx"} <= open_now else set()
    loads = [name for what, name, _ in events if what == "opened"]
    story = ", ".join(f"{name} {what} {mb:.0f}" for what, name, mb in events)
    yield Figure("raspberry-pi: peak of the batch process (VmHWM)", run["peak_mb"], "MB", most=700, note=story)
    done = [stage for stage, state, count in stages if state == "completed" and count == min(size.photos, 12)]
    yield Figure("raspberry-pi: stages that did all photos", len(done), least=2, note=", ".join(done))
    yield Figure("raspberry-pi: most loads of one graph", max(map(loads.count, loads)), most=1)
    yield Figure("raspberry-pi: stages whose networks were open together", 1 + len(together), most=1)


def _at_rest() -> Iterator[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        redis = Redis(Path(folder))
        try:
            with installed(CELERY_BROKER_URL=redis.url, CELERY_RESULT_BACKEND=redis.url) as installation:
                worker, beat = installation.start(*WORKER, WORKER_QUEUES="media"), installation.start(*BEAT)
                tasks = "__import__('django_celery_beat.models').models.PeriodicTask.objects.count()"
                wait_until(lambda: installation.ask(tasks) >= 3, 60, "beat has its entries")
                for name, process, most in (("worker of one lane", worker, 90), ("beat", beat, 65)):
                    yield Figure(f"{name} at rest, PSS with children", _rest_mib(process), "MiB", most=most)
                    heavy = [lib for lib in ("onnxruntime", "torch", "libav") if lib in _mapped(process)]
                    yield Figure(f"{name}: heavy libraries mapped", len(heavy), most=0, note=", ".join(heavy))
                worker.terminate()
                worker.wait(60)
                both = _rest_mib(installation.start(*WORKER))
                yield Figure("worker of both lanes, as it is installed: PSS with children", both, "MiB")
        finally:
            redis.stop()


def _rest_mib(process: subprocess.Popen[str]) -> float:
    """PSS once it no longer changes."""
    before = 0.0
    while abs((now := pss_mib(process.pid)) - before) > 0.2:
        before = now
        time.sleep(2)
    return now


def _mapped(process: subprocess.Popen[str]) -> str:
    return Path(f"/proc/{process.pid}/maps").read_text(encoding="utf-8")


def ledger(size: Size) -> Iterator[Figure]:
    """Claiming and recording alone, on a real disk with every transaction synced."""
    with installed() as installation:
        installation.make_rows(size.rows)
        before_ms = sync_ms(FOLDER)
        run = run_child("-m", "tests.benchmarks.ledger", env=installation.env).answer
        disk_ms = max(before_ms, sync_ms(FOLDER))
        if len(run["ids"]) != size.rows:
            raise RuntimeError(f"{len(run['ids'])} of {size.rows} items were recorded")
    names = ("queue_cpu_s", "queue_by_medians_s", "queue_s", "run_s")
    cpu_ms, middle_ms, mean_ms, run_ms = (1e3 * run[name] / size.rows for name in names)
    name = f"{size.rows:,} rows: claiming and recording"
    yield Figure(f"{name}, CPU per item", cpu_ms, "ms", most=2)
    # Each item is a transaction of its own, so a slow disk alone takes longer than all that is judged here.
    is_fair = disk_ms <= FAIR_SYNC_MS
    verdict = "" if is_fair else "not judged, the disk is slow or busy: "
    note = f"{verdict}one sync takes {disk_ms:.2f}; mean {mean_ms:.2f}, whole run {run_ms:.2f}"
    yield Figure(f"{name}, wall per item, medians", middle_ms, "ms", most=2 if is_fair else None, note=note)
    with installed() as installation:
        installation.make_rows(SHARED_ROWS)
        yield from _in_parallel(installation, SHARED_ROWS)


def _in_parallel(installation: Installation, rows: int) -> Iterator[Figure]:
    meeting = Path(installation.folder, "meeting")
    meeting.mkdir()
    runs = [installation.start("-m", "tests.benchmarks.ledger", str(meeting)) for _ in range(2)]
    shares = [Spent(0, 0, process.communicate(timeout=580)[0]).answer["ids"] for process in runs]
    twice = len(shares[0]) + len(shares[1]) - len({*shares[0], *shares[1]})
    attempts = installation.ask("list(StageResult.objects.values_list('attempts', 'state').distinct())")
    if attempts != [[1, "completed"]]:
        raise RuntimeError(f"the ledger says {attempts}")
    note = f"{len(shares[0])} and {len(shares[1])} of {rows}"
    yield Figure("two runs in parallel: items that both recorded", twice, most=0, note=note)
    yield Figure("two runs in parallel: items recorded", len({*shares[0], *shares[1]}), least=rows)


def sync_ms(folder: Path) -> float:
    """The median of what this disk takes to make a page of a log durable."""
    import os

    times = []
    with tempfile.TemporaryFile(dir=folder) as file:
        for _ in range(50):
            file.write(bytes(4096))
            file.flush()
            started = time.monotonic()
            os.fdatasync(file.fileno())
            times.append(time.monotonic() - started)
    return 1e3 * median(times)


def cuda(size: Size) -> Iterator[Figure]:
    """Captions in bf16 on a CUDA device."""
    found = run_child("-m", "tests.benchmarks.cuda", WEIGHTS, 2 * size.rounds).answer
    if "skipped" in found:
        print(f"        skipped: {found['skipped']}", flush=True)
        return
    best = found["best_batch"]
    rate = found["ours"][str(best)]
    yield Figure(f"captions per second in bf16 at batch {best}", rate, "/s", note=found["device"])
    for batch, theirs in found["transformers"].items():
        note = f"{theirs:.1f} /s"
        yield Figure(f"bf16 at its best batch / transformers fp32 at batch {batch}", rate / theirs, "x", note=note)
    yield Figure("share of time in which the device is idle", found["idle"])
