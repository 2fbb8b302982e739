"""Resize jobs with a real web server, a real Redis and a real worker; the guide's lines are typed as they stand."""

from __future__ import annotations

import io
import json
import re
import shlex
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.cast import scene_bytes
from tests.faults.installation import Installation, wait_until
from tests.faults.servers import Redis
from tests.faults.web import WebServer, make_alice
from tests.tasks.test_worker import WORKER

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "jobs-api.md"


@pytest.fixture
def installation(installation: Installation) -> Installation:
    make_alice(installation)
    return installation


@pytest.fixture
def web(installation: Installation) -> Iterator[WebServer]:
    with WebServer(installation) as server:
        yield server


@dataclass
class Program:
    """A program of alice's that uses the API by ``curl``."""

    web: WebServer
    key: str

    def ask(self, path: str, *options: str) -> bytes:
        url = f"http://127.0.0.1:{self.web.port}{path}"
        command = ["curl", "--silent", "--fail", "--noproxy", "*", "--header", self.sign_in, *options, url]
        return subprocess.run(command, check=True, capture_output=True, timeout=60).stdout

    @property
    def sign_in(self) -> str:
        return f"Authorization: Bearer {self.key}"

    def post(self, path: Path) -> dict[str, Any]:
        return dict(json.loads(self.ask("/jobs/", "--form", f"original_image=@{path}")))

    def job(self, job_id: str) -> dict[str, Any]:
        return dict(json.loads(self.ask(f"/jobs/{job_id}/")))

    def await_status(self, job_id: str, status: str) -> dict[str, Any]:
        wait_until(lambda: self.job(job_id)["status"] == status, 40, f"job {status}")
        return self.job(job_id)


@pytest.fixture
def program(installation: Installation, web: WebServer) -> Program:
    code = """
        from django.contrib.auth.models import User
        from album.services.api_keys import create_key
        print(create_key(user=User.objects.get(), name="resizer", scopes=["upload"])[1])
    """
    return Program(web, installation.python(code).strip())


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.jpg"
    path.write_bytes(scene_bytes(size_px=(1000, 1500)))
    return path


def attempts(installation: Installation) -> list[int]:
    return list(installation.ask("list(ImageJob.objects.values_list('attempts', flat=True))"))


def test_a_posted_image_comes_back_resized(installation: Installation, program: Program, photo: Path) -> None:
    installation.start(*WORKER)
    done = program.await_status(program.post(photo)["id"], "completed")
    with Image.open(io.BytesIO(program.ask(done["resized_image"]))) as resized:
        assert (resized.format, resized.size) == ("JPEG", (533, 800))
    assert program.ask(done["original_image"]) == photo.read_bytes()


def test_a_message_delivered_twice_makes_one_result(
    installation: Installation, program: Program, photo: Path
) -> None:
    job = program.post(photo)
    ring = f"from album.tasks import process_image_job as t\nt.delay('{job['id']}'); t.delay('{job['id']}')"
    installation.python(ring)
    installation.start(*WORKER)
    program.await_status(job["id"], "completed")
    assert '"not waiting"' in installation.python(
        f"import json\nfrom album.tasks import process_image_job as t\n"
        f"print(json.dumps(t.delay('{job['id']}').get(timeout=30)))"
    )
    assert attempts(installation) == [1]
    assert len(list((installation.folder / "var/media/jobs/thumbnails").iterdir())) == 1


def test_a_job_posted_without_redis_is_done_later(
    installation: Installation, program: Program, photo: Path, redis: Redis
) -> None:
    redis.stop()
    begun = time.monotonic()
    job = program.post(photo)
    assert time.monotonic() - begun < 5, "nobody waits for Redis"
    redis.start()
    installation.start(*WORKER)
    installation.python(
        """
        from datetime import timedelta
        from django.db.models import F
        from album.models import ImageJob
        from album.tasks import start_waiting_jobs
        ImageJob.objects.update(created_at=F("created_at") - timedelta(minutes=2))
        assert start_waiting_jobs.delay().get(timeout=30) == {"started": 1}
        """
    )
    program.await_status(job["id"], "completed")


def test_what_may_pass_is_tried_again_after_1_2_and_4_seconds(
    installation: Installation, program: Program, photo: Path
) -> None:
    installation.start(*WORKER)
    blocker = installation.folder / "var/media/jobs/thumbnails"
    blocker.parent.mkdir(parents=True)
    blocker.touch()
    begun = time.monotonic()
    failed = program.await_status(program.post(photo)["id"], "failed")
    assert 7 <= time.monotonic() - begun < 30
    assert failed["error_message"] == "The image could not be resized (File exists). Send it again later."
    assert attempts(installation) == [4]

    waiting = program.post(photo)
    wait_until(lambda: max(attempts(installation)) >= 1, 20, "a first attempt")
    blocker.unlink()
    program.await_status(waiting["id"], "completed")


def test_the_lines_of_the_guide_work(installation: Installation, program: Program, photo: Path) -> None:
    installation.start(*WORKER)
    page = GUIDE.read_text()
    made, done = (json.loads(block) for block in re.findall(r"```json\n(.*?)```", page, re.DOTALL))
    lines = [shlex.split(line) for line in re.findall(r"^    \$ (curl .*)$", page, re.MULTILINE)]
    post, get, fetch = lines

    def type_in(line: list[str], job_id: str) -> bytes:
        here = f"http://127.0.0.1:{program.web.port}"
        words = [
            word.replace("http://localhost:8000", here)
            .replace("$KEY", program.key)
            .replace(made["id"], job_id)
            .replace(made["id"][:8], job_id[:8])
            for word in line
        ]
        command = [words[0], "--silent", "--fail", "--noproxy", "*", *words[1:]]
        return subprocess.run(command, check=True, capture_output=True, cwd=photo.parent, timeout=60).stdout

    def shape(job: dict[str, str | None]) -> dict[str, str | None]:
        return {
            name: value and re.sub(r"[0-9a-f]{8}|\d", "0", re.sub(r"-[0-9a-f-]{27}", "", value))
            for name, value in job.items()
        }

    answer = json.loads(type_in(post, ""))
    assert shape(answer) == shape(made)
    program.await_status(answer["id"], "completed")
    assert shape(json.loads(type_in(get, answer["id"]))) == shape(done)
    type_in(fetch, answer["id"])
    with Image.open(photo.parent / f"thumbnail-{answer['id'][:8]}.jpg") as resized:
        assert max(resized.size) == 800
