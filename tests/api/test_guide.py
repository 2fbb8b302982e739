"""The lines of docs/api.md, typed into a shell, against a real server."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.cast import scene_bytes
from tests.faults.installation import Installation
from tests.faults.web import WebServer

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "api.md"
CURL = "curl() { command curl --silent --show-error --fail-with-body --noproxy '*' \"$@\"; }\n"
MAKE_PEOPLE = """
    from django.contrib.auth.models import User
    from album.models import ApiKey
    from album.services.api_keys import create_key
    User.objects.create_user("bob")
    alice = User.objects.create_superuser("alice")
    print(create_key(user=alice, name="guide", scopes=ApiKey.Scope.values)[1])
"""


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    made = Installation(tmp_path, {"CELERY_BROKER_URL": "filesystem://localhost"})
    yield made
    made.end()


def told_by(shown: Any, answer: Any, where: str = "") -> list[str]:
    """Where ``answer`` differs from what the page shows; an ellipsis or a hash stands for any text."""
    if isinstance(shown, dict):
        missing = [f"{where}.{name} is missing" for name in shown if name not in answer]
        return missing + [
            words
            for name in shown
            if name in answer
            for words in told_by(shown[name], answer[name], f"{where}.{name}")
        ]
    if isinstance(shown, list):
        pairs = zip(shown, answer, strict=False)
        short = [f"{where} has {len(answer)} entries"] if len(answer) < len(shown) else []
        return short + [words for one, other in pairs for words in told_by(one, other, f"{where}[]")]
    is_alike = shown == answer or shown is None or (isinstance(shown, str) and ("…" in shown or len(shown) == 64))
    return [] if is_alike else [f"{where} is {answer!r}, not {shown!r}"]


def test_the_lines_of_the_guide_work(installation: Installation, tmp_path: Path) -> None:
    installation.manage("setup_beat_schedule")
    key = installation.python(MAKE_PEOPLE).strip()
    (tmp_path / "beach.jpg").write_bytes(scene_bytes())
    steps = re.findall(r"^    \$ (curl .*)\n(?:\n```json\n(.*?)\n```)?", GUIDE.read_text(), re.MULTILINE)
    assert len(steps) >= 25
    wrong = []
    with WebServer(installation) as web:
        environment = {"KEY": key, "ALBUM": f"http://127.0.0.1:{web.port}", "PATH": "/usr/bin:/bin"}
        for line, shown in steps:
            words = ["bash", "-c", CURL + line]
            options: dict[str, Any] = {
                "env": environment,
                "cwd": tmp_path,
                "capture_output": True,
                "text": True,
                "timeout": 60,
            }
            done = subprocess.run(words, check=False, **options)
            if done.returncode:
                wrong.append(f"{line}: {done.stdout} {done.stderr}")
            elif shown:
                differences = told_by(json.loads(shown), json.loads(done.stdout))
                wrong += [f"{line}: {difference}" for difference in differences]
    assert wrong == []
    with Image.open(tmp_path / "thumbnail.webp") as thumbnail:
        assert thumbnail.format == "WEBP"
