"""The house rules that no linter knows."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
HEAVY = (
    "onnxruntime",
    "torch",
    "transformers",
    "av",
    "cv2",
    "onnx",
    "tokenizers",
    "inflect",
    "huggingface_hub",
    "rest_framework.views",
    "PIL",
    "numpy",
    "simsimd",
    "pyexiv2",
    "pillow_heif",
)


def modules() -> Iterator[Path]:
    for room in ("album", "photo_album"):
        yield from (path for path in (REPOSITORY / room).rglob("*.py") if "migrations" not in path.parts)


def test_no_module_is_longer_than_400_lines() -> None:
    long = {str(path): count for path in modules() if (count := len(path.read_text().splitlines())) > 400}
    assert long == {}


def test_no_function_is_longer_than_50_lines() -> None:
    long = [
        f"{path.name}:{node.name} {(node.end_lineno or 0) - node.lineno + 1}"
        for path in modules()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef) and (node.end_lineno or 0) - node.lineno >= 50
    ]
    assert long == []


@pytest.mark.parametrize(
    "start",
    [
        "from photo_album.wsgi import application",
        "import celery.bin.worker, django; django.setup(); from photo_album import celery_app; "
        "celery_app.loader.import_default_modules(); assert 'album.tasks.process_photo_ai' in celery_app.tasks",
        "import celery.bin.beat, django; django.setup(); import django_celery_beat.schedulers, album.tasks",
    ],
    ids=["web", "worker", "beat"],
)
def test_nothing_heavy_is_imported_when_this_starts(start: str) -> None:
    code = f"import os, sys; os.environ['DJANGO_SETTINGS_MODULE'] = 'photo_album.settings'; {start}\n"
    if "wsgi" in start:
        code += "from django.urls import get_resolver; get_resolver().url_patterns\n"
    code += f"print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr


def test_settings_and_example_name_the_same_variables() -> None:
    settings = (REPOSITORY / "photo_album" / "settings.py").read_text()
    read = set(re.findall(r'env\.\w+\(\s*"([A-Z_]+)"', settings))
    example = set(re.findall(r"^([A-Z_]+)=", (REPOSITORY / ".env.example").read_text(), re.MULTILINE))
    assert read == example


def test_every_setting_is_explained_for_administrators() -> None:
    page = (REPOSITORY / "docs" / "configuration.md").read_text()
    example = re.findall(r"^([A-Z_]+)=", (REPOSITORY / ".env.example").read_text(), re.MULTILINE)
    assert [name for name in example if f"`{name}`" not in page] == []
